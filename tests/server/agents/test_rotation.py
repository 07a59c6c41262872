"""A rotation keeps the version before until the agents have the new one, and not for longer."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from portreeve.core.audit import decode
from portreeve.core.credential import decode_login
from portreeve.server.database.tables import AUDIT_EVENTS, CREDENTIAL_OVERLAPS, CREDENTIAL_VERSIONS
from portreeve.vault import sealing
from portreeve.vault.sealing import Delivery
from tests.server.agents.agent import ENVIRONMENTS, Agent, agents_plane, enrolled
from tests.server.agents.test_channel import GRANTED
from tests.server.plane import Plane, document

URL = "/api/v1/registries/harbor/credentials/pull"
OLD, NEW = "canary-rotation-old-5d1e", "canary-rotation-new-a07b"


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """On SQLite alone: nothing of it is the database's."""
    async with agents_plane(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path) as started:
        # Its sweeps run when the test says so.
        await started.server.rotations.stop()
        await started.put(*ENVIRONMENTS, *GRANTED)
        west = document("RegistryAccess", "west", registry="harbor", environment="west", namespaces={"names": ["pay"]})
        await started.put(west)
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    client = await plane.client("root", "platform-admin")
    assert (await client.put(URL, json={"secret": OLD})).status_code == 200
    return client


async def rotated(admin: httpx2.AsyncClient, secret: str = NEW, **more: Any) -> dict[str, Any]:
    answer = await admin.post(f"{URL}/rotate", json={"secret": secret, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def says(agent: Agent, namespace: str, credential: str, *versions: int, **more: Any) -> None:
    entries = [{"registry": "harbor", "credential": credential, "version": one, "state": "live"} for one in versions]
    told = {"namespace": namespace, "uid": f"u-{namespace}", "phase": "Delivered", "entries": entries}
    seen = [{"type": "ClusterSeen", "status": "True", "reason": "Watched"}]
    namespaces = {"added": [{"name": namespace}]}
    answer = await agent.report(pullSecrets=[told], conditions=seen, namespaces=namespaces, **more)
    assert answer.status_code == 200, answer.text


async def delivered(plane: Plane, agent: Agent) -> dict[int, str]:
    """Version → password, of everything in the agent's document."""
    await plane.server.desired.sweep()
    body = (await agent.desired()).json()["document"]
    found = {}
    for grant in body["grants"]:
        one = grant["credential"]
        place = Delivery(body["environment"], "harbor", one["id"], one["version"], body["generation"])
        login = decode_login(sealing.open_sealed(base64.b64decode(one["sealed"]), place, agent.opening))
        found[one["version"]] = login.password.reveal().decode()
    return found


async def stored(plane: Plane) -> list[int]:
    async with plane.server.database.reader.connect() as connection:
        return sorted((await connection.execute(select(CREDENTIAL_VERSIONS.c.version))).scalars().all())


async def retired(plane: Plane) -> list[str | None]:
    """The reasons of all events that retired a version."""
    async with plane.server.database.reader.connect() as connection:
        query = select(AUDIT_EVENTS.c.leaf).where(AUDIT_EVENTS.c.action == "credential.retire")
        leaves = (await connection.execute(query)).scalars().all()
    return [decode(bytes(leaf)).reason for leaf in leaves]


async def test_both_are_delivered_until_every_agent_has_the_new_one(plane: Plane, admin: httpx2.AsyncClient) -> None:
    prod, west = await enrolled(plane, admin), await enrolled(plane, admin, "west")
    told = await rotated(admin)
    assert told["overlap"]["version"] == 1
    assert await delivered(plane, prod) == {1: OLD, 2: NEW}
    await says(prod, "shop", told["id"], 2, 1)
    await says(west, "pay", told["id"], 1)
    assert await plane.server.rotations.sweep() == 0
    assert await delivered(plane, west) == {1: OLD, 2: NEW}

    await says(west, "pay", told["id"], 2, 1)
    assert await plane.server.rotations.sweep() == 1
    assert await plane.server.rotations.sweep() == 0
    assert await delivered(plane, prod) == {2: NEW}
    assert (await stored(plane), await retired(plane)) == ([2], ["confirmed"])
    async with plane.server.database.reader.connect() as connection:
        assert (await connection.execute(select(CREDENTIAL_OVERLAPS))).all() == []


async def test_an_agent_that_does_not_confirm_holds_it_back_for_the_grace_and_no_longer(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    prod = await enrolled(plane, admin)
    told = await rotated(admin, overlapSeconds=3600)
    await says(prod, "shop", told["id"], 1)
    plane.clock.move(timedelta(minutes=59))
    assert await plane.server.rotations.sweep() == 0
    plane.clock.move(timedelta(minutes=1))
    assert await plane.server.rotations.sweep() == 1
    assert (await stored(plane), await retired(plane)) == ([2], ["grace_ended"])


async def test_an_environment_that_was_away_before_is_not_waited_for(plane: Plane, admin: httpx2.AsyncClient) -> None:
    west = await enrolled(plane, admin, "west")
    await says(west, "pay", "c-any", 1)
    plane.clock.move(timedelta(minutes=10))
    await rotated(admin)
    assert await plane.server.rotations.sweep() == 1
    assert await stored(plane) == [2]


async def test_the_one_before_signs_in_as_it_was_declared_then(plane: Plane, admin: httpx2.AsyncClient) -> None:
    """Where the user name changes with the secret, each version keeps its own."""
    prod = await enrolled(plane, admin)
    await rotated(admin)
    held = (await admin.get("/api/v1/registries/harbor")).json()
    changed = {name: part for name, part in held.items() if name != "status"}
    changed["spec"]["credentials"][0]["parameters"]["username"] = "robot-2"
    path, headers = "/api/v1/registries/harbor", {"If-Match": held["status"]["etag"]}
    preview = await admin.put(f"{path}?dryRun=All", json=changed, headers=headers)
    headers["Portreeve-Plan"] = preview.json()["digest"]
    assert (await admin.put(path, json=changed, headers=headers)).status_code == 200
    await plane.server.desired.sweep()
    body = (await prod.desired()).json()["document"]
    names = {}
    for grant in body["grants"]:
        one = grant["credential"]
        place = Delivery("prod", "harbor", one["id"], one["version"], body["generation"])
        login = decode_login(sealing.open_sealed(base64.b64decode(one["sealed"]), place, prod.opening))
        names[one["version"]] = (login.username, login.password.reveal().decode())
    assert names == {1: ("robot", OLD), 3: ("robot-2", NEW)}
    assert await stored(plane) == [1, 3]


async def test_without_an_overlap_the_new_one_takes_its_place_at_once(plane: Plane, admin: httpx2.AsyncClient) -> None:
    prod = await enrolled(plane, admin)
    assert (await rotated(admin, overlapSeconds=0))["overlap"] is None
    assert await delivered(plane, prod) == {2: NEW}
    assert await stored(plane) == [2]
    assert (await rotated(admin, "third"))["overlap"]["version"] == 2
    # What is set and not rotated has leaked, or was wrong: nothing of it is kept.
    assert (await admin.put(URL, json={"secret": "fourth"})).json()["overlap"] is None
    assert await delivered(plane, prod) == {4: "fourth"}
    assert await stored(plane) == [4]
    for wrong in (-1, "24h", True, 10**9):
        answer = await admin.post(f"{URL}/rotate", json={"secret": "x", "overlapSeconds": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "overlapSeconds")


async def test_what_is_stored_ends_it_after_a_restart(plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path) -> None:
    prod = await enrolled(plane, admin)
    told = await rotated(admin)
    await says(prod, "shop", told["id"], 2, 1)
    assert await stored(plane) == [1, 2]
    masters = plane.server.credentials.keeper.masters
    async with agents_plane(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, masters=masters) as other:
        await other.server.rotations.stop()
        await other.server.rotations.sweep()
        assert await stored(other) == [2]
