"""Reading events over HTTP: order, pages, filters, twins, and who sees which."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64decode
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import yaml
from sqlalchemy import QueuePool

from portreeve.core.audit import Action, Actor, Outcome, decode, escaped
from portreeve.core.people import Role
from portreeve.server.audit import finding
from portreeve.server.audit.store import BATCH
from portreeve.server.http.caller import SYSTEM, Caller
from tests.core.test_authorization import somebody
from tests.server.audit.scene import entry, fill, record
from tests.server.plane import Plane, document

WHOLE = (
    "/api/v1/audit/checkpoint",
    "/api/v1/audit/export",
    "/api/v1/audit/proof/inclusion?sequence=0&size=1",
    "/api/v1/audit/proof/consistency?old=0&new=1",
)


async def listed(client: httpx2.AsyncClient, query: str = "") -> list[dict[str, object]]:
    response = await client.get(f"/api/v1/audit{query}")
    assert response.status_code == 200, response.text
    items = response.json()["items"]
    assert isinstance(items, list)
    return items


async def test_the_newest_events_come_first_and_pages_follow_the_cursor(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await fill(plane, 30)
    for order in ("newest", "oldest"):
        found, cursor = [], ""
        while True:
            response = await admin.get("/api/v1/audit", params={"order": order, "limit": 7, **cursor_of(cursor)})
            found += [item["sequence"] for item in response.json()["items"]]
            cursor = response.json()["metadata"].get("continue", "")
            if not cursor:
                break
        assert found == sorted(found, reverse=order == "newest")
        assert found == [*dict.fromkeys(found)]
        assert len(found) == len((await admin.get("/api/v1/audit.json")).json())


def cursor_of(text: str) -> dict[str, str]:
    return {"cursor": text} if text else {}


async def test_an_event_that_is_written_meanwhile_does_not_shift_a_page(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await fill(plane, 10)
    first = (await admin.get("/api/v1/audit?limit=4")).json()
    await fill(plane, 3)
    second = (await admin.get("/api/v1/audit", params={"limit": 4, "cursor": first["metadata"]["continue"]})).json()
    numbers = [item["sequence"] for page in (first, second) for item in page["items"]]
    assert numbers == [*range(numbers[0], numbers[0] - 8, -1)]


async def test_every_filter_finds_its_events_and_no_other(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await fill(plane, 3)
    plane.clock.move(timedelta(hours=1))
    odd = entry(
        7,
        environment="prod-eu",
        project="shop",
        actor=Actor(escaped("ada\n@example.com"), SYSTEM),
        action=Action.REGISTRY_VALIDATE,
        outcome=Outcome.REFUSED,
        request="req-odd",
        reason="forbidden",
    )
    await record(plane, odd)
    plane.clock.move(timedelta(hours=1))
    await fill(plane, 3)
    (expected,) = await listed(admin, "?action=registry.validate")
    for query in (
        "principal=ada%0A@example.com",
        "name=registry-7",
        "environment=prod-eu",
        "project=shop",
        "request=req-odd",
        "outcome=refused&since=2026-11-20T13:00Z&until=2026-11-20T13:00:00.000001Z",
        "kind=registry&since=2026-11-20T14:00%2B01:00&until=2026-11-20T14:00Z",
        "project=shop&order=oldest&limit=1",
    ):
        assert await listed(admin, f"?{query}") == [expected], query
    # What is until a time ends before it.
    assert await listed(admin, "?project=shop&until=2026-11-20T13:00:00Z") == []
    assert await listed(admin, "?kind=team") == []


async def test_a_text_is_found_in_the_middle_of_any_field_in_whatever_case(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await fill(plane, 3)
    odd = entry(
        7,
        environment="prod-eu",
        project="shop",
        actor=Actor(escaped("ada\n100%_b@example.com"), SYSTEM),
        action=Action.REGISTRY_VALIDATE,
        request="req-odd",
    )
    await record(plane, odd)
    (expected,) = await listed(admin, "?action=registry.validate")
    for text in ("EGISTRY-7", "a%0A100%25_B@", "validat", "OD-E", "sho", "q-od"):
        assert await listed(admin, f"?q={text}") == [expected], text
        assert (await admin.get(f"/api/v1/audit.json?q={text}")).json() == [expected]
    assert await listed(admin, "?q=registry-7&outcome=refused") == []
    # What a pattern would mean stands for itself.
    assert await listed(admin, "?q=registry%25validate") == await listed(admin, "?q=registry_7") == []


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_a_question_looks_at_so_many_events_and_the_next_one_goes_on_from_there(
    plane: Plane, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, order: str, few: int
) -> None:
    monkeypatch.setattr(finding, "WINDOW", 5)
    monkeypatch.setattr(finding, "FEW", few)
    await fill(plane, 30)
    for query in ({}, {"q": "REGISTRY-2"}, {"outcome": "refused"}, {"kind": "registry", "q": "y-1"}):
        found, cursor, short = [], "", 0
        while True:
            params: dict[str, Any] = {"order": order, "limit": 4, **query, **cursor_of(cursor)}
            answer = (await admin.get("/api/v1/audit", params=params)).json()
            found += answer["items"]
            short += "lookedTo" in answer["metadata"]
            cursor = answer["metadata"].get("continue", "")
            if not cursor:
                break
        twin = (await admin.get("/api/v1/audit.json", params={"order": order, **query})).json()
        assert found == twin
        assert [item["sequence"] for item in found] == sorted(
            (item["sequence"] for item in found), reverse=order == "newest"
        )
        if "outcome" in query:
            assert len(found) == 10
        # Where an index leads, one question is enough for all that it may show.
        leads = bool(few) and bool({"outcome", "kind"} & query.keys())
        assert bool(short) is (bool(query) and not leads)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("leaf=x", "filter_unknown"),
        ("sequence=1", "filter_unknown"),
        ("name=", "filter_value"),
        ("name=a&name=b", "filter_value"),
        ("q=", "filter_value"),
        (f"q={'x' * 101}", "filter_value"),
        ("since=yesterday", "filter_value"),
        ("until=2026-13-01", "filter_value"),
        ("until=9999-12-31T23:59-12:00", "filter_value"),
        ("cursor=x", "cursor"),
        ("cursor=WyIxIixbXV0", "cursor"),
        ("order=random", "request_invalid"),
        ("limit=501", "request_invalid"),
    ],
)
async def test_what_cannot_be_asked_is_refused(admin: httpx2.AsyncClient, query: str, code: str) -> None:
    response = await admin.get(f"/api/v1/audit?{query}")
    assert (response.json()["code"], response.status_code in {400, 422}) == (code, True)


async def test_twins_hold_the_same_events(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await record(plane, entry(1, actor=Actor("=cmd|' /C calc'!A0", SYSTEM)), entry(2))
    rows = await listed(admin, "?name=registry-1")
    assert (await admin.get("/api/v1/audit.json?name=registry-1")).json() == rows
    assert [*yaml.safe_load_all((await admin.get("/api/v1/audit.yaml?name=registry-1")).text)] == rows
    (line,) = csv.DictReader(io.StringIO((await admin.get("/api/v1/audit.csv?name=registry-1")).text))
    assert (line["NAME"], line["PRINCIPAL"]) == ("registry-1", "'=cmd|' /C calc'!A0")


async def test_one_event_is_read_with_its_leaf(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await fill(plane, 1)
    newest = (await listed(admin))[0]
    found = (await admin.get(f"/api/v1/audit/{newest['sequence']}")).json()
    leaf = b64decode(found.pop("leaf"))
    assert found.pop("standing") is None
    assert found == newest == json.loads(leaf)
    assert decode(leaf).sequence == newest["sequence"]


async def test_an_event_says_whether_its_object_is_still_as_it_left_it(plane: Plane, admin: httpx2.AsyncClient) -> None:
    team = document("Team", "shop", members=["ada"])
    made = await admin.post("/api/v1/teams", json=team)
    (event,) = await listed(admin, "?action=role.grant&name=shop")
    path = f"/api/v1/audit/{event['sequence']}"
    assert (await admin.get(path)).json()["standing"] == {"kind": "teams", "name": "shop", "same": True}
    headers = {"If-Match": made.headers["ETag"]}
    assert (await admin.put("/api/v1/teams/shop", json=team | {"spec": {}}, headers=headers)).status_code == 200
    assert (await admin.get(path)).json()["standing"] == {"kind": "teams", "name": "shop", "same": False}
    headers = {"If-Match": (await admin.get("/api/v1/teams/shop")).headers["ETag"]}
    assert (await admin.delete("/api/v1/teams/shop", headers=headers)).status_code == 204
    assert (await admin.get(path)).json()["standing"] is None


async def scene(plane: Plane) -> None:
    await plane.put(
        document("EnvironmentGroup", "production"),
        document("EnvironmentGroup", "development"),
        document("Environment", "prod-eu", tier="production", group="production", type="kubernetes"),
        document("Environment", "dev-1", tier="development", group="development", type="kubernetes"),
    )
    await record(
        plane,
        entry(0),
        entry(1, environment="prod-eu"),
        entry(2, environment="dev-1", project="shop"),
        entry(3, project="shop"),
        entry(4, environment="gone"),
    )


@pytest.mark.parametrize(
    ("role", "scope", "seen"),
    [
        ("platform-admin", {}, {0, 1, 2, 3, 4}),
        ("auditor", {}, {0, 1, 2, 3, 4}),
        ("auditor", {"groups": ["production"]}, {1}),
        ("environment-admin", {"environments": ["dev-1"]}, {2}),
        ("environment-admin", {"environments": ["gone", "prod-eu"]}, {1, 4}),
        ("auditor", {"environments": ["prod-eu"], "namespaces": ["shop"]}, set()),
        ("developer", {}, set()),
    ],
)
async def test_everybody_sees_their_events_and_no_others(
    plane: Plane, role: str, scope: dict[str, list[str]], seen: set[int]
) -> None:
    await scene(plane)
    client = await plane.client("ada", role, **scope)
    rows = await listed(client, "?action=registry.update")
    assert {item["object"]["name"] for item in rows} == {f"registry-{number}" for number in seen}  # type: ignore[index]
    everything = {item["sequence"] for item in await listed(client)}
    newest = (await plane.server.audit.size()) - 1
    for number in range(newest + 1):
        response = await client.get(f"/api/v1/audit/{number}")
        assert response.status_code == (200 if number in everything else 404)
    missing = (await client.get(f"/api/v1/audit/{newest + 5}")).json()
    assert missing["detail"] == f"there is no audit called {newest + 5} that you may read-audit"


async def test_a_project_admin_sees_what_lies_in_the_project_alone(plane: Plane) -> None:
    await scene(plane)
    await plane.put(document("Project", "shop", admins={"users": ["ada"]}))
    rows = await listed(await plane.client("ada"), "?action=registry.update")
    assert [item["object"]["name"] for item in rows] == ["registry-3"]  # type: ignore[index]


@pytest.mark.parametrize("path", WHOLE)
async def test_the_whole_log_is_for_those_who_see_all_of_it(plane: Plane, path: str) -> None:
    await plane.put(document("EnvironmentGroup", "production"))
    part = await plane.client("ada", "auditor", groups=["production"])
    refused = await part.get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "audit_not_all")
    assert (await (await plane.client("eve", "auditor")).get(path)).status_code in {200, 404}
    nobody = plane.anonymous()
    assert (await nobody.get(path)).status_code == 401


@pytest.mark.parametrize("token", [{"kinds": ["registry"]}, {"kinds": []}])
async def test_a_token_that_is_not_for_the_log_sees_none_of_it(plane: Plane, token: dict[str, object]) -> None:
    await plane.client("root", "platform-admin")
    await fill(plane, 2)
    secret = await plane.token("root", token)
    client = plane.anonymous({"Authorization": f"Bearer {secret.reveal().decode()}"})
    assert await listed(client) == []
    assert (await client.get("/api/v1/audit/0")).status_code == 404
    for path in WHOLE:
        assert (await client.get(path)).status_code == 403


async def test_a_read_only_token_reads_the_log(plane: Plane) -> None:
    await plane.client("root", "platform-admin")
    secret = await plane.token("root", {"readOnly": True, "kinds": ["audit"]})
    client = plane.anonymous({"Authorization": f"Bearer {secret.reveal().decode()}"})
    assert await listed(client)


async def test_an_export_is_streamed_and_holds_no_connection_meanwhile(plane: Plane) -> None:
    await plane.only_asked()
    await fill(plane, 2 * BATCH + 5)
    caller = Caller(somebody(Role.PLATFORM_ADMIN), SYSTEM, "req-1")
    counts = []
    async for chunk in await plane.server.audit.export(caller):
        counts.append(chunk.count(b'"type":"event"}'))
        pool = plane.server.database.reader.pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedout() == 0
    assert counts == [BATCH, BATCH, 6]
