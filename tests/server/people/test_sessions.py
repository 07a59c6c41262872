"""Sessions: how long one lasts, what ends it, and what its cookie looks like."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select

from portreeve.core.secret import SecretValue
from portreeve.server.database.tables import SESSIONS
from portreeve.server.people.cookies import SESSION, Cookies
from portreeve.server.people.sessions import MOST_PER_USER
from tests.server.people.person import browser, by_link, code, events, new_user, sign_in, with_password
from tests.server.plane import Plane, document, running


async def test_a_session_ends_after_eight_idle_hours(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    plane.clock.move(timedelta(hours=7, minutes=59))
    assert (await who.get("/api/v1/me")).status_code == 200
    plane.clock.move(timedelta(hours=7, minutes=59))
    assert (await who.get("/api/v1/me")).status_code == 200
    plane.clock.move(timedelta(hours=8))
    assert code(await who.get("/api/v1/me")) == (401, "unauthenticated")


async def test_a_session_ends_after_a_day_however_busy(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    for _ in range(23):
        plane.clock.move(timedelta(hours=1))
        assert (await who.get("/api/v1/me")).status_code == 200
    plane.clock.move(timedelta(hours=1))
    assert (await who.get("/api/v1/me")).status_code == 401


async def test_that_it_was_seen_is_written_once_a_minute(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    written: list[str] = []

    @event.listens_for(plane.server.database.writer.sync_engine, "before_cursor_execute")
    def noted(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE sessions"):
            written.append(statement)

    for seconds in (0, 59, 0, 1, 0, 59, 1):
        plane.clock.move(timedelta(seconds=seconds))
        assert (await who.get("/api/v1/me")).status_code == 200
    assert len(written) == 2


async def test_signing_out_ends_it_and_takes_the_cookie(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    kept = who.cookies["portreeve"]
    answer = await who.post("/api/v1/sign-out")
    assert (answer.status_code, "portreeve" in who.cookies) == (204, False)
    assert "Max-Age=0" in answer.headers["set-cookie"]
    thief = browser(plane)
    thief.cookies.set("portreeve", kept)
    assert (await thief.get("/api/v1/me")).status_code == 401
    (ended,) = await events(plane, "session.end")
    assert (ended.actor.principal, ended.outcome) == ("ada", "done")


async def test_the_token_is_new_at_each_sign_in_and_the_one_before_ends(plane: Plane) -> None:
    await new_user(plane)
    who = await with_password(plane)
    before = who.cookies["portreeve"]
    assert (await sign_in(who)).status_code == 200
    assert who.cookies["portreeve"] != before
    old = browser(plane)
    old.cookies.set("portreeve", before)
    assert (await old.get("/api/v1/me")).status_code == 401


async def test_a_cookie_that_somebody_planted_is_never_taken_over(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    victim = browser(plane)
    victim.cookies.set("portreeve", "planted-by-somebody-else", domain="127.0.0.1")
    answer = await sign_in(victim)
    assert "planted-by-somebody-else" not in answer.headers["set-cookie"]
    attacker = browser(plane)
    attacker.cookies.set("portreeve", "planted-by-somebody-else")
    assert (await attacker.get("/api/v1/me")).status_code == 401


async def test_a_disabled_user_is_out_at_once(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    await new_user(plane)
    who = await by_link(plane)
    etag = {"If-Match": (await admin.get("/api/v1/users/ada")).headers["ETag"]}
    off = document("User", "ada", disabled=True)
    assert (await admin.put("/api/v1/users/ada", json=off, headers=etag)).status_code == 200
    assert (await who.get("/api/v1/me")).status_code == 401


async def test_what_a_deleted_user_held_is_no_use_to_the_next_of_that_name(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    client = await plane.client("ada")
    who = await with_password(plane)
    etag = {"If-Match": (await admin.get("/api/v1/users/ada")).headers["ETag"]}
    assert (await admin.delete("/api/v1/users/ada", headers=etag)).status_code == 204
    assert (await who.get("/api/v1/me")).status_code == 401
    assert (await admin.post("/api/v1/users", json=document("User", "ada"))).status_code == 201
    assert (await who.get("/api/v1/me")).status_code == 401
    assert (await client.get("/api/v1/me")).status_code == 401
    assert (await sign_in(browser(plane))).status_code == 401
    assert (await admin.get("/api/v1/users/ada/tokens")).json()["items"] == []


async def test_one_lists_and_ends_ones_own_sessions(plane: Plane) -> None:
    await new_user(plane)
    await new_user(plane, "eve")
    here, there, eve = await by_link(plane), await by_link(plane), await by_link(plane, "eve")
    items = (await here.get("/api/v1/me/sessions")).json()["items"]
    assert [one["current"] for one in items].count(True) == 1
    other = next(one["id"] for one in items if not one["current"])
    assert code(await eve.delete(f"/api/v1/me/sessions/{other}")) == (404, "not_found")
    assert (await here.delete(f"/api/v1/me/sessions/{other}")).status_code == 204
    assert (await there.get("/api/v1/me")).status_code == 401
    again = await here.delete(f"/api/v1/me/sessions/{other}")
    assert code(again) == (404, "not_found")
    assert len((await here.get("/api/v1/me/sessions")).json()["items"]) == 1


async def test_an_administrator_ends_the_sessions_of_others_and_nobody_else_does(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    auditor = await plane.client("audrey", "auditor")
    eve = await plane.client("eve")
    await new_user(plane)
    who = await by_link(plane)
    (one,) = (await admin.get("/api/v1/users/ada/sessions")).json()["items"]
    path = f"/api/v1/users/ada/sessions/{one['id']}"
    assert (await auditor.get("/api/v1/users/ada/sessions")).json()["items"][0]["id"] == one["id"]
    assert code(await eve.get("/api/v1/users/ada/sessions")) == (404, "not_found")
    missing = await eve.get("/api/v1/users/adb/sessions")
    there = await eve.get("/api/v1/users/ada/sessions")
    assert there.json()["detail"].replace("ada", "adb") == missing.json()["detail"]
    for nobody in (auditor, eve):
        assert code(await nobody.delete(path)) == (404, "not_found")
    assert (await admin.delete(path)).status_code == 204
    assert (await who.get("/api/v1/me")).status_code == 401
    ended = await events(plane, "session.end")
    assert [(event.actor.principal, event.outcome) for event in ended] == [
        ("audrey", "refused"),
        ("eve", "refused"),
        ("root", "done"),
    ]


async def test_one_user_has_only_so_many_sessions(plane: Plane) -> None:
    await new_user(plane)
    first = await by_link(plane)
    for _ in range(MOST_PER_USER):
        plane.clock.move(timedelta(seconds=1))
        last = await by_link(plane)
    assert (await first.get("/api/v1/me")).status_code == 401
    assert len((await last.get("/api/v1/me/sessions")).json()["items"]) == MOST_PER_USER


async def test_ended_sessions_are_swept(plane: Plane) -> None:
    await new_user(plane)
    await by_link(plane)
    plane.clock.move(timedelta(hours=25))
    await by_link(plane)
    async with plane.server.database.reader.connect() as connection:
        assert len((await connection.execute(select(SESSIONS))).all()) == 1


async def test_on_plain_http_the_cookie_has_no_prefix(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    assert set(who.cookies) == {"portreeve"}


async def test_by_https_the_cookie_is_for_this_host_alone(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, public_url="https://portreeve.example.com") as plane:
        await new_user(plane)
        issued = await plane.server.writer.run(lambda one: plane.server.people.issue_link(one, "ada"))
        address = issued.address.reveal().decode()
        assert address.startswith("https://portreeve.example.com/login#t=")
        client = plane.anonymous({"Origin": "https://portreeve.example.com", "Host": "portreeve.example.com"})
        answer = await client.post("/api/v1/sign-in/link", json={"token": address.partition("#t=")[2]})
        name, *attributes = answer.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-portreeve=")
        assert attributes == ["Max-Age=86400", "Path=/", "HttpOnly", "SameSite=Lax", "Secure"]
        value = name.partition("=")[2]
        right, bare = ({"Cookie": f"{prefix}portreeve={value}"} for prefix in ("__Host-", ""))
        assert (await client.get("/api/v1/me", headers=right)).status_code == 200
        assert (await client.get("/api/v1/me", headers=bare)).status_code == 401


def test_where_the_host_is_shared_the_cookie_is_for_our_path_alone() -> None:
    ours = Cookies(secure=True, below="/portreeve")
    made = ours.set(SESSION, SecretValue("x"), timedelta(1))
    assert made == "__Secure-portreeve=x; Max-Age=86400; Path=/portreeve/; HttpOnly; SameSite=Lax; Secure"
    assert "Path=/portreeve/;" in ours.cleared(SESSION)
    assert ours.read({"__Secure-portreeve": "x"}, SESSION) is not None
    assert ours.read({"portreeve": "x", "__Host-portreeve": "x"}, SESSION) is None


@pytest.mark.parametrize("value", ["", "x" * 129, "é"])
def test_what_cannot_be_a_cookie_of_ours_is_none(value: str) -> None:
    assert Cookies(secure=False).read({"portreeve": value}, SESSION) is None
    assert "x" in Cookies(secure=False).set(SESSION, SecretValue("x"), timedelta(1))
