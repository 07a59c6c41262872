"""An agent as the channel sees one: it holds a key and a certificate, and signs each of its requests."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from portreeve.core.secret import SecretValue
from portreeve.vault import agent_keys, certificates, sealing
from portreeve.vault.agent_keys import Asked, body_digest
from portreeve.vault.sealing import OpeningKey
from portreeve.wire.channel import Join, Joined, join_document, read_joined
from tests.server.plane import NOW, Plane, document, running

TRUST = certificates.generate(NOW).pem
"""A certificate as good as any: nothing here goes over TLS."""

ENVIRONMENTS = (
    document("EnvironmentGroup", "production"),
    document("Environment", "prod", tier="production", group="production"),
    document("Environment", "west", tier="production", group="production"),
)


@dataclass
class Agent:
    """An agent of one environment. Copying it is what a thief of its volume does."""

    plane: Plane
    client: httpx2.AsyncClient
    key: SecretValue
    joined: Joined
    opening: OpeningKey
    cluster: str = "cluster-1"
    reports: int = field(default=0)

    def copy(self) -> Agent:
        """The same files in other hands."""
        return replace(self)

    def headers(self, method: str, target: str, body: bytes, now: datetime | None = None) -> dict[str, str]:
        """What proves who sends this."""
        asked = Asked(method, target, body_digest(body))
        nonce = secrets.token_bytes(agent_keys.NONCE_BYTES)
        at = now or self.plane.clock()
        return {agent_keys.HEADER: agent_keys.header(self.key, self.joined.certificate, asked, at, nonce)}

    async def send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        """One request of the channel."""
        data = b"" if body is None else json.dumps(body).encode()
        target = f"/agent/v1/{path}"
        return await self.client.request(method, target, content=data, headers=self.headers(method, target, data))

    async def desired(self, generation: int = 0) -> httpx2.Response:
        """The document behind a generation."""
        return await self.send("GET", f"desired?generation={generation}")

    async def renewed(self, key: SecretValue | None = None) -> httpx2.Response:
        """Ask for the next certificate, and take it if there is one."""
        key = key or agent_keys.generate()
        answer = await self.send("POST", "renew", {"request": agent_keys.request(key)})
        if answer.status_code == 200:
            self.key, self.joined = key, read_joined(answer.json())
        return answer

    async def report(self, **changed: Any) -> httpx2.Response:
        """Say what has changed; the first report is a whole one."""
        self.reports += 1
        body = {"report": self.reports, "generation": 1, "whole": self.reports == 1, **changed}
        return await self.send("POST", "observed", body)


async def token(admin: httpx2.AsyncClient, environment: str = "prod") -> SecretValue:
    """What a new enrolment shows."""
    answer = await admin.post(f"/api/v1/environments/{environment}/enrolment")
    assert answer.status_code == 201, answer.text
    return SecretValue(answer.json()["join"].partition(".")[0])


async def join(
    plane: Plane, join_token: SecretValue, *, key: SecretValue | None = None, cluster: str = "cluster-1"
) -> tuple[httpx2.Response, Agent | None]:
    """Enrol with a token."""
    key, opening, client = key or agent_keys.generate(), sealing.generate(), plane.anonymous()
    asked = Join(join_token, agent_keys.request(key), sealing.public_bytes(opening.sealing_key), cluster)
    answer = await client.post("/agent/v1/enrol", json=join_document(asked))
    if answer.status_code != 200:
        return answer, None
    return answer, Agent(plane, client, key, read_joined(answer.json()), opening)


async def enrolled(plane: Plane, admin: httpx2.AsyncClient, environment: str = "prod") -> Agent:
    """An agent that has enrolled."""
    answer, agent = await join(plane, await token(admin, environment))
    assert agent is not None, answer.text
    return agent


@asynccontextmanager
async def agents_plane(url: str, data: Path, wait_s: float = 30, **settings: Any) -> AsyncIterator[Plane]:
    """A control plane that agents can know, with two environments; polls of it last for longer than any sweep."""
    trust = data / "trust.pem"
    trust.write_text(TRUST)
    async with running(url, data, agents_trust=trust, channel_wait_s=wait_s, **settings) as plane:
        yield plane
