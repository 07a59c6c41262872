"""A control plane that may contact this machine, a real registry beside it, and images in that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.oci.asking import Asking
from portreeve.sandbox.pushing import push
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust
from tests.fakes.images import Built
from tests.oci.behaviour import now
from tests.server.plane import Plane, document, running
from tests.tools.registry import PASSWORD, READER, READER_PASSWORD, USER, Access, DockerRegistry, ReferrersRegistry

Real = DockerRegistry | ReferrersRegistry

ALLOWED = ("127.0.0.0/8",)


@asynccontextmanager
async def plane_here(directory: Path) -> AsyncIterator[Plane]:
    """A control plane that may contact this machine."""
    async with running(f"sqlite:///{directory / 'portreeve.db'}", directory, private_addresses=ALLOWED) as plane:
        yield plane


def fresh() -> str:
    """A repository of the test's own."""
    return f"team/{uuid4().hex}"


async def pushed(registry: Real, repository: str, built: Built, tag: str = "") -> None:
    """Put an image into a registry."""
    budget = Budget()
    signed_in = isinstance(registry, DockerRegistry) and registry.access is not Access.OPEN
    login = Login(USER, SecretValue(PASSWORD)) if signed_in else None
    realms = [registry.realm] if isinstance(registry, DockerRegistry) and registry.realm else []
    trust = Trust(registry.authority)
    async with Outward(registry.origin, trust, AddressRules.of(ALLOWED), budget) as outward:
        asking = Asking(registry.origin, outward, login=login, realms=realms, now=now, budget=budget)
        await push(asking, repository, built, tag)


@dataclass(frozen=True)
class Registered:
    """A registry that the control plane knows, and an administrator's client."""

    plane: Plane
    client: httpx2.AsyncClient
    name: str

    async def validate(self, **query: str) -> dict[str, Any]:
        answer = await self.client.post(f"/api/v1/registries/{self.name}/validate", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str, **query: Any) -> httpx2.Response:
        return await self.client.get(f"/api/v1/registries/{self.name}/{path}", params=query)


def spec_of(registry: Real, **more: Any) -> dict[str, Any]:
    """The specification of a real registry, with what the test says otherwise."""
    spec: dict[str, Any] = {"provider": "generic", "host": f"127.0.0.1:{registry.port}"}
    spec["tls"] = {"caBundle": registry.authority} if registry.tls else {"plainHTTP": True}
    if isinstance(registry, DockerRegistry) and registry.realm:
        spec["tokenRealm"] = registry.realm
    return {**spec, **more}


def as_reader() -> Mapping[str, Any]:
    """A credential that may pull and nothing else, where there is a token service; and its secret."""
    return {"username": READER, "secret": READER_PASSWORD}


def as_writer() -> Mapping[str, Any]:
    """The same of one that may push, too."""
    return {"username": USER, "secret": PASSWORD}


async def registered(
    plane: Plane,
    spec: Mapping[str, Any],
    credential: Mapping[str, Any] | None = None,
    *,
    name: str = "here",
    purpose: str = "pull",
    expires_at: str | None = "2027-06-01T00:00:00Z",
) -> Registered:
    """Store a registry, and its credential if there is one; whoever asks is a platform admin."""
    whole = dict(spec)
    if credential is not None:
        entry: dict[str, Any] = {"purpose": purpose, "method": "basic"}
        entry["parameters"] = {"username": credential["username"]}
        whole["credentials"] = [entry | ({"expiresAt": expires_at} if expires_at else {})]
    await plane.put(document("Registry", name, **whole))
    client = await plane.client("root", "platform-admin")
    if credential is not None:
        path = f"/api/v1/registries/{name}/credentials/{purpose}"
        answer = await client.put(path, json={"secret": credential["secret"]})
        assert answer.status_code == 200, answer.text
    return Registered(plane, client, name)


def stages(validation: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Stage → outcome and code."""
    return {check["stage"]: (check["outcome"], check.get("code", "")) for check in validation["checks"]}


def failed(validation: Mapping[str, Any]) -> dict[str, str]:
    """Stage → code, of those that failed."""
    return {stage: code for stage, (outcome, code) in stages(validation).items() if outcome == "failed"}
