"""One-time links: who gets in by one, and how often."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from portreeve.core.secret import SecretValue
from portreeve.errors import NotFound
from portreeve.server.database.tables import SIGN_IN_LINKS
from tests.server.people.person import OWN, browser, by_link, code, events, link, new_user
from tests.server.plane import Plane, document


async def test_a_link_signs_in_once(plane: Plane) -> None:
    await new_user(plane, title="Ada Example")
    token = await link(plane, "ada")
    first, second = browser(plane), browser(plane)
    assert (await first.post("/api/v1/sign-in/link", json={"token": token})).status_code == 200
    me = (await first.get("/api/v1/me")).json()
    assert (me["user"], me["title"], me["signedIn"]["by"]) == ("ada", "Ada Example", "link")
    again = await second.post("/api/v1/sign-in/link", json={"token": token})
    assert code(again) == (401, "sign_in_refused")
    assert "set-cookie" not in again.headers


async def test_of_many_who_use_a_link_at_once_one_gets_in(plane: Plane) -> None:
    await new_user(plane)
    token = await link(plane, "ada")
    tried = [browser(plane, f"198.51.100.{n}").post("/api/v1/sign-in/link", json={"token": token}) for n in range(8)]
    assert sorted(one.status_code for one in await asyncio.gather(*tried)) == [200] + [401] * 7


async def test_a_link_ends_after_ten_minutes(plane: Plane) -> None:
    await new_user(plane)
    token = await link(plane, "ada")
    plane.clock.move(timedelta(minutes=10))
    assert code(await browser(plane).post("/api/v1/sign-in/link", json={"token": token})) == (401, "sign_in_refused")


async def test_a_new_link_voids_the_one_before(plane: Plane) -> None:
    await new_user(plane)
    before, after = await link(plane, "ada"), await link(plane, "ada")
    assert (await browser(plane).post("/api/v1/sign-in/link", json={"token": before})).status_code == 401
    assert (await browser(plane).post("/api/v1/sign-in/link", json={"token": after})).status_code == 200


async def test_setting_a_password_voids_links(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    token = await link(plane, "ada")
    assert (await who.put("/api/v1/me/password", json={"password": "twelve or more"})).status_code == 200
    assert (await browser(plane).post("/api/v1/sign-in/link", json={"token": token})).status_code == 401


async def test_a_link_of_a_disabled_or_missing_user_is_not_issued(plane: Plane) -> None:
    await new_user(plane, "gone", disabled=True)
    for user in ("gone", "nobody"):
        with pytest.raises(NotFound):
            await link(plane, user)


async def test_a_link_is_no_use_to_a_later_user_of_the_same_name(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    await new_user(plane)
    token = await link(plane, "ada")
    etag = (await admin.get("/api/v1/users/ada")).headers["ETag"]
    assert (await admin.delete("/api/v1/users/ada", headers={"If-Match": etag})).status_code == 204
    assert (await admin.post("/api/v1/users", json=document("User", "ada"))).status_code == 201
    assert (await browser(plane).post("/api/v1/sign-in/link", json={"token": token})).status_code == 401


async def test_the_address_carries_the_token_in_its_fragment_and_is_shown_nowhere(plane: Plane) -> None:
    await new_user(plane)
    issued = await plane.server.writer.run(lambda one: plane.server.people.issue_link(one, "ada"))
    address = issued.address.reveal().decode()
    assert address.startswith("http://127.0.0.1:8420/login#t=")
    assert isinstance(issued.address, SecretValue)
    assert address.partition("#t=")[2] not in repr(issued)
    async with plane.server.database.reader.connect() as connection:
        row = (await connection.execute(select(SIGN_IN_LINKS))).one()
    assert address.partition("#t=")[2].encode() not in bytes(row.token)


async def test_issuing_and_using_are_recorded(plane: Plane) -> None:
    await new_user(plane)
    await by_link(plane)
    await browser(plane).post("/api/v1/sign-in/link", json={"token": "nothing"}, headers=OWN)
    (issued,) = await events(plane, "sign_in_link.create")
    assert (issued.actor.principal, issued.target.name) == ("portreeve", "ada")
    done, refused = await events(plane, "session.start")
    assert (done.actor.principal, done.outcome, done.target.kind) == ("ada", "done", "session")
    assert (refused.actor.principal, refused.reason) == ("(unknown)", "sign_in_refused")
