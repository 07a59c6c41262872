"""A control plane under test: the real application over a real database, driven through HTTP.

The clock is held still and moved by the test. People and roles are written as documents, tokens by the service that
makes them for everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from portreeve.core.audit import Action, Actor, ObjectKind, Target
from portreeve.core.estate import Key
from portreeve.core.secret import SecretValue
from portreeve.server.agents.channel import WAIT_S
from portreeve.server.app import Server, application, build
from portreeve.server.audit.journal import Entry
from portreeve.server.console.built import STATIC
from portreeve.server.database.migrate import to_head
from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store
from portreeve.server.documents.stored import Stored
from portreeve.server.http.caller import SYSTEM
from portreeve.server.people import store as people
from portreeve.server.people.tokens import digest, new_api_token
from portreeve.server.refresh.minter import Minter
from portreeve.server.settings import Settings
from portreeve.transport.address_rules import IpAddress
from portreeve.transport.guarded import Resolver
from portreeve.vault import aead
from portreeve.vault.certificates import Authority
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKeys
from portreeve.vault.signing import SigningKey, generate
from portreeve.wire.documents import read_document
from tests.server.analysed import look_once
from tests.server.migrated import copied

look_once()

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A document as it is sent."""
    return {"apiVersion": "portreeve.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Plane:
    """One replica, started. `clock` is its time."""

    server: Server
    app: FastAPI
    clock: Clock
    _clients: list[httpx2.AsyncClient] = field(default_factory=list)

    async def put(self, *documents: Mapping[str, Any]) -> None:
        """Store documents as they are, judged by nobody: how a test sets the scene."""

        async def job(transaction: Transaction) -> None:
            held = []
            for one in documents:
                read = read_document(one)
                key = Key(read.kind, read.value.name)
                now, revision = transaction.now, transaction.next_revision()
                stored = Stored(
                    key, self.server.new_id(), 1, revision, read.labels, read.annotations, read.spec, {}, now, now,
                    read.value,
                )  # fmt: skip
                await store.write(transaction.connection, stored, before=None)
                held.append(stored)
                target = Target(ObjectKind.USER, "scene")
                transaction.record(Entry(Actor("test", SYSTEM), Action.USER_CREATE, target, "scene"))
            transaction.snapshot = transaction.snapshot.with_documents(transaction.revision, held)

        await self.server.writer.run(job)

    async def token(self, user: str, scope: Mapping[str, Any] | None = None) -> SecretValue:
        """An API token of a user; the user is made if there is none yet."""
        if Key("User", user) not in (await self.server.documents.snapshot()).documents:
            await self.put(document("User", user))
        token = new_api_token()

        async def job(transaction: Transaction) -> None:
            await people.insert_api_token(
                transaction.connection,
                id=self.server.new_id(),
                token=digest(token),
                user=user,
                user_uid=transaction.snapshot.documents[Key("User", user)].uid,
                title="test",
                scope=dict(scope or {}),
                created_at=transaction.now,
                expires_at=transaction.now + timedelta(days=90),
            )

        await self.server.writer.run(job)
        return token

    async def client(self, user: str, role: str = "", **scope: Any) -> httpx2.AsyncClient:
        """A client of a user, who gets the role, if one is named, in this scope of a RoleBinding."""
        if role:
            subjects = {"users": [user]}
            await self.put(document("RoleBinding", f"{user}-{role}", role=role, subjects=subjects, scope=scope))
        token = await self.token(user)
        return self.anonymous({"Authorization": f"Bearer {token.reveal().decode()}"})

    def anonymous(self, headers: Mapping[str, str] | None = None) -> httpx2.AsyncClient:
        """A client that proves nothing but what its headers do."""
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=dict(headers or {}))
        self._clients.append(client)
        return client

    async def only_asked(self) -> None:
        """Stop what it does by itself, which reads at its start and after each change: it answers, and no more."""
        server = self.server
        for one in (
            server.audit, server.desired, server.rewrap, server.refresh, server.alerts, server.limits, server.doorbell,
            server.local, server.rotations, server.departures, server.stages,
        ):  # fmt: skip
            await one.stop()

    async def close(self) -> None:
        """Stop it."""
        for client in self._clients:
            await client.aclose()
        await self.server.stop()


async def here(host: str, port: int) -> Sequence[IpAddress]:
    """A resolver to which every name is this machine."""
    return [ip_address("127.0.0.1")]


@asynccontextmanager
async def running(
    url: str,
    data: Path,
    masters: MasterKeys | None = None,
    resolver: Resolver | None = None,
    *,
    clock: Clock | None = None,
    minter: Minter | None = None,
    keys: tuple[SigningKey, Authority] | None = None,
    channel_wait_s: float = WAIT_S,
    static: Path = STATIC,
    **settings: Any,
) -> AsyncIterator[Plane]:
    """A replica on the database of this address, which is brought to the present schema first.

    Without master keys it gets one of its own, which opens nothing of what others have stored. Every name is this
    machine, so that no test asks a resolver or leaves it; `private_addresses` say whether that may be contacted.
    Several replicas may have one clock, and have the same keys if agents shall be known by each of them.
    """
    clock = clock or Clock()
    masters = masters or MasterKeys(LocalMasterKey(aead.new_key()))
    server = build(
        Settings(data=data, database=url, **settings),
        masters,
        keys[0] if keys else generate(),
        clock=clock,
        resolver=resolver or here,
        minter=minter,
        authority=keys[1] if keys else None,
    )
    await asyncio.to_thread(copied, url)
    await to_head(server.database)
    await server.start()
    plane = Plane(server, application(server, channel_wait_s=channel_wait_s, static=static), clock)
    try:
        yield plane
    finally:
        await plane.close()
