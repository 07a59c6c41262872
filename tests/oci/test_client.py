"""What the client sends, to whom, and how often: against the fake, with the clock in the test's hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, NotFound, PortreeveError, Stalled, Throttled
from portreeve.oci.asking import Asking
from portreeve.oci.client import Client
from portreeve.oci.model import Descriptor, Scheme
from portreeve.sandbox.pushing import push
from portreeve.transport.budget import Budget, Limits
from portreeve.transport.exchange import Request, Response
from tests.fakes.images import digest_of, image
from tests.fakes.registry import FakeRegistry, said

USER, PASSWORD = "portreeve", "hunter2"
LOGIN = Login(USER, SecretValue(PASSWORD))
REALM = "https://auth.example.com/token"
NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Scene:
    """A fake registry, a client of it and a clock."""

    def __init__(self, scheme: Scheme, *, login: Login | None = LOGIN, limits: Limits | None = None) -> None:
        self.fake = FakeRegistry(scheme, {USER: PASSWORD}, realm=REALM, anonymous=login is None)
        self.now = NOW
        self.budget = Budget(limits or Limits())
        self.client = self.made(login)

    def made(self, login: Login | None, realms: tuple[str, ...] = (REALM,)) -> Client:
        return Client(self.fake.origin, self.fake, login=login, realms=realms, now=lambda: self.now, budget=self.budget)

    async def holding(self, *tags: str) -> Scene:
        asking = Asking(self.fake.origin, self.fake, login=LOGIN, realms=[REALM], now=lambda: self.now, budget=Budget())
        for tag in tags:
            await push(asking, "team/app", image("app"), tag)
        self.fake.asked.clear()
        return self

    def answering(self, answer: Callable[[Request], Response | None]) -> None:
        """Let some requests be answered otherwise."""
        real = self.fake.send

        async def send(request: Request) -> Response:
            other = answer(request)
            return await real(request) if other is None else other

        self.fake.send = send  # type: ignore[method-assign]

    @property
    def steps(self) -> list[tuple[str, str, bool]]:
        """Method, path, and whether a credential was shown."""
        return [(each.method, urlsplit(each.url).path, "authorization" in each.headers) for each in self.fake.asked]


async def test_a_token_is_fetched_once_for_a_scope() -> None:
    scene = await Scene(Scheme.BEARER).holding("1")
    await scene.client.head("team/app", "1")
    await scene.client.manifest("team/app", "1")
    await scene.client.tags("team/app")
    assert [path for _, path, _ in scene.steps].count("/token") == 1
    assert scene.steps[0] == ("HEAD", "/v2/team/app/manifests/1", False)
    assert scene.steps[1] == ("GET", "/token", True)


async def test_a_token_is_asked_for_with_our_scope_and_everything_encoded() -> None:
    scene = await Scene(Scheme.BEARER).holding("1")
    evil = f'Bearer realm="{REALM}",service="a&scope=registry:catalog:*#",scope="repository:other/secret:push"'
    scene.answering(lambda request: None if "authorization" in request.headers else said(401, www_authenticate=evil))
    await scene.client.head("team/app", "1")
    (asked,) = [each for each in scene.fake.asked if each.url.startswith(REALM)]
    assert parse_qs(urlsplit(asked.url).query) == {
        "account": [USER],
        "scope": ["repository:team/app:pull"],
        "service": ["a&scope=registry:catalog:*#"],
    }


async def test_a_token_is_renewed_when_it_has_ended() -> None:
    scene = await Scene(Scheme.BEARER).holding("1")
    await scene.client.head("team/app", "1")
    scene.now += timedelta(seconds=299)
    await scene.client.head("team/app", "1")
    assert [path for _, path, _ in scene.steps].count("/token") == 1
    scene.now += timedelta(seconds=2)
    await scene.client.head("team/app", "1")
    assert [path for _, path, _ in scene.steps].count("/token") == 2


@pytest.mark.parametrize(
    ("expires_in", "life_s"), [(None, 60), (5, 60), (-1, 60), ("soon", 60), (True, 60), (1800, 1800), (10**9, 3600)]
)
async def test_a_tokens_life_is_taken_within_reason(expires_in: object, life_s: int) -> None:
    scene = await Scene(Scheme.BEARER).holding("1")
    given = {"access_token": "repository:team/app:pull"} | ({} if expires_in is None else {"expires_in": expires_in})
    tokens = []

    def answer(request: Request) -> Response | None:
        if request.url.startswith(REALM):
            tokens.append(request)
            return said(200, json.dumps(given).encode())
        return None

    scene.answering(answer)
    await scene.client.head("team/app", "1")
    scene.now += timedelta(seconds=life_s - 1)
    await scene.client.head("team/app", "1")
    assert len(tokens) == 1
    scene.now += timedelta(seconds=1)
    await scene.client.head("team/app", "1")
    assert len(tokens) == 2


async def test_a_realm_that_is_not_approved_gets_nothing() -> None:
    scene = await Scene(Scheme.BEARER).holding("1")
    with pytest.raises(Denied) as why:
        await scene.made(LOGIN, realms=()).head("team/app", "1")
    assert why.value.code == "realm_not_pinned"
    assert REALM in why.value.message
    assert scene.steps == [("HEAD", "/v2/team/app/manifests/1", False)]


async def test_nobody_is_asked_for_a_token_without_a_credential() -> None:
    scene = await Scene(Scheme.BEARER, login=None).holding("1")
    assert (await scene.client.head("team/app", "1")).descriptor.digest == image("app").digest
    assert [(path, shown) for _, path, shown in scene.steps] == [
        ("/v2/team/app/manifests/1", False),
        ("/token", False),
        ("/v2/team/app/manifests/1", True),
    ]
    assert "account" not in next(each.url for each in scene.fake.asked if each.url.startswith(REALM))


async def test_a_password_is_shown_only_after_it_was_asked_for() -> None:
    scene = await Scene(Scheme.BASIC).holding("1")
    await scene.client.head("team/app", "1")
    await scene.client.tags("team/app")
    assert [shown for _, _, shown in scene.steps] == [False, True, True]


async def test_a_colon_in_a_user_name_is_refused_before_it_is_sent() -> None:
    scene = Scene(Scheme.BASIC, login=Login("a:b", SecretValue("c")))
    with pytest.raises(Invalid) as why:
        await scene.client.sign_in()
    assert why.value.code == "credential_word"
    assert all(not shown for _, _, shown in scene.steps)


async def test_head_falls_back_to_get_where_no_head_goes_through() -> None:
    scene = await Scene(Scheme.NONE).holding("1")
    scene.answering(lambda request: said(405) if request.method == "HEAD" else None)
    found = await scene.client.head("team/app", "1")
    assert found.descriptor.digest == image("app").digest
    assert [method for method, _, _ in scene.steps] == ["GET"]


async def test_head_without_a_digest_reads_the_manifest() -> None:
    scene = await Scene(Scheme.NONE).holding("1")
    scene.answering(lambda request: said(200) if request.method == "HEAD" else None)
    assert (await scene.client.head("team/app", "1")).descriptor.digest == image("app").digest


async def test_head_tells_of_limits_and_of_nothing_else() -> None:
    scene = await Scene(Scheme.NONE).holding("1")
    limits = {"ratelimit-limit": "100;w=21600", "docker-ratelimit-source": "192.0.2.7"}

    def answer(request: Request) -> Response | None:
        found = image("app").digest
        headers = {"docker-content-digest": found, "set-cookie": "session=hunter2", "server": "x", **limits}
        return Response(200, headers) if request.method == "HEAD" else None

    scene.answering(answer)
    assert (await scene.client.head("team/app", "1")).signals == limits


async def test_a_registry_that_ignores_pages_is_paged_all_the_same() -> None:
    scene = Scene(Scheme.NONE)
    everything = [f"v{number}" for number in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)]
    body = json.dumps({"name": "team/app", "tags": everything}).encode()
    scene.answering(lambda request: said(200, body))
    found: list[str] = []
    after = ""
    while True:
        page = await scene.client.tags("team/app", after=after, limit=3)
        found += page.names
        after = page.after
        if not after:
            break
    assert found == sorted(everything)


async def test_the_same_page_may_be_asked_for_twice() -> None:
    scene = await Scene(Scheme.NONE).holding("1", "2", "3")
    first = await scene.client.tags("team/app", limit=2)
    assert await scene.client.tags("team/app", limit=2) == first
    assert (await scene.client.tags("team/app", after=first.after, limit=2)).names == ("3",)


async def test_names_are_counted() -> None:
    scene = await Scene(Scheme.NONE, limits=Limits(items=2)).holding("1", "2", "3")
    await scene.client.tags("team/app", limit=2)
    with pytest.raises(Stalled) as why:
        await scene.client.tags("team/app", limit=2)
    assert why.value.code == "budget_spent"


async def test_a_tag_that_moves_within_an_operation_is_not_believed() -> None:
    scene = await Scene(Scheme.NONE).holding("1")
    before = await scene.client.head("team/app", "1")
    media_type, _ = scene.fake.manifests["team/app"]["1"]
    scene.fake.manifests["team/app"]["1"] = (media_type, image("other").content)
    with pytest.raises(Stalled) as why:
        await scene.client.manifest("team/app", "1")
    assert why.value.code == "digest_mismatch"
    assert before.descriptor.digest in why.value.message


async def test_a_tag_that_we_move_ourselves_is_believed() -> None:
    scene = await Scene(Scheme.NONE).holding("1")
    manifest = await scene.client.manifest("team/app", "1")
    other = replace(manifest, content=image("other").content)
    other = replace(other, descriptor=replace(manifest.descriptor, digest=digest_of(other.content)))
    await scene.client.put_tag("team/app", other, "1")
    assert (await scene.client.head("team/app", "1")).descriptor.digest == other.descriptor.digest


async def test_throttling_says_when_to_come_back() -> None:
    scene = Scene(Scheme.NONE)
    scene.answering(lambda request: said(429, retry_after="17"))
    with pytest.raises(Throttled) as why:
        await scene.client.head("team/app", "1")
    assert why.value.retry_after_s == 17.0


async def test_rights_are_told_from_a_wrong_login() -> None:
    scene = await Scene(Scheme.BEARER).holding("1")
    scene.fake.logins, scene.fake.readers = {}, {USER: PASSWORD}
    with pytest.raises(Denied) as why:
        await scene.client.delete("team/app", "1")
    assert why.value.code == "registry_denied"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(202, True), (201, True), (401, False), (403, False), (404, None), (405, None), (400, None)],
)
async def test_an_upload_tells_who_may_push(status: int, expected: bool | None) -> None:
    scene = Scene(Scheme.NONE)
    scene.answering(
        lambda request: said(status, location="/v2/team/app/blobs/uploads/x?s=1") if request.method == "POST" else None
    )
    assert await scene.client.may_push("team/app") is expected
    cancelled = [each.url for each in scene.fake.asked if each.method == "DELETE"]
    assert cancelled == (["https://registry.example.com/v2/team/app/blobs/uploads/x?s=1"] if expected else [])


async def test_a_registry_that_fails_says_nothing_of_who_may_push() -> None:
    scene = Scene(Scheme.NONE)
    scene.answering(lambda request: said(503))
    with pytest.raises(PortreeveError) as why:
        await scene.client.may_push("team/app")
    assert why.value.code == "registry_failed"


async def test_a_catalog_that_is_not_there_is_said_to_be() -> None:
    scene = Scene(Scheme.NONE)
    scene.answering(lambda request: said(404))
    with pytest.raises(NotFound) as why:
        await scene.client.catalog()
    assert why.value.code == "catalog_unsupported"


async def test_a_blob_that_is_too_large_is_not_asked_for() -> None:
    scene = Scene(Scheme.NONE)
    with pytest.raises(Stalled) as why:
        await scene.client.blob("team/app", Descriptor("sha256:" + "0" * 64, "", 11), limit_bytes=10)
    assert why.value.code == "answer_too_large"
    assert scene.fake.asked == []


async def test_no_representation_shows_the_credential() -> None:
    scene = await Scene(Scheme.BEARER).holding("1")
    await scene.client.head("team/app", "1")
    assert PASSWORD not in repr(scene.fake.asked) + repr(scene.client) + repr(vars(scene.client))
