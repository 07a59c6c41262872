"""An environment that is deleted leaves: its agent removes everything first, and is refused afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from portreeve.server.database.tables import AUDIT_EVENTS
from tests.server.agents.agent import ENVIRONMENTS, Agent, agents_plane, enrolled
from tests.server.agents.test_channel import GRANTED
from tests.server.plane import Plane, document

PATH = "/api/v1/environments/prod"
SEEN = {"type": "ClusterSeen", "status": "True", "reason": "Watched"}
SYNCED = {"type": "Delivered", "status": "True", "reason": "SecretSynced"}
SHOP = {"namespace": "shop", "uid": "u", "phase": "Delivered", "entries": []}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """On SQLite alone: nothing of it is the database's."""
    async with agents_plane(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, wait_s=0.05) as started:
        await started.server.departures.stop()
        await started.put(*ENVIRONMENTS, *GRANTED)
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    client = await plane.client("root", "platform-admin")
    assert (await client.put("/api/v1/registries/harbor/credentials/pull", json={"secret": "s"})).status_code == 200
    return client


async def deleted(admin: httpx2.AsyncClient, query: str = "") -> tuple[httpx2.Response, dict[str, Any]]:
    """Through a plan with all that names it; what was answered, and the plan."""
    body = {"delete": [{"kind": "Environment", "name": "prod"}], "force": bool(query)}
    if (await admin.get("/api/v1/access/shop")).status_code == 200:
        body["delete"] = [{"kind": "RegistryAccess", "name": "shop"}, {"kind": "Environment", "name": "prod"}]
    plan = (await admin.post("/api/v1/plans", json=body)).json()
    return await admin.post(f"/api/v1/plans/{plan['id']}/confirm"), plan


async def generation(plane: Plane, agent: Agent) -> dict[str, Any]:
    await plane.server.desired.sweep()
    found: dict[str, Any] = (await agent.desired()).json()["document"]
    return found


async def actions(plane: Plane) -> list[str]:
    async with plane.server.database.reader.connect() as connection:
        query = select(AUDIT_EVENTS.c.action).where(AUDIT_EVENTS.c.name == "prod").order_by(AUDIT_EVENTS.c.sequence)
        return list((await connection.execute(query)).scalars().all())


async def test_it_is_gone_when_its_agent_says_that_nothing_is_left(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    body = await generation(plane, agent)
    assert len(body["grants"]) == 1
    await agent.report(generation=body["generation"], pullSecrets=[SHOP], conditions=[SEEN, SYNCED])

    answer, plan = await deleted(admin)
    assert answer.status_code == 200, answer.text
    assert [(one["kind"], one["change"]) for one in plan["documents"]] == [
        ("Environment", "leave"),
        ("RegistryAccess", "delete"),
    ]
    assert [one["code"] for one in plan["warnings"]] == ["environment_leaves"]
    assert "1 pull secrets" in plan["warnings"][0]["message"]
    assert any("- pull secret" in line or "shop" in line for line in plan["text"])

    shown = (await admin.get(PATH)).json()["status"]
    assert (shown["phase"], shown["leaving"]["by"], shown["leaving"]["left"]) == (
        "Leaving", "root", ["1 pull secrets"],
    )  # fmt: skip
    empty = await generation(plane, agent)
    assert (empty["grants"], empty["policy"], empty["sources"]) == ([], None, None)
    assert await plane.server.departures.sweep() == 0
    # It has taken the empty state up, and has not removed everything yet.
    await agent.report(generation=empty["generation"])
    assert await plane.server.departures.sweep() == 0
    await agent.report(generation=empty["generation"], withdrawn=["shop"])
    assert await plane.server.departures.sweep() == 1
    assert (await admin.get(PATH)).status_code == 404
    assert (await agent.desired()).status_code == 401
    assert (await actions(plane))[-2:] == ["environment.leave", "environment.delete"]
    await plane.put(document("Environment", "prod", tier="production", group="production"))
    assert (await admin.get(PATH)).json()["status"]["agent"]["state"] == "none"


async def test_one_that_does_not_answer_stays_until_it_does_or_is_forced(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    agent = await enrolled(plane, admin)
    body = await generation(plane, agent)
    await agent.report(generation=body["generation"], pullSecrets=[SHOP], conditions=[SEEN, SYNCED])
    await deleted(admin)
    assert await plane.server.departures.sweep() == 0
    # Deleting it once more changes nothing, and says so.
    etag = (await admin.get(PATH)).headers["ETag"]
    again = await admin.delete(PATH, headers={"If-Match": etag})
    assert (again.status_code, again.json()["status"]["phase"]) == (202, "Leaving")
    # It cannot be changed, nor named, nor made anew.
    held = (await admin.get(PATH)).json()
    held.pop("status")
    held["spec"]["tier"] = "staging"
    changed = await admin.put(PATH, json=held, headers={"If-Match": etag})
    assert (changed.status_code, "environment_leaving" in changed.text) == (422, True)
    named = document("RegistryAccess", "late", registry="harbor", environment="prod", namespaces={"names": ["shop"]})
    assert "not_known" in (await admin.put("/api/v1/access/late?dryRun=All", json=named)).text
    assert (await admin.post("/api/v1/environments", json=held)).json()["code"] == "name_taken"
    # An agent that lost its volume may enrol anew, to remove what is there.
    await enrolled(plane, admin)

    answer, plan = await deleted(admin, "force")
    assert answer.status_code == 200, answer.text
    assert [one["code"] for one in plan["warnings"]] == ["environment_left_behind"]
    assert (await admin.get(PATH)).status_code == 404
    assert (await agent.desired()).status_code == 401


async def test_where_nobody_has_enrolled_it_is_gone_at_once(plane: Plane, admin: httpx2.AsyncClient) -> None:
    path = "/api/v1/environments/west"
    etag = (await admin.get(path)).headers["ETag"]
    assert (await admin.delete(path, headers={"If-Match": etag})).status_code == 204


async def test_who_may_not_delete_it_hears_nothing_of_its_leaving(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await enrolled(plane, admin)
    await deleted(admin)
    other = await plane.client("mallory", "developer", groups=["other"])
    for query in ("", "?dryRun=All", "?force=true"):
        answer = await other.delete(f"{PATH}{query}")
        unknown = await other.delete(f"/api/v1/environments/none{query}")
        assert (answer.status_code, answer.json()["code"]) == (unknown.status_code, unknown.json()["code"])
        assert answer.status_code == 404
