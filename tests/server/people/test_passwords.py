"""What a password may be, how it is kept, and how one is set."""

from __future__ import annotations

import asyncio
import unicodedata

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Throttled
from portreeve.server.database.tables import PASSWORDS
from portreeve.server.people.passwords import AT_ONCE, MOST_WAITING, Passwords, refuse_unsuitable
from tests.server.people.conftest import CHEAP
from tests.server.people.person import PASSWORD, browser, by_link, code, events, new_user, sign_in, with_password
from tests.server.plane import Plane

WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, salt_len=8)


@pytest.mark.parametrize(
    ("password", "right"),
    [
        ("", False),
        ("eleven char", False),
        ("twelve chars", True),
        ("            ", True),
        ("é" * 12, True),
        ("x" * 1024, True),
        ("x" * 1025, False),
        ("é" * 513, False),
        ("ada-lovelace", False),
        ("ADA-LOVELACEada-lovelace", False),
        ("ada-lovelace likes sums", False),
        ("ada-lovelace likes longer sums", True),
    ],
)
def test_a_password_has_twelve_characters_besides_the_users_name_and_no_rules(password: str, right: bool) -> None:
    if right:
        refuse_unsuitable(SecretValue(password), "ada-lovelace")
        return
    with pytest.raises(Invalid) as refused:
        refuse_unsuitable(SecretValue(password), "ada-lovelace")
    assert refused.value.code == "password_unsuitable"
    assert not password or password not in refused.value.diagnostics()


async def test_a_password_is_kept_as_argon2id_of_the_rfc() -> None:
    stored = await Passwords().hashed(SecretValue(PASSWORD))
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not Passwords().outdated(stored)
    assert Passwords().outdated(CHEAP.hash(PASSWORD))


async def test_nobodys_password_is_never_right_and_costs_what_anybodys_does() -> None:
    passwords = Passwords(CHEAP)
    assert await passwords.verified(await passwords.hashed(SecretValue(PASSWORD)), SecretValue(PASSWORD))
    assert not await passwords.verified(None, SecretValue(PASSWORD))
    assert not CHEAP.check_needs_rehash(passwords._nobodys), "it has the parameters of every other hash"
    passwords._nobodys = CHEAP.hash(PASSWORD)
    assert not await passwords.verified(None, SecretValue(PASSWORD)), "not even if somebody guessed nobody's"
    assert not await passwords.verified("not a hash", SecretValue(PASSWORD))


async def test_two_ways_to_type_a_letter_are_one_password() -> None:
    passwords = Passwords(CHEAP)
    composed, apart = (unicodedata.normalize(form, "crème brûlée, twice") for form in ("NFC", "NFD"))
    assert composed != apart
    assert await passwords.verified(await passwords.hashed(SecretValue(composed)), SecretValue(apart))


async def test_only_so_many_wait() -> None:
    passwords = Passwords(CHEAP)
    most = AT_ONCE + MOST_WAITING
    tried = [passwords.hashed(SecretValue(PASSWORD)) for _ in range(most + 1)]
    found = await asyncio.gather(*tried, return_exceptions=True)
    busy = [one for one in found if isinstance(one, Throttled)]
    assert [one.code for one in busy] == ["sign_in_busy"]


async def test_a_hash_with_other_parameters_is_renewed_at_sign_in(plane: Plane) -> None:
    await new_user(plane)
    await with_password(plane)

    async def weaken() -> None:
        async with plane.server.database.writer.begin() as connection:
            await connection.execute(update(PASSWORDS).values(hash=WEAK.hash(PASSWORD)))

    await weaken()
    assert (await sign_in(browser(plane))).status_code == 200
    async with plane.server.database.reader.connect() as connection:
        stored = (await connection.execute(select(PASSWORDS.c.hash))).scalar_one()
    assert not plane.server.people.passwords.outdated(stored)
    assert (await sign_in(browser(plane))).status_code == 200


async def test_setting_a_password_ends_every_other_session_and_renews_this_one(plane: Plane) -> None:
    await new_user(plane)
    mine = await with_password(plane)
    other = browser(plane)
    assert (await sign_in(other)).status_code == 200
    before = mine.cookies["portreeve"]
    body = {"password": "another fine sentence", "current": PASSWORD}
    assert (await mine.put("/api/v1/me/password", json=body)).status_code == 200
    assert mine.cookies["portreeve"] != before
    assert (await mine.get("/api/v1/me")).json()["signedIn"]["by"] == "password"
    assert (await other.get("/api/v1/me")).status_code == 401
    stale = browser(plane)
    stale.cookies.set("portreeve", before)
    assert (await stale.get("/api/v1/me")).status_code == 401
    assert (await sign_in(browser(plane))).status_code == 401
    assert (await sign_in(browser(plane), password="another fine sentence")).status_code == 200


async def test_a_session_by_password_has_to_know_the_current_one(plane: Plane) -> None:
    await new_user(plane)
    who = await with_password(plane)
    for extra in ({}, {"current": "some other sentence"}):
        answer = await who.put("/api/v1/me/password", json={"password": "another fine sentence", **extra})
        assert code(answer) == (403, "password_wrong")
    (done, refused) = await events(plane, "password.set")
    assert (done.outcome, refused.outcome, refused.reason) == ("done", "refused", "password_wrong")
    assert (await sign_in(browser(plane))).status_code == 200


async def test_the_current_password_cannot_be_guessed_without_end(plane: Plane) -> None:
    await new_user(plane)
    who = await with_password(plane)
    body = {"password": "another fine sentence", "current": "a wrong guess"}
    tried = [(await who.put("/api/v1/me/password", json=body)).status_code for _ in range(6)]
    assert tried == [403] * 5 + [429]


async def test_of_two_who_set_a_password_at_once_one_does(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    tried = [who.put("/api/v1/me/password", json={"password": f"sentence number {n}"}) for n in range(2)]
    assert sorted(one.status_code for one in await asyncio.gather(*tried)) == [200, 401]


async def test_an_api_token_cannot_set_a_password(plane: Plane) -> None:
    client = await plane.client("ada")
    answer = await client.put("/api/v1/me/password", json={"password": PASSWORD})
    assert code(answer) == (403, "session_needed")


WRONG: list[object] = [
    None,
    [],
    {},
    {"password": 12},
    {"password": ""},
    {"password": PASSWORD, "user": "root"},
    {"password": "short"},
]


async def test_what_is_wrong_with_a_body_repeats_nothing_of_it(plane: Plane) -> None:
    await new_user(plane)
    who = await by_link(plane)
    for body in WRONG:
        answer = await who.put("/api/v1/me/password", json=body)
        assert answer.status_code in {400, 422}, body
        assert PASSWORD not in answer.text
        assert 'short"' not in answer.text
