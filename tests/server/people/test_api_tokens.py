"""API tokens: who makes them, what they may do, and who ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import select

from portreeve.server.database.tables import API_TOKENS
from tests.server.people.person import by_link, code, events, new_user
from tests.server.plane import NOW, Plane, document

MONTH = (NOW + timedelta(days=30)).isoformat()


async def made(who: httpx2.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await who.post("/api/v1/me/tokens", json={"title": "ci", "expiresAt": MONTH, **asked})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(plane: Plane, token: str) -> httpx2.AsyncClient:
    return plane.anonymous({"Authorization": f"Bearer {token}"})


async def test_a_token_is_answered_once_and_stored_as_a_hash(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    token = (await made(who))["token"]
    assert (await bearer(plane, token).get("/api/v1/me")).json()["signedIn"]["by"] == "token"
    (listed,) = (await who.get("/api/v1/me/tokens")).json()["items"]
    assert listed["title"] == "ci"
    assert "token" not in listed
    async with plane.server.database.reader.connect() as connection:
        row = (await connection.execute(select(API_TOKENS))).one()
    assert token not in repr(tuple(row))
    assert token.removeprefix("prt_")[:20].encode() not in bytes(row.token)
    (event,) = await events(plane, "api_token.create")
    assert (event.actor.principal, event.target.name) == ("ada", listed["id"])


async def test_a_token_ends_when_it_says(plane: Plane) -> None:
    await new_user(plane)
    token = bearer(plane, (await made(await by_link(plane)))["token"])
    plane.clock.move(timedelta(days=30) - timedelta(seconds=1))
    assert (await token.get("/api/v1/me")).status_code == 200
    plane.clock.move(timedelta(seconds=1))
    assert (await token.get("/api/v1/me")).status_code == 401


CANNOT_BE_MADE: list[dict[str, Any]] = [
    {"expiresAt": None},
    {"expiresAt": "tomorrow"},
    {"expiresAt": 1_900_000_000},
    {"expiresAt": "2026-12-01T00:00:00"},
    {"expiresAt": NOW.isoformat()},
    {"expiresAt": (NOW + timedelta(days=366, seconds=1)).isoformat()},
    {"title": ""},
    {"title": "x" * 101},
    {"title": "a\u0000b"},
    {"scope": []},
    {"scope": {"admin": True}},
    {"scope": {"readOnly": "yes"}},
    {"scope": {"kinds": []}},
    {"scope": {"kinds": "registry"}},
    {"scope": {"kinds": ["everything"]}},
    {"scope": {"kinds": [1]}},
    {"user": "root"},
]


async def test_a_token_that_cannot_be_made_is_not(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    for asked in CANNOT_BE_MADE:
        answer = await who.post("/api/v1/me/tokens", json={"title": "ci", "expiresAt": MONTH, **asked})
        assert code(answer) == (422, "request_invalid"), asked
    assert (await who.get("/api/v1/me/tokens")).json()["items"] == []


async def test_a_token_makes_no_tokens_and_sees_none(plane: Plane) -> None:
    client = await plane.client("root", "platform-admin")
    for answer in (
        await client.post("/api/v1/me/tokens", json={"title": "wider", "expiresAt": MONTH}),
        await client.get("/api/v1/me/tokens"),
        await client.get("/api/v1/me/sessions"),
        await client.delete("/api/v1/me/sessions/x"),
        await client.delete("/api/v1/me/tokens/x"),
        await client.post("/api/v1/sign-out"),
    ):
        assert code(answer) == (403, "session_needed")


async def test_a_token_is_narrowed_by_its_scope(plane: Plane) -> None:
    await plane.put(
        document("User", "ada"), document("RoleBinding", "ada", role="platform-admin", subjects={"users": ["ada"]})
    )
    who = await by_link(plane)
    reading = bearer(plane, (await made(who, scope={"readOnly": True}))["token"])
    teams = bearer(plane, (await made(who, scope={"kinds": ["team"]}))["token"])
    assert (await reading.get("/api/v1/users/ada")).status_code == 200
    assert (await reading.post("/api/v1/teams", json=document("Team", "shop"))).status_code in {403, 404}
    assert (await teams.post("/api/v1/teams", json=document("Team", "shop"))).status_code == 201
    assert (await teams.get("/api/v1/users/ada")).status_code == 404
    assert (await teams.get("/api/v1/users/ada/tokens")).status_code == 404
    assert (await teams.get("/api/v1/me")).json()["scope"] == {"readOnly": False, "kinds": ["team"]}
    ((first, *_),) = [(await who.get("/api/v1/me/tokens")).json()["items"]]
    for scoped in (reading, teams):
        answer = await scoped.delete(f"/api/v1/users/ada/tokens/{first['id']}")
        assert code(answer) == (404, "not_found")


async def test_a_token_ends_itself(plane: Plane) -> None:
    await new_user(plane)
    found = await made(await by_link(plane), scope={"readOnly": True})
    token = bearer(plane, found["token"])
    assert (await token.delete(f"/api/v1/me/tokens/{found['id']}")).status_code == 204
    assert (await token.get("/api/v1/me")).status_code == 401


async def test_one_revokes_ones_own_and_an_administrator_everybodys(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    await new_user(plane)
    await new_user(plane, "eve")
    ada, eve = await by_link(plane), await by_link(plane, "eve")
    first, second = await made(ada), await made(ada)
    for path in (f"/api/v1/me/tokens/{first['id']}", f"/api/v1/users/ada/tokens/{first['id']}"):
        assert code(await eve.delete(path)) == (404, "not_found")
    assert (await ada.delete(f"/api/v1/me/tokens/{first['id']}")).status_code == 204
    assert (await bearer(plane, first["token"]).get("/api/v1/me")).status_code == 401
    items = (await admin.get("/api/v1/users/ada/tokens")).json()["items"]
    assert [one["id"] for one in items] == [second["id"]]
    assert "token" not in items[0]
    assert (await admin.delete(f"/api/v1/users/ada/tokens/{second['id']}")).status_code == 204
    assert code(await admin.delete(f"/api/v1/users/ada/tokens/{second['id']}")) == (404, "not_found")
    assert code(await admin.delete(f"/api/v1/users/adb/tokens/{second['id']}")) == (404, "not_found")
    assert (await bearer(plane, second["token"]).get("/api/v1/me")).status_code == 401
    revoked = [(one.actor.principal, one.outcome) for one in await events(plane, "api_token.revoke")]
    assert revoked == [("eve", "refused"), ("ada", "done"), ("root", "done"), ("root", "refused")]


async def test_the_answer_is_not_stored_for_a_second_asking(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    answer = await who.post(
        "/api/v1/me/tokens", json={"title": "ci", "expiresAt": MONTH}, headers={"Idempotency-Key": "again"}
    )
    assert code(answer) == (400, "idempotency_key")


async def test_when_it_was_used_is_noted_by_the_hour(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    token = bearer(plane, (await made(who))["token"])
    used = []
    for minutes in (0, 59, 1):
        plane.clock.move(timedelta(minutes=minutes))
        await token.get("/api/v1/me")
        used.append((await who.get("/api/v1/me/tokens")).json()["items"][0]["usedAt"])
    assert used == ["2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z"]


async def test_me_names_roles_with_their_scopes(plane: Plane) -> None:
    await plane.put(
        document("User", "ada", title="Ada"),
        document("Team", "shop", members=["ada"]),
        document("EnvironmentGroup", "prod", type="kubernetes"),
        document("RoleBinding", "ops", role="operator", subjects={"teams": ["shop"]}, scope={"groups": ["prod"]}),
    )
    me = (await (await by_link(plane)).get("/api/v1/me")).json()
    assert me["teams"] == ["shop"]
    assert me["roles"] == [{"role": "operator", "source": "ops", "scope": {"groups": ["prod"]}}]
    assert me["signedIn"]["expiresAt"] == "2026-11-21T12:00:00Z"
