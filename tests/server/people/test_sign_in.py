"""Signing in with a password: who gets in, what everybody else hears, and how often they may try."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx2

from portreeve.server.people import throttle
from portreeve.server.people.throttle import normalised
from tests.server.people.person import PASSWORD, browser, by_link, code, events, new_user, sign_in, with_password
from tests.server.plane import Plane, document


async def test_whoever_knows_the_password_gets_in(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    who = browser(plane)
    answer = await sign_in(who)
    assert answer.json().keys() == {"user", "session", "expiresAt"}
    assert who.cookies["portreeve"] not in answer.text
    assert (await who.get("/api/v1/me")).json()["signedIn"]["session"] == answer.json()["session"]


async def test_unknown_disabled_and_passwordless_users_hear_what_a_wrong_password_hears(plane: Plane) -> None:
    await new_user(plane, "wrong")
    await with_password(plane, "wrong")
    await new_user(plane, "none")
    await new_user(plane, "off")
    await with_password(plane, "off")
    admin = await plane.client("root", "platform-admin")
    etag = (await admin.get("/api/v1/users/off")).headers["ETag"]
    off = document("User", "off", disabled=True)
    assert (await admin.put("/api/v1/users/off", json=off, headers={"If-Match": etag})).status_code == 200
    answers = [
        await sign_in(browser(plane), "wrong", "not that one, either"),
        await sign_in(browser(plane), "none"),
        await sign_in(browser(plane), "off"),
        await sign_in(browser(plane), "missing"),
        await sign_in(browser(plane), "\x00' OR 1=1 --"[1:]),
    ]
    assert {code(one) for one in answers} == {(401, "sign_in_refused")}
    assert len({one.json()["detail"] for one in answers}) == 1
    assert not any("set-cookie" in one.headers for one in answers)


async def test_failures_and_successes_are_recorded_and_nothing_that_was_typed(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    await sign_in(browser(plane), "ada", "hunter2 hunter2")
    await sign_in(browser(plane), "my-password-in-the-wrong-field", "x")
    await sign_in(browser(plane))
    started = await events(plane, "session.start")
    assert [(one.outcome, one.target.kind, one.reason) for one in started[-3:]] == [
        ("refused", "user", "sign_in_refused"),
        ("refused", "user", "sign_in_refused"),
        ("done", "session", None),
    ]
    assert [one.target.name for one in started[-3:-1]] == ["ada", "(unknown)"]


async def test_a_name_is_one_however_it_is_written(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    for spelling in ("ada", "ADA", " Ada ", "ａｄａ", "\u2009ada"):
        assert normalised(spelling) == "ada"
        assert (await sign_in(browser(plane), spelling, "wrong, wrong, wrong")).status_code == 401
    answer = await sign_in(browser(plane))
    assert code(answer) == (429, "sign_in_throttled")


async def test_each_failure_waits_longer_up_to_a_bound_and_success_forgives(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    waits = []
    for _ in range(16):
        answer = await sign_in(browser(plane), password="wrong, wrong, wrong")
        if answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            plane.clock.move(timedelta(seconds=waits[-1]))
    assert waits[:4] == [1, 2, 4, 8]
    for _ in range(8):
        plane.clock.move(timedelta(seconds=300))
        await sign_in(browser(plane), password="wrong, wrong, wrong")
    answer = await sign_in(browser(plane))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    plane.clock.move(timedelta(seconds=300))
    assert (await sign_in(browser(plane))).status_code == 200
    assert (await sign_in(browser(plane), password="wrong, wrong, wrong")).status_code == 401
    assert (await sign_in(browser(plane))).status_code == 200


async def test_many_attempts_at_once_are_as_many_failures(plane: Plane) -> None:
    await new_user(plane)
    tried = [sign_in(browser(plane, f"203.0.113.{n}"), password=f"guess number {n}") for n in range(12)]
    found = sorted(one.status_code for one in await asyncio.gather(*tried))
    assert found == [401] * 5 + [429] * 7
    assert len(await events(plane, "session.start")) == 5, "a throttled attempt writes nothing"


async def test_an_unknown_name_is_throttled_as_a_known_one(plane: Plane) -> None:
    found = [(await sign_in(browser(plane), "nobody")).status_code for _ in range(6)]
    assert found == [401] * 5 + [429]


async def test_an_address_that_tries_many_names_waits_and_others_do_not(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    for number in range(20):
        await plane.server.writer.run(
            lambda one, name=f"user-{number}": throttle.charge(  # type: ignore[misc]
                one.connection, [throttle.of_user(name), throttle.of_address("192.0.2.9")], one.now
            )
        )
    assert (await sign_in(browser(plane, "192.0.2.9"))).status_code == 429
    assert (await sign_in(browser(plane, "192.0.2.10"))).status_code == 200
    plane.clock.move(timedelta(hours=24))
    assert (await sign_in(browser(plane, "192.0.2.9"))).status_code == 200


def test_a_network_of_ipv6_is_one_address() -> None:
    key = throttle.of_address("2001:db8:1:2:3::1").key
    assert key == throttle.of_address("2001:db8:1:2:ffff::9%eth0").key
    assert key != throttle.of_address("2001:db8:1:3::1").key
    assert throttle.of_address("::ffff:192.0.2.1").key == throttle.of_address("192.0.2.1").key
    assert throttle.of_address(None).key == throttle.of_address("").key


async def test_a_password_that_was_replaced_meanwhile_opens_nothing(plane: Plane) -> None:
    await new_user(plane)
    mine = await with_password(plane)
    body = {"password": "another fine sentence", "current": PASSWORD}
    changed, tried = await asyncio.gather(mine.put("/api/v1/me/password", json=body), sign_in(browser(plane)))
    assert changed.status_code == 200
    if tried.status_code == 200:
        # It was first; then its session has ended with the others.
        cookie = tried.cookies["portreeve"]
        other = browser(plane)
        other.cookies.set("portreeve", cookie)
        assert (await other.get("/api/v1/me")).status_code == 401


CROSS = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "https://127.0.0.1:8420"},
    {"Origin": "http://localhost:8420"},
    {},
]


async def test_a_page_elsewhere_signs_nobody_in(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    for headers in CROSS:
        client = plane.anonymous(headers)
        assert code(await sign_in(client)) == (403, "cross_site"), headers
        assert code(await client.post("/api/v1/sign-in/link", json={"token": "x"})) == (403, "cross_site"), headers
        assert not client.cookies


async def test_a_page_elsewhere_changes_nothing_by_the_cookie(plane: Plane) -> None:
    await new_user(plane)
    signed_in = await by_link(plane)
    for headers in CROSS:
        client = plane.anonymous(headers)
        client.cookies.set("portreeve", signed_in.cookies["portreeve"])
        for answer in (
            await client.post("/api/v1/sign-out"),
            await client.put("/api/v1/me/password", json={"password": PASSWORD}),
            await client.post("/api/v1/me/tokens", json={}),
            await client.post("/api/v1/teams", json=document("Team", "shop")),
        ):
            assert code(answer) == (403, "cross_site"), headers
    assert (await signed_in.get("/api/v1/me")).status_code == 200


async def test_our_own_origin_will_do_where_a_browser_sends_no_more(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)
    client = plane.anonymous({"Origin": "http://127.0.0.1:8420"})
    assert (await sign_in(client)).status_code == 200
    assert (await client.post("/api/v1/sign-out")).status_code == 204


async def test_a_token_needs_no_origin_and_a_wrong_one_does_not_fall_back_on_the_cookie(plane: Plane) -> None:
    await new_user(plane)
    signed_in: httpx2.AsyncClient = await by_link(plane)
    client = await plane.client("root", "platform-admin")
    assert (await client.post("/api/v1/teams", json=document("Team", "shop"))).status_code == 201
    answer = await signed_in.get("/api/v1/me", headers={"Authorization": "Bearer nonsense"})
    assert code(answer) == (401, "unauthenticated")
