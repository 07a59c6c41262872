"""Minting over the network: a Quay of one's own on this machine, whose federated robots get a token for an hour."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from portreeve.server.refresh.minter import NetworkMinter
from tests.server.plane import NOW, Plane, document, here, running
from tests.server.test_refresh import enrolled
from tests.server.test_refresh_over_days import Agent
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import Answer, Asked, Says, answering

OIDC = "oidc-token-of-the-robot-0123456789"


@dataclass
class Quay:
    """What it gives, and what it was shown."""

    ends: datetime = NOW + timedelta(hours=1)
    status: int = 200
    shown: list[str] = field(default_factory=list)
    host: str = ""
    authority: str = ""

    def answer(self, asked: Asked) -> Answer:
        assert asked.path == "/oauth2/federation/robot/token"
        self.shown.append(asked.headers.get("authorization", ""))
        claims = base64.urlsafe_b64encode(json.dumps({"exp": int(self.ends.timestamp())}).encode()).decode().rstrip("=")
        body = json.dumps({"token": f"eyJhbGciOiJSUzI1NiJ9.{claims}.c2ln"}).encode() if self.status == 200 else b"{}"
        return Says(self.status, body, {"Content-Type": "application/json"})


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Quay]:
    found, authority = Quay(), CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "quay", hosts=("127.0.0.1",))
    with answering(found.answer, certificate=certificate) as server:
        found.host, found.authority = server.url.removeprefix("https://"), authority.file.read_text()
        yield found


@pytest.fixture
async def plane(database_url: str, tmp_path: Path) -> AsyncIterator[Plane]:
    async with running(database_url, tmp_path, private_addresses=("127.0.0.1/32",)) as plane:
        yield plane


async def stored(plane: Plane, quay: Quay, **spec: object) -> None:
    credential = {"purpose": "pull", "method": "robot-federation", "parameters": {"username": "acme+robot"}}
    tls = {"caBundle": quay.authority}
    registry = {"provider": "quay", "host": quay.host, "path": "acme", "tls": tls, "credentials": [credential]}
    await plane.put(
        document("EnvironmentGroup", "development"),
        document("Environment", "one", tier="development", group="development"),
        document("Registry", "ecr", **{**registry, **spec}),
        document("RegistryAccess", "one", registry="ecr", environment="one", namespaces={"names": ["shop"]}),
    )
    admin = await plane.client("root", "platform-admin")
    answer = await admin.put("/api/v1/registries/ecr/credentials/pull", json={"secret": OIDC})
    assert answer.status_code == 200, answer.text


async def test_a_token_is_minted_over_the_network_and_delivered(plane: Plane, quay: Quay) -> None:
    assert isinstance(plane.server.refresh.minter, NetworkMinter)
    agent = Agent(plane, await enrolled(plane))
    await stored(plane, quay)
    await plane.server.refresh.sweep()
    await plane.server.desired.sweep()
    held = await agent.pulls_with()
    assert held is not None
    assert held[0].startswith("eyJhbGciOiJSUzI1NiJ9.")
    assert NOW < held[1] <= quay.ends
    assert quay.shown == ["Basic " + base64.b64encode(f"acme+robot:{OIDC}".encode()).decode()]


@pytest.mark.parametrize(("status", "reason"), [(401, "Unauthorized"), (503, "Unreachable")])
async def test_a_refusal_and_an_outage_are_told_apart(plane: Plane, quay: Quay, status: int, reason: str) -> None:
    quay.status = status
    await stored(plane, quay)
    await plane.server.refresh.sweep()
    admin = await plane.client("root2", "platform-admin")
    conditions = (await admin.get("/api/v1/registries/ecr")).json()["status"]["conditions"]
    assert reason in {one["reason"] for one in conditions}


async def test_another_authority_gets_no_secret(plane: Plane, quay: Quay, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = CertificateAuthority(tmp_path / "other").file.read_text()
    await stored(plane, quay, tls={"caBundle": other})
    await plane.server.refresh.sweep()
    assert quay.shown == []


async def test_an_address_that_no_list_allows_gets_no_secret(database_url: str, tmp_path: Path, quay: Quay) -> None:
    async with running(database_url, tmp_path, resolver=here) as plane:
        await stored(plane, quay)
        await plane.server.refresh.sweep()
    assert quay.shown == []
