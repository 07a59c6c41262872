"""What is being done when the process dies: the scene, the scenarios, and what must hold after each.

Ids and the clock are the same in every run, so that two databases in the same state are equal, but for ciphertexts.
Changes go through the services as the routes call them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from portreeve.core.audit import Via, ViaKind
from portreeve.core.authorization import Authentication
from portreeve.core.blast_radius import RunningImage
from portreeve.core.estate import Key
from portreeve.core.rewrap import Phase
from portreeve.core.secret import SecretValue
from portreeve.server.app import Server, build
from portreeve.server.database.migrate import to_head
from portreeve.server.database.writer import Transaction
from portreeve.server.desired.store import save_sealing_key
from portreeve.server.documents.proposal import Proposal, Put
from portreeve.server.documents.service import Confirmation
from portreeve.server.http.answers import Answer, Repeatable, carried_out
from portreeve.server.http.caller import Caller
from portreeve.server.images.service import Observation, observe
from portreeve.server.people.principals import principal
from portreeve.server.settings import Settings
from portreeve.vault import sealing
from portreeve.vault.binding import Owner
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKeys
from portreeve.vault.signing import generate
from portreeve.wire.documents import read_document
from tests.server.plane import NOW, Clock, Plane, document

Told = Callable[[str, Mapping[str, Any]], None]
"""Acknowledge: a name, and what was promised."""


def _key(name: str) -> LocalMasterKey:
    return LocalMasterKey(SecretValue(hashlib.sha256(name.encode()).digest()))


OLD, NEW = _key("the old master key"), _key("the new master key")
ALONE, BOTH = MasterKeys(OLD), MasterKeys(NEW, (OLD,))
PROJECTS = ("blog", "shop")
OWNED = ("base", *PROJECTS)
"""Registries with a stored secret; "empty" has none yet."""


def opened(url: str, data: Path, masters: MasterKeys, ids: str) -> Server:
    """A control plane on this database that makes ids beginning so."""
    numbers = count(1)
    settings = Settings(data=data, database=url)
    return build(settings, masters, generate(), clock=lambda: NOW, new_id=lambda: f"{ids}{next(numbers):06}")


async def root(server: Server) -> Caller:
    """A platform administrator."""
    snapshot = await server.documents.snapshot()
    uid = snapshot.documents[Key("User", "root")].uid
    who = principal(snapshot, "root", Authentication.TOKEN, uid=uid)
    return Caller(who, Via(ViaKind.TOKEN, "token"), "request")


def _registry(name: str, **spec: Any) -> dict[str, Any]:
    declared = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
    declared |= {"expiresAt": "2027-02-01T00:00:00Z"}
    given = {"provider": "harbor", "host": f"{name}.example.com", "credentials": [declared]}
    return document("Registry", name, **given | spec)


def _access(name: str, environment: str, registry: str) -> dict[str, Any]:
    return document("RegistryAccess", name, registry=registry, environment=environment, namespaces={"names": ["shop"]})


SCENE = (
    *(document("EnvironmentGroup", name) for name in ("east", "west")),
    *(document("Environment", name, tier="staging", group=name) for name in ("east", "west")),
    *(document("Project", name) for name in PROJECTS),
    _registry("base"),
    _registry("empty"),
    *(_registry(name, project=name) for name in PROJECTS),
    _access("base-east", "east", "base"),
    _access("empty-west", "west", "empty"),
    document("RegistryPolicy", "first", groups=["east", "west"], restrict={"stage": "audit"}),
)
PLANNED = (
    document("RegistryPolicy", "second", groups=["west"], restrict={"stage": "deny"}),
    _registry("added"),
    _access("base-west", "west", "base"),
    _access("base-east", "east", "base") | {"metadata": {"name": "base-east", "labels": {"seen": "twice"}}},
)
CHANGED = {("RegistryPolicy", "second"): 1, ("RegistryPolicy", "first"): 2, ("Registry", "added"): 1,
           ("RegistryAccess", "base-west"): 1, ("RegistryAccess", "base-east"): 2}  # fmt: skip
"""What a confirmed plan leaves of the documents that it names or takes a group from: their versions."""


async def prepare(server: Server) -> None:
    """The scene: documents, three owners with stored secrets, an agent, something that runs."""
    await to_head(server.database)
    await server.writer.start()
    bound = document("RoleBinding", "root", role="platform-admin", subjects={"users": ["root"]})
    await Plane(server, FastAPI(), Clock()).put(document("User", "root"), bound)
    caller = await root(server)
    proposal = Proposal(tuple(Put(read_document(one)) for one in SCENE))
    digest = (await server.documents.preview(caller, proposal)).digest
    await server.documents.change(caller, proposal, Confirmation(digest))
    for name in OWNED:
        for secret in ("first", "second"):
            await _put(server, caller, name, f"{secret}-{name}", rotating=secret == "second")
    key = sealing.public_bytes(sealing.generate().sealing_key)
    image = RunningImage("west", "shop", "Deployment/api", "base.example.com/shop/api:1")

    async def job(transaction: Transaction) -> None:
        await save_sealing_key(transaction.connection, "west", key, transaction.now)
        await observe(transaction, Observation("west", 1, {}, [(image, "")]))

    await server.writer.run(job)
    await server.desired.sweep()


async def _put(server: Server, caller: Caller, registry: str, secret: str, *, rotating: bool) -> int:
    async def job(transaction: Transaction) -> int:
        row, _ = await server.credentials.put(
            transaction, caller, registry, "pull", SecretValue(secret), None, rotating=rotating
        )
        return row.version

    return await server.writer.run(job)


async def first_secret(server: Server, told: Told) -> None:
    """The first secret of a registry, then the desired state that delivers it."""
    version = await _put(server, await root(server), "empty", "secret-of-empty", rotating=False)
    told("stored", {"registry": "empty", "version": version, "secret": "secret-of-empty"})
    await server.desired.sweep()
    told("delivered", {"environment": "west"})


async def rotation(server: Server, told: Told) -> None:
    """The third secret of a registry, which ends the first."""
    version = await _put(server, await root(server), "shop", "third-shop", rotating=True)
    told("stored", {"registry": "shop", "version": version, "secret": "third-shop"})


async def master_key(server: Server, told: Told) -> None:
    """All owners' keys move to the new master key."""
    ended = await server.rewrap.to_current_master()
    assert (ended.phase, ended.left) == (Phase.DONE, 0)
    told("moved", {"keys": ended.moved})


async def owner_key(server: Server, told: Told) -> None:
    """An owner gets a new key, and its envelopes move to it."""
    ended = await server.rewrap.rotate_owner(Owner())
    assert (ended.phase, ended.left) == (Phase.DONE, 0)
    told("moved", {"envelopes": ended.moved})


async def confirmed_plan(server: Server, told: Told) -> None:
    """A plan of several documents that takes a group from another policy: made, confirmed, delivered."""
    caller = await root(server)
    plan, _ = await server.plans.make(caller, {"documents": list(PLANNED), "replace": True})
    told("planned", {"id": plan.id})
    await confirm(server, plan.id)
    told("confirmed", {"id": plan.id})
    await server.desired.sweep()
    told("delivered", {"environment": "west"})


async def confirm(server: Server, plan: str) -> bool:
    """Confirm the plan as a client does that may send it twice; whether the answer was a repeated one."""
    caller = await root(server)
    response = await carried_out(
        server.writer,
        caller,
        Repeatable("confirm-once", hashlib.sha256(plan.encode()).hexdigest()),
        lambda transaction: server.plans.confirm(transaction, caller, plan),
        lambda made: Answer(200, {"revision": made.snapshot.revision}),
    )
    assert response.status_code == 200
    return "idempotency-replayed" in response.headers


async def many_writers(server: Server, told: Told) -> None:
    """Twenty writers that do not end; every other change is a secret."""

    async def one(writer: int) -> None:
        caller = await root(server)
        for number in count(1):
            name = f"team-{writer}-{number}"
            put = Put(read_document(document("Team", name, title=f"{writer}")), None)
            await server.documents.change(caller, Proposal((put,)))
            told("document", {"kind": "Team", "name": name, "version": 1})
            if number % 5 == 0 and writer < len(OWNED):
                secret = f"{name}-secret"
                version = await _put(server, caller, OWNED[writer], secret, rotating=True)
                told("stored", {"registry": OWNED[writer], "version": version, "secret": secret})

    await asyncio.gather(*(one(writer) for writer in range(20)))


@dataclass(frozen=True)
class Scenario:
    """One thing to be killed in, and the master keys that it runs with."""

    run: Callable[[Server, Told], Awaitable[None]]
    masters: MasterKeys


SCENARIOS = {
    "first secret": Scenario(first_secret, ALONE),
    "rotation": Scenario(rotation, ALONE),
    "new master key": Scenario(master_key, BOTH),
    "new owner key": Scenario(owner_key, ALONE),
    "confirmed plan": Scenario(confirmed_plan, ALONE),
}
WRITERS = Scenario(many_writers, ALONE)
