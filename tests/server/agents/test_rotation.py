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


def on_disk(folder: Path) -> bytes:
    """All that SQLite has written."""
    return b"".join(one.read_bytes() for one in folder.glob("portreeve.db*"))


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
    credential = (await plane.server.documents.snapshot()).credentials["harbor", "pull"].id
    await says(west, "pay", credential, 1)
    plane.clock.move(timedelta(minutes=10))
    await rotated(admin)
    assert await plane.server.rotations.sweep() == 0
    plane.clock.move(timedelta(minutes=2))
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


async def test_it_is_shown_counts_first_then_place_by_place(plane: Plane, admin: httpx2.AsyncClient) -> None:
    prod = await enrolled(plane, admin)
    told = await rotated(admin)
    await says(prod, "shop", told["id"], 2, 1)
    shown = (await admin.get("/api/v1/registries/harbor/rotation")).json()
    counts = shown["counts"]
    assert (counts["environments"], counts["confirmed"], counts["noAgent"], counts["current"]) == (2, 1, 1, 1)
    assert [(one["environment"], one["standing"]) for one in shown["environments"]] == [
        ("prod", "confirmed"),
        ("west", "no agent"),
    ]
    (row,) = shown["items"]
    assert (row["namespace"], row["wanted"], row["there"], row["older"]) == ("shop", 2, 2, [1])
    assert (row["standing"], row["state"], row["conflict"]) == ("current", "live", None)
    assert (shown["overlap"]["version"], shown["done"]) == (1, False)
    await plane.server.rotations.sweep()
    assert (await admin.get("/api/v1/registries/harbor/rotation")).json()["done"] is True

    # A namespace whose Secret is somebody else's, one that has not got it, and one that is behind.
    await plane.put(
        document("RegistryAccess", "more", registry="harbor", environment="prod", namespaces={"names": ["pay", "dev"]})
    )
    taken = {"namespace": "pay", "uid": "x", "phase": "NameTaken", "entries": [], "conflict": "not ours"}
    await prod.report(pullSecrets=[taken], namespaces={"added": [{"name": "pay"}, {"name": "dev"}]})
    await rotated(admin, "third")
    path = "/api/v1/registries/harbor/rotation"
    rows = (await admin.get(path)).json()["items"]
    assert [(one["namespace"], one["standing"]) for one in rows] == [
        ("dev", "missing"), ("pay", "conflict"), ("shop", "behind"),
    ]  # fmt: skip
    page = (await admin.get(path, params={"limit": 1})).json()
    following = (await admin.get(path, params={"limit": 1, "cursor": page["metadata"]["continue"]})).json()
    assert [one["namespace"] for one in (*page["items"], *following["items"])] == ["dev", "pay"]
    behind = (await admin.get(path, params={"standing": "behind", "environment": "prod"})).json()
    assert [one["namespace"] for one in behind["items"]] == ["shop"]


async def test_whoever_sees_one_namespace_hears_of_no_other(plane: Plane, admin: httpx2.AsyncClient) -> None:
    prod = await enrolled(plane, admin)
    told = await rotated(admin)
    await says(prod, "shop", told["id"], 2)
    await says(prod, "pay", told["id"], 1)
    path = "/api/v1/environments/prod/pullsecrets"
    both = (await admin.get(path)).json()
    assert [one["namespace"] for one in both["items"]] == ["pay", "shop"]
    assert both["metadata"]["total"] == 2
    developer = await plane.client("dora", "developer", environments=["prod"], namespaces=["shop"])
    (row,) = (await developer.get(path)).json()["items"]
    assert (row["namespace"], row["uid"], row["entries"][0]["version"]) == ("shop", "u-shop", 2)
    assert (await developer.get("/api/v1/environments/west/pullsecrets")).status_code == 404
    lines = (await developer.get(f"{path}.csv")).text.splitlines()
    assert lines[0].startswith("NAMESPACE,PHASE,REGISTRY")
    assert [line.split(",")[0] for line in lines[1:]] == ["shop"]
    assert (await developer.get("/api/v1/registries/harbor/rotation")).status_code == 404


async def test_attachments_tell_what_agents_say_and_nothing_of_silent_ones(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    prod = await enrolled(plane, admin)
    conditions = [
        {"type": "Delivered", "status": "False", "reason": "SecretConflict", "message": "shop: a Secret is not ours"},
        {"type": "DesiredStateAccepted", "status": "True", "reason": "Believed"},
    ]
    await prod.report(conditions=conditions)
    await plane.server.doorbell.note()

    async def rows(**query: str) -> list[tuple[str, str, str, str]]:
        found = (await admin.get("/api/v1/attachments", params=query)).json()["items"]
        return [(one["environment"], one["name"], one["condition"], one["status"]) for one in found]

    assert await rows(environment="prod") == [
        ("prod", "prod", "Connected", "True"),
        ("prod", "prod", "Delivered", "False"),
        ("prod", "prod", "DesiredStateAccepted", "True"),
        ("prod", "shop", "Delivered", "False"),
    ]
    assert await rows(environment="west", status="Unknown") == [
        ("west", "west", "Connected", "Unknown"),
        ("west", "west", "Delivered", "Unknown"),
    ]
    assert await rows(q="NOT OURS", status="False") == [
        ("prod", "prod", "Delivered", "False"),
        ("prod", "shop", "Delivered", "False"),
    ]
    assert await rows(group="other") == []
    restrict = {"stage": "deny", "allowedSources": [{"prefix": "harbor.example.com/shop", "scope": "Global"}]}
    await plane.put(document("RegistryPolicy", "sources", groups=["production"], restrict=restrict))
    (masked,) = (await admin.get("/api/v1/attachments", params={"q": "Masked", "environment": "prod"})).json()["items"]
    assert (masked["kind"], masked["message"]) == ("RegistryAccess", "policy sources replaces it")
    assert ("prod", "sources", "Enforced", "Unknown") in await rows(environment="prod")

    plane.clock.move(timedelta(minutes=5))
    silent = (await admin.get("/api/v1/attachments", params={"environment": "prod"})).json()["items"]
    told = {one["condition"]: one for one in silent if one["kind"] == "Environment"}
    assert {name: one["status"] for name, one in told.items()} == {
        "Connected": "False", "Delivered": "Unknown", "DesiredStateAccepted": "Unknown",
    }  # fmt: skip
    assert "it said False (SecretConflict)" in told["Delivered"]["message"]
    lines = (await admin.get("/api/v1/attachments.csv", params={"status": "False"})).text.splitlines()
    assert lines[0].startswith("GROUP,ENVIRONMENT,KIND")
    assert len(lines) > 1


async def test_neither_version_can_be_read_while_both_are_there(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    prod = await enrolled(plane, admin)
    told = await rotated(admin)
    await says(prod, "shop", told["id"], 2, 1)
    await plane.server.desired.sweep()
    read = [
        await admin.get(f"/api/v1/{path}")
        for path in (
            "registries/harbor", "registries.json", "registries/harbor/rotation", "environments/prod/desired",
            "environments/prod/pullsecrets", "environments/prod/pullsecrets.csv", "attachments", "attachments.yaml",
            "audit", "calendar",
        )
    ]  # fmt: skip
    assert {one.status_code for one in read} == {200}
    there = b"".join(one.content for one in read) + on_disk(tmp_path)
    assert len(there) > 100_000
    for secret in (OLD, NEW):
        assert secret.encode() not in there
        assert base64.b64encode(secret.encode()).rstrip(b"=") not in there
