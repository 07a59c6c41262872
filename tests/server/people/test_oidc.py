"""Signing in at an identity provider: one that is honest, and one that is not.

Each hostile behaviour is one change to an honest sign-in that succeeds, and is refused for its own reason.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from sqlalchemy import select

from portreeve.server.database.tables import IDENTITIES, SIGN_INS
from portreeve.server.people.oidc.flow import MOST_PER_ADDRESS
from portreeve.server.people.oidc.newcomers import label
from tests.server.people import identity_provider
from tests.server.people.identity_provider import CLIENT_ID, KID, SECRET, IdentityProvider, public
from tests.server.people.person import browser, by_link, code, events, new_user
from tests.server.plane import NOW, Plane, document, running

# The library warns of what the tests show it on purpose: a weak key, and the older name of EdDSA.
pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")

START = "/api/v1/sign-in/oidc/corp/start"
CALLBACK = "/api/v1/sign-in/oidc/corp/callback"


@dataclass
class Scene:
    """A control plane that trusts one identity provider."""

    plane: Plane
    provider: IdentityProvider

    async def begin(self, who: httpx2.AsyncClient, following: str = "/") -> dict[str, str]:
        answer = await who.get(START, params={"next": following})
        assert answer.status_code == 303, answer.text
        return self.provider.authorize(answer.headers["Location"])

    async def sign_in(
        self, who: httpx2.AsyncClient | None = None, changed: Mapping[str, str | None] | None = None
    ) -> httpx2.Response:
        who = who or browser(self.plane)
        back = {**await self.begin(who), **(changed or {})}
        return await who.get(CALLBACK, params={name: value for name, value in back.items() if value is not None})

    async def each(
        self, cases: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> AsyncIterator[tuple[str, httpx2.AsyncClient]]:
        """A browser for each case, of an address of its own; the provider behaves so, and is known anew."""
        for number, (name, changed) in enumerate(cases):
            self.plane.clock.move(timedelta(hours=2))
            self.provider.behave(changed)
            yield name, browser(self.plane, f"198.51.100.{number}")

    async def reason(self) -> str | None:
        return (await events(self.plane, "session.start"))[-1].reason


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider.serving(lambda: NOW) as found:
        yield found


def oidc_file(directory: Path, provider: IdentityProvider, *others: Mapping[str, Any], **entry: Any) -> str:
    (directory / "corp.secret").write_text(SECRET + "\n")
    corp = {"name": "corp", "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret_file": "corp.secret"}
    path = directory / "oidc.json"
    path.write_text(json.dumps({"issuers": [{**corp, "title": "Example Corp", **entry}, *others]}))
    return str(path)


@pytest.fixture
async def scene(database_url: str, tmp_path: Path, provider: IdentityProvider) -> AsyncIterator[Scene]:
    file = oidc_file(tmp_path, provider, algorithms=["RS256", "ES256", "EdDSA"])
    async with running(database_url, tmp_path, oidc_file=file) as plane:
        provider.clock = plane.clock
        yield Scene(plane, provider)


async def test_somebody_new_becomes_a_user_who_may_do_what_their_groups_teams_may(scene: Scene) -> None:
    await scene.plane.put(
        document("Team", "leads", oidcGroups=["shop-leads"]),
        document("RoleBinding", "leads", role="auditor", subjects={"teams": ["leads"]}),
    )
    who = browser(scene.plane)
    answer = await scene.sign_in(who)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    me = (await who.get("/api/v1/me")).json()
    assert (me["user"], me["title"], me["teams"]) == ("ada", "Ada Example", ["leads"])
    assert (me["roles"][0]["role"], me["signedIn"]["by"]) == ("auditor", "oidc")
    assert (await who.get("/api/v1/users/ada")).status_code == 200
    made = [(one.action, one.actor.principal) for one in (await events(scene.plane))[-3:]]
    assert made == [("user.create", "ada"), ("user.link", "ada"), ("session.start", "ada")]


async def test_whoever_comes_again_is_the_same_user_whatever_they_are_called_now(scene: Scene) -> None:
    await scene.sign_in()
    scene.provider.claims = {"preferred_username": "root", "name": "Somebody", "email": "root@example.com"}
    who = browser(scene.plane)
    assert (await scene.sign_in(who)).status_code == 303
    assert (await who.get("/api/v1/me")).json()["user"] == "ada"
    async with scene.plane.server.database.reader.connect() as connection:
        (row,) = (await connection.execute(select(IDENTITIES))).all()
    assert (row.issuer, row.subject, row.user) == (scene.provider.issuer, "0001", "ada")


async def test_one_goes_on_where_one_was(scene: Scene) -> None:
    who = browser(scene.plane)
    back = await scene.begin(who, "/policies?stage=deny")
    assert (await who.get(CALLBACK, params=back)).headers["Location"] == "/policies?stage=deny"


async def test_below_a_path_every_step_stays_below_it(
    database_url: str, tmp_path: Path, provider: IdentityProvider
) -> None:
    file = oidc_file(tmp_path, provider, algorithms=["RS256"])
    # On loopback, which is known without being named, so that the browser's host is the public one.
    public_url = "http://127.0.0.1:8420/tools/portreeve"
    async with running(database_url, tmp_path, oidc_file=file, public_url=public_url) as plane:
        who = browser(plane)
        began = await who.get(f"/tools/portreeve{START}", params={"next": "/policies?stage=deny"})
        back = provider.authorize(began.headers["Location"])
        assert f"redirect_uri={quote(public_url, safe='')}%2Fapi" in began.headers["Location"]
        answer = await who.get(f"/tools/portreeve{CALLBACK}", params=back)
        assert answer.headers["Location"] == "/tools/portreeve/policies?stage=deny"
        assert all("Path=/tools/portreeve/;" in one for one in answer.headers.get_list("set-cookie"))
        assert (await who.get("/tools/portreeve/api/v1/me")).status_code == 200
        assert (await who.get("/api/v1/me")).status_code == 401, "a neighbour on the host was sent the session"


ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/a\r\nSet-Cookie: x=y",
    "/a\\b",
    "/é",
    "/" + "a" * 2048,
    "",
]


async def test_nobody_is_sent_to_another_host_after_it(scene: Scene) -> None:
    for following in ELSEWHERE:
        assert (await browser(scene.plane).get(START, params={"next": following})).status_code == 422, following


async def test_the_name_is_nobodys_and_nothing_speaks_of_it(scene: Scene) -> None:
    await scene.plane.put(
        document("User", "ada"),
        document("RoleBinding", "later", role="platform-admin", subjects={"users": ["ada-2"]}),
        document("Team", "shop", members=["ada-3"]),
        document("Project", "shop", admins={"users": ["ada-4"]}),
    )
    who = browser(scene.plane)
    assert (await scene.sign_in(who)).status_code == 303
    me = (await who.get("/api/v1/me")).json()
    assert (me["user"], me["roles"]) == ("ada-5", [])


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("Ada.Lovelace@example.com", "ada-lovelace"),
        ("Jörg Müller", "jorg-muller"),
        ("../../root", "root"),
        ("李", "user"),
        ("", "user"),
        ("x" * 99, "x" * 63),
        ("-" * 99 + "a", "a"),
        ("a\x00b", "a-b"),
        ("ＡＤＡ", "ada"),
    ],
)
def test_any_name_becomes_a_label(wish: str, name: str) -> None:
    assert label(wish) == name


async def test_a_disabled_user_does_not_get_in_and_a_deleted_one_is_somebody_new(scene: Scene) -> None:
    admin = await scene.plane.client("root", "platform-admin")
    who = browser(scene.plane)
    await scene.sign_in(who)
    etag = {"If-Match": (await admin.get("/api/v1/users/ada")).headers["ETag"]}
    changed = await admin.put("/api/v1/users/ada", json=document("User", "ada", disabled=True), headers=etag)
    assert code(await scene.sign_in()) == (401, "oidc_refused")
    assert await scene.reason() == "oidc_disabled"
    etag = {"If-Match": changed.headers["ETag"]}
    assert (await admin.delete("/api/v1/users/ada", headers=etag)).status_code == 204
    await scene.plane.put(document("User", "ada"))
    assert (await scene.sign_in(who)).status_code == 303
    assert (await who.get("/api/v1/me")).json()["user"] == "ada-2"


async def test_users_are_made_only_where_that_is_wanted(
    database_url: str, tmp_path: Path, provider: IdentityProvider
) -> None:
    file = oidc_file(tmp_path, provider)
    async with running(database_url, tmp_path, oidc_file=file, oidc_create_users=False) as plane:
        scene = Scene(plane, provider)
        assert code(await scene.sign_in()) == (401, "oidc_refused")
        assert await scene.reason() == "oidc_unknown_user"


async def test_the_ways_to_sign_in_are_listed_for_everybody(scene: Scene) -> None:
    found = (await scene.plane.anonymous().get("/api/v1/sign-in")).json()
    assert found == {"password": True, "oidc": [{"name": "corp", "title": "Example Corp", "start": START}]}


async def test_an_unknown_provider_is_none(scene: Scene) -> None:
    for path in (START, CALLBACK):
        assert code(await browser(scene.plane).get(path.replace("corp", "other"))) == (404, "not_found")


async def test_the_session_is_new_and_the_one_before_ends(scene: Scene) -> None:
    await new_user(scene.plane, "eve")
    who = await by_link(scene.plane, "eve")
    before = who.cookies["portreeve"]
    assert (await scene.sign_in(who)).status_code == 303
    assert who.cookies["portreeve"] != before
    assert "portreeve-sign-in" not in who.cookies
    old = browser(scene.plane)
    old.cookies.set("portreeve", before)
    assert (await old.get("/api/v1/me")).status_code == 401


TOKENS: list[tuple[str, dict[str, Any], str]] = [
    ("another issuer", {"claims": {"iss": "https://evil.example"}}, "oidc_issuer"),
    ("no issuer", {"claims": {"iss": None}}, "oidc_issuer"),
    ("another audience", {"claims": {"aud": "somebody-else"}}, "oidc_audience"),
    ("no audience", {"claims": {"aud": None}}, "oidc_audience"),
    ("an audience that is no text", {"claims": {"aud": {"portreeve": 1}}}, "oidc_audience"),
    ("several audiences and no party", {"claims": {"aud": [CLIENT_ID, "other"]}}, "oidc_audience"),
    ("made for another party", {"claims": {"aud": [CLIENT_ID, "other"], "azp": "other"}}, "oidc_audience"),
    ("one audience, another party", {"claims": {"azp": "other"}}, "oidc_audience"),
    ("another nonce", {"claims": {"nonce": "of another sign-in"}}, "oidc_nonce"),
    ("no nonce", {"claims": {"nonce": None}}, "oidc_nonce"),
    ("a nonce that is no text", {"claims": {"nonce": ["x"]}}, "oidc_nonce"),
    ("expired", {"offsets": {"exp": -60}}, "oidc_time"),
    ("no end", {"claims": {"exp": None}}, "oidc_time"),
    ("an end that is no number", {"claims": {"exp": "tomorrow"}}, "oidc_time"),
    ("an end that is true", {"claims": {"exp": True}}, "oidc_time"),
    ("made in the future", {"offsets": {"iat": 61}}, "oidc_time"),
    ("made at no time", {"claims": {"iat": None}}, "oidc_time"),
    ("not yet", {"offsets": {"nbf": 61}}, "oidc_time"),
    ("not before something", {"claims": {"nbf": "now"}}, "oidc_time"),
    ("no subject", {"claims": {"sub": None}}, "oidc_subject"),
    ("an empty subject", {"claims": {"sub": ""}}, "oidc_subject"),
    ("a blank subject", {"claims": {"sub": " "}}, "oidc_subject"),
    ("a subject that is a number", {"claims": {"sub": 1}}, "oidc_subject"),
    ("a long subject", {"claims": {"sub": "x" * 256}}, "oidc_subject"),
    ("a subject with a null byte", {"claims": {"sub": "a\u0000"}}, "oidc_subject"),
    ("groups as one text", {"claims": {"groups": "admins"}}, "oidc_groups"),
    ("groups as numbers", {"claims": {"groups": [1]}}, "oidc_groups"),
    ("groups as a map", {"claims": {"groups": {"admins": True}}}, "oidc_groups"),
    ("a group with a null byte", {"claims": {"groups": ["a\u0000"]}}, "oidc_groups"),
    ("groups without end", {"claims": {"groups": [str(n) for n in range(1001)]}}, "oidc_groups"),
    ("not signed", {"token": identity_provider.unsigned}, "oidc_algorithm"),
    ("HMAC with the public key", {"token": identity_provider.by_public_key}, "oidc_algorithm"),
    (
        "HMAC with a key of the set",
        {
            "token": identity_provider.by_known_secret,
            "keys": [{"kty": "oct", "kid": KID, "k": identity_provider.encoded(b"s" * 32)}],
        },
        "oidc_algorithm",
    ),
    ("a symmetric key in the set", {"keys": [{"kty": "oct", "kid": KID, "k": "c2VjcmV0"}]}, "oidc_key"),
    ("a key of its own", {"token": identity_provider.by_own_key}, "oidc_header"),
    ("a key to be fetched", {"header": {"jku": "http://127.0.0.1:1/keys"}}, "oidc_header"),
    ("a certificate to be fetched", {"header": {"x5u": "http://127.0.0.1:1/cert"}}, "oidc_header"),
    ("a certificate of its own", {"header": {"x5c": ["AA=="]}}, "oidc_header"),
    ("an extension that must be understood", {"header": {"crit": ["exp"], "exp": 1}}, "oidc_header"),
    ("a payload that is not encoded", {"header": {"b64": False}}, "oidc_header"),
    ("a key id that is no text", {"header": {"kid": 1}}, "oidc_header"),
    ("a key id that is not there", {"header": {"kid": "key-2"}}, "oidc_key"),
    ("no key id, and two keys", {"header": {"kid": None}, "keys": [public("RSA"), public("RSA-other")]}, "oidc_key"),
    ("another one's signature", {"token": identity_provider.by_another_key}, "oidc_signature"),
    ("a key for encryption", {"keys": [public("RSA", kid=KID, use="enc")]}, "oidc_key"),
    ("a key for another algorithm", {"keys": [public("RSA", kid=KID, alg="PS256")]}, "oidc_key"),
    ("a key of another type", {"keys": [public("EC", kid=KID)]}, "oidc_key"),
    ("a weak key", {"kind": "RSA-1024"}, "oidc_key"),
    ("an algorithm that is not pinned", {"algorithm": "RS512"}, "oidc_algorithm"),
    ("a token that is none", {"token": lambda payload: "a.b"}, "oidc_token"),
    ("a token of five parts", {"token": lambda payload: "a.b.c.d.e"}, "oidc_token"),
    ("a huge token", {"token": lambda payload: "a" * 70_000}, "oidc_token"),
]


async def test_a_token_that_is_not_quite_right_signs_nobody_in(scene: Scene) -> None:
    expected = {name: ((401, "oidc_refused"), reason, {"portreeve-sign-in"}) for name, _, reason in TOKENS}
    found = {}
    async for name, who in scene.each([row[:2] for row in TOKENS]):
        answer = await scene.sign_in(who)
        found[name] = (code(answer), await scene.reason(), set(who.cookies))
    assert found == expected
    assert [one for one in await events(scene.plane, "user.create") if one.request != "scene"] == []


EDGES: list[tuple[str, dict[str, Any]]] = [
    ("just expired", {"offsets": {"exp": -59}}),
    ("a clock that is ahead", {"offsets": {"iat": 60}}),
    ("a clock that is ahead, again", {"offsets": {"nbf": 60}}),
    ("one audience as a list", {"claims": {"aud": [CLIENT_ID]}}),
    ("two audiences, made for us", {"claims": {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID}}),
    ("no groups", {"claims": {"groups": None}}),
    ("a title that is no text", {"claims": {"name": 7}}),
    ("no key id, and one key", {"header": {"kid": None}}),
    ("headers that mean nothing", {"header": {"typ": "JWT", "x5t": "abc"}}),
    ("ES256", {"algorithm": "ES256", "kind": "EC"}),
    ("EdDSA", {"algorithm": "EdDSA", "kind": "OKP"}),
    ("a symmetric key beside ours", {"keys": [public("RSA", kid=KID), {"kty": "oct", "kid": "b", "k": "c2VjcmV0"}]}),
]


async def test_what_is_right_at_the_edge_signs_in(scene: Scene) -> None:
    found = {}
    async for name, who in scene.each(EDGES):
        found[name] = (await scene.sign_in(who)).status_code
    assert found == {name: 303 for name, _ in EDGES}


async def test_an_answer_is_for_the_browser_that_began(scene: Scene) -> None:
    attacker, victim = browser(scene.plane), browser(scene.plane)
    back = await scene.begin(attacker)
    await scene.begin(victim)
    assert code(await victim.get(CALLBACK, params=back)) == (401, "oidc_refused")
    assert await scene.reason() == "oidc_state"
    assert code(await browser(scene.plane).get(CALLBACK, params=back)) == (401, "oidc_refused")
    assert "/token" not in scene.provider.asked, "a code of somebody else's is not even exchanged"
    assert (await attacker.get(CALLBACK, params=back)).status_code == 303


async def test_an_answer_is_taken_once(scene: Scene) -> None:
    who = browser(scene.plane)
    back = await scene.begin(who)
    sign_in = {"portreeve-sign-in": who.cookies["portreeve-sign-in"]}
    assert (await who.get(CALLBACK, params=back)).status_code == 303
    again = browser(scene.plane)
    again.cookies.update(sign_in)
    assert code(await again.get(CALLBACK, params=back)) == (401, "oidc_refused")
    assert scene.provider.asked.count("/token") == 1


async def test_of_many_who_bring_an_answer_at_once_one_gets_in(scene: Scene) -> None:
    who = browser(scene.plane)
    back = await scene.begin(who)
    found = await asyncio.gather(*(who.get(CALLBACK, params=back) for _ in range(4)))
    assert sorted(one.status_code for one in found) == [303, 401, 401, 401]


async def test_a_code_of_another_sign_in_is_worthless(scene: Scene) -> None:
    stolen = (await scene.begin(browser(scene.plane)))["code"]
    assert code(await scene.sign_in(changed={"code": stolen})) == (401, "oidc_refused")
    assert await scene.reason() == "oidc_code"


async def test_a_sign_in_that_takes_too_long_is_over(scene: Scene) -> None:
    who = browser(scene.plane)
    back = await scene.begin(who)
    scene.plane.clock.move(timedelta(minutes=10))
    assert code(await who.get(CALLBACK, params=back)) == (401, "oidc_refused")


TAMPERED: list[tuple[dict[str, str | None], str]] = [
    ({"iss": "https://evil.example"}, "oidc_mix_up"),
    ({"iss": None}, "oidc_mix_up"),
    ({"state": "made-up"}, "oidc_state"),
    ({"state": None}, "oidc_state"),
    ({"code": None}, "oidc_error"),
    ({"error": "<script>alert(1)</script>", "code": None}, "oidc_error"),
    ({"error": "access_denied"}, "oidc_error"),
    ({"code": "never-issued"}, "oidc_code"),
]


async def test_an_answer_that_was_tampered_with_signs_nobody_in(scene: Scene) -> None:
    for changed, reason in TAMPERED:
        answer = await scene.sign_in(changed=changed)
        assert (code(answer), await scene.reason()) == ((401, "oidc_refused"), reason)
        assert "script" not in answer.text


async def test_a_parameter_that_stands_twice_is_refused(scene: Scene) -> None:
    who = browser(scene.plane)
    back = await scene.begin(who)
    assert code(await who.get(CALLBACK, params=[*back.items(), ("code", "second")])) == (401, "oidc_refused")


async def test_an_answer_of_one_provider_is_not_taken_to_another(
    database_url: str, tmp_path: Path, provider: IdentityProvider
) -> None:
    with identity_provider.serving(lambda: NOW) as evil:
        file = oidc_file(tmp_path, provider, {"name": "evil", "issuer": evil.issuer, "client_id": "other"})
        async with running(database_url, tmp_path, oidc_file=file) as plane:
            scene, who = Scene(plane, provider), browser(plane)
            back = await scene.begin(who)
            answer = await who.get(CALLBACK.replace("corp", "evil"), params={**back, "iss": evil.issuer})
            assert code(answer) == (401, "oidc_refused")
            assert await scene.reason() == "oidc_mix_up"
            assert "/token" not in evil.asked


DISCOVERY: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"discovery": {"issuer": "https://evil.example"}}),
    ("the issuer with a slash", {}),
    ("no issuer", {"discovery": {"issuer": None}}),
    ("an address elsewhere by plain http", {"discovery": {"token_endpoint": "http://192.0.2.1/token"}}),
    ("a file", {"discovery": {"jwks_uri": "file:///etc/passwd"}}),
    ("an address with a password", {"discovery": {"jwks_uri": "https://a:b@192.0.2.1/"}}),
    ("no address", {"discovery": {"token_endpoint": None}}),
    ("keys that are no list", {"answers": {"/keys": (200, {}, b'{"keys": {}}')}}),
    ("two keys of one id", {"keys": [public("RSA", kid=KID), public("RSA", kid=KID)]}),
    ("keys elsewhere", {"answers": {"/keys": (302, {"Location": "https://evil.example/"}, b"")}}),
    ("no JSON", {"answers": {"/.well-known/openid-configuration": (200, {}, b"<html>")}}),
    ("a list", {"answers": {"/.well-known/openid-configuration": (200, {}, b"[]")}}),
    ("an error", {"answers": {"/.well-known/openid-configuration": (500, {}, b"{}")}}),
    ("a huge answer", {"answers": {"/keys": (200, {}, b" " * (256 * 1024 + 1))}}),
    ("a small answer that becomes huge", {
        "answers": {"/keys": (200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"keys": [' + b" " * 10**7 + b"]}"))}
    }),
]  # fmt: skip


async def test_a_provider_that_is_not_what_it_should_be_is_not_used(scene: Scene) -> None:
    async for name, who in scene.each(DISCOVERY):
        if name == "the issuer with a slash":
            scene.provider.discovery = {"issuer": f"{scene.provider.issuer}/"}
        answer = await who.get(START)
        assert code(answer) == (503, "oidc_unavailable"), name
        assert answer.headers["Retry-After"]


EXCHANGES: list[tuple[str, dict[str, Any]]] = [
    ("a redirect that keeps the form", {"answers": {"/token": (307, {"Location": "/elsewhere"}, b"")}}),
    ("a redirect", {"answers": {"/token": (302, {"Location": "/elsewhere"}, b"")}}),
    ("a list", {"answers": {"/token": (200, {}, b"[]")}}),
    ("no JSON", {"answers": {"/token": (200, {}, b"nonsense")}}),
    ("a huge answer", {"answers": {"/token": (200, {}, b'{"id_token": "' + b"a" * (256 * 1024) + b'"}')}}),
    ("an error", {"answers": {"/token": (503, {}, b"{}")}}),
]


async def test_a_token_endpoint_that_is_not_what_it_should_be_signs_nobody_in(scene: Scene) -> None:
    async for name, who in scene.each(EXCHANGES):
        assert code(await scene.sign_in(who)) == (503, "oidc_unavailable"), name
    assert "/elsewhere" not in scene.provider.asked


async def test_no_token_is_nobody(scene: Scene) -> None:
    bodies = [b"{}", b'{"id_token": 7}', b'{"access_token": "x"}', b'{"error": "no"}']
    async for _, who in scene.each([("", {"answers": {"/token": (200, {}, body)}}) for body in bodies]):
        assert code(await scene.sign_in(who)) == (401, "oidc_refused")
        assert await scene.reason() == "oidc_code"


async def test_a_provider_that_fails_is_not_asked_again_at_once(scene: Scene) -> None:
    scene.provider.answers["/keys"] = (500, {}, b"")
    for _ in range(5):
        assert (await browser(scene.plane).get(START)).status_code == 503
    assert scene.provider.asked.count("/keys") == 1
    del scene.provider.answers["/keys"]
    scene.plane.clock.move(timedelta(seconds=5))
    assert (await scene.sign_in()).status_code == 303


async def test_a_provider_that_fails_makes_nobody_wait(scene: Scene) -> None:
    scene.provider.answers["/token"] = (503, {}, b"{}")
    for _ in range(25):
        assert (await scene.sign_in()).status_code == 503
    scene.provider.behave({})
    assert (await scene.sign_in()).status_code == 303


async def test_answers_that_are_refused_are_throttled_by_address(scene: Scene) -> None:
    found = [(await browser(scene.plane).get(CALLBACK, params={"state": "x"})).status_code for _ in range(21)]
    assert found == [401] * 20 + [429]
    assert len(await events(scene.plane, "session.start")) == 20


async def test_a_new_key_is_found_and_made_up_ones_do_not_make_us_ask_without_end(scene: Scene) -> None:
    assert (await scene.sign_in()).status_code == 303
    scene.provider.header = {"kid": "key-2"}
    for _ in range(3):
        assert (await scene.sign_in()).status_code == 401
    assert scene.provider.asked.count("/keys") == 1
    scene.provider.keys = [public("RSA", kid="key-2")]
    scene.plane.clock.move(timedelta(seconds=60))
    assert (await scene.sign_in()).status_code == 303
    assert scene.provider.asked.count("/keys") == 2


async def test_a_key_that_was_taken_back_is_no_use_after_an_hour(scene: Scene) -> None:
    assert (await scene.sign_in()).status_code == 303
    scene.provider.keys = [public("RSA-other", kid=KID)]
    scene.plane.clock.move(timedelta(hours=1))
    assert code(await scene.sign_in()) == (401, "oidc_refused")


async def test_what_is_under_way_is_bounded_and_swept(scene: Scene) -> None:
    await browser(scene.plane).get(START)
    async with scene.plane.server.database.reader.connect() as connection:
        row = (await connection.execute(select(SIGN_INS))).one()

    async def job(transaction: Any) -> None:
        rows = [{**row._mapping, "state": f"{n}".encode()} for n in range(MOST_PER_ADDRESS - 1)]
        await transaction.connection.execute(SIGN_INS.insert(), rows)

    await scene.plane.server.writer.run(job)
    assert code(await browser(scene.plane).get(START)) == (429, "sign_in_throttled")
    assert (await browser(scene.plane, "203.0.113.9").get(START)).status_code == 303
    scene.plane.clock.move(timedelta(minutes=10))
    assert (await browser(scene.plane).get(START)).status_code == 303
