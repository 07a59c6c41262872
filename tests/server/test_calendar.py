"""The calendar over HTTP: what ends when, for whoever may see it; alerts once over replicas; rule 13 end to end.

Source: mission rule 13; requirements U-06 and B-80.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from portreeve import providers
from portreeve.core.audit import decode
from portreeve.server.database.tables import AUDIT_EVENTS
from portreeve.vault import aead
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKeys
from tests.server.plane import Clock, Plane, document, running

DECLARED = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
ROBOT = {"purpose": "pull", "method": "robot", "parameters": {"username": "acme+robot"}}
PATH = "/api/v1/registries/{}/credentials/pull"


def registry(name: str, provider: str = "harbor", **spec: Any) -> dict[str, Any]:
    given = {"provider": provider, "host": f"{name}.example.com", "credentials": [DECLARED]}
    return document("Registry", name, **given | spec)


SCENE = (
    document("EnvironmentGroup", "production"),
    document("EnvironmentGroup", "development"),
    document("Environment", "prod", tier="production", group="production"),
    document("Environment", "dev", tier="development", group="development"),
    registry("harbor"),
    registry("quay", "quay", credentials=[ROBOT]),
    document("RegistryAccess", "a", registry="harbor", environment="prod", namespaces={"names": ["shop", "pay"]}),
    document("RegistryAccess", "b", registry="harbor", environment="dev", namespaces={"names": ["shop"]}),
)


@pytest.fixture
async def scene(plane: Plane, admin: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await plane.put(*SCENE)
    sent = {"secret": "one", "expiresAt": "2026-12-25T12:00:00Z"}
    assert (await admin.put(PATH.format("harbor"), json=sent)).status_code == 200
    assert (await admin.put(PATH.format("quay"), json={"secret": "two"})).status_code == 200
    return admin


async def listed(client: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/calendar", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def told(plane: Plane) -> list[tuple[str, str | None]]:
    async with plane.server.database.reader.connect() as connection:
        query = select(AUDIT_EVENTS.c.leaf).where(AUDIT_EVENTS.c.action == "credential.expiring").order_by("sequence")
        leaves = (await connection.execute(query)).scalars().all()
    return [(one.target.name, one.reason) for one in (decode(bytes(leaf)) for leaf in leaves)]


async def test_what_ends_first_comes_first_with_what_hangs_on_it(scene: httpx2.AsyncClient) -> None:
    first, second = await listed(scene)
    assert (first["name"], first["daysLeft"], first["level"]) == ("harbor/pull", 35, "ok")
    assert first["impact"] == {"grants": 2, "namespaces": 3, "environments": 2}
    assert (second["name"], second["expiresAt"], second["level"]) == ("quay/pull", None, "never")
    assert second["canEnd"] is False
    assert await listed(scene, level="never") == [second]
    assert await listed(scene, within=40) == [first]
    assert (await scene.get("/api/v1/calendar", params={"lane": "nothing"})).status_code == 422


async def test_pages_follow_one_another(scene: httpx2.AsyncClient) -> None:
    page = (await scene.get("/api/v1/calendar", params={"limit": 1})).json()
    assert page["metadata"]["total"] == 2
    rest = (await scene.get("/api/v1/calendar", params={"limit": 1, "cursor": page["metadata"]["continue"]})).json()
    assert [one["name"] for one in (*page["items"], *rest["items"])] == ["harbor/pull", "quay/pull"]


async def test_twins_and_the_feed_hold_the_same(scene: httpx2.AsyncClient) -> None:
    assert (await scene.get("/api/v1/calendar.json")).json() == await listed(scene)
    assert (await scene.get("/api/v1/calendar.csv")).text.startswith("LANE,NAME,EXPIRES")
    assert "harbor/pull" in (await scene.get("/api/v1/calendar.yaml")).text
    feed = await scene.get("/api/v1/calendar.ics")
    assert feed.headers["content-type"].startswith("text/calendar")
    assert feed.text.count("BEGIN:VEVENT") == 1
    assert "DTSTART:20261225T120000Z" in feed.text


async def test_each_alert_is_told_once_over_replicas_and_restarts(database_url: str, tmp_path: Path) -> None:
    clock, masters = Clock(), MasterKeys(LocalMasterKey(aead.new_key()))
    found: list[list[tuple[str, str | None]]] = []
    for days in (0, 6, 1, 20, 0):
        clock.move(timedelta(days=days))
        async with running(database_url, tmp_path, masters, clock=clock) as plane:
            if not found:
                admin = await plane.client("root", "platform-admin")
                await plane.put(*SCENE)
                sent = {"secret": "one", "expiresAt": "2026-12-25T12:00:00Z"}
                assert (await admin.put(PATH.format("harbor"), json=sent)).status_code == 200
            await plane.server.alerts.sweep()
            await plane.server.alerts.sweep()
            found.append(await told(plane))
    thirty, fourteen = ("harbor/pull", "ends_in_30_days"), ("harbor/pull", "ends_in_14_days")
    assert found == [[], [thirty], [thirty], [thirty, fourteen], [thirty, fourteen]]


async def test_the_last_day_and_the_end_are_told_and_make_readiness_degraded(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    plane.clock.move(timedelta(days=34, hours=1))
    assert await plane.server.alerts.sweep() == 1
    assert (await scene.get("/readyz")).json() == {"status": "degraded"}
    plane.clock.move(timedelta(days=1))
    assert await plane.server.alerts.sweep() == 1
    assert await plane.server.alerts.sweep() == 0
    assert await told(plane) == [("harbor/pull", "ends_in_1_days"), ("harbor/pull", "ended")]


@pytest.mark.parametrize("ends", [True, False])
async def test_production_refuses_an_unending_credential_where_its_method_could_end(
    plane: Plane, scene: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """Rule 13 by the provider's own word: `Method.ends`, and not a list of ours."""
    real = providers.named("quay")
    methods = tuple(replace(one, ends=ends) for one in real.methods)
    monkeypatch.setattr(type(real), "methods", methods)
    await plane.put(registry("own", "quay", credentials=[ROBOT]))
    assert (await scene.put(PATH.format("own"), json={"secret": "x"})).status_code == 200
    access = document("RegistryAccess", "c", registry="own", environment="prod", namespaces={"names": ["shop"]})
    plan = (await scene.post("/api/v1/plans", json={"documents": [access]})).json()
    assert [one["code"] for one in plan["refusals"]] == (["credential_without_expiry"] if ends else [])
    confirmed = await scene.post(f"/api/v1/plans/{plan['id']}/confirm")
    assert confirmed.status_code == (422 if ends else 200)
