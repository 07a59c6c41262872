"""What holds for every provider. A provider's test subclasses `ProviderContract`, says what is its own, and adds to it.

    class TestHarbor(ProviderContract):
        provider = harbor.PROVIDER
        place = Place("harbor.example.com", "shop")
        claimed = ("harbor.example.com",)
        credentials = {"robot": stored("robot", username="robot$shop+pull")}

Whoever mints also gives `peer`: a double of the service whose tokens end when the test says so. Whoever lists by an API
gives `endless`: a service whose pages never end and hold nothing that is looked for.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from portreeve.core.credential import DOCKER_HUB_KEY
from portreeve.core.egress import Purpose
from portreeve.core.reference import DOCKER_HUB
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, NotFound, PortreeveError, Stalled, Throttled, Unavailable
from portreeve.providers import every
from portreeve.providers.contract import (
    MAX_ROUNDS,
    Browse,
    Claim,
    Method,
    Minted,
    Outside,
    Place,
    Provider,
    Query,
    Reader,
    Stored,
)
from portreeve.transport.exchange import AsyncExchange, Request, Response
from portreeve.vault.jws import sign_rs256
from tests.fakes.distribution import EndlessDistribution, FakeDistribution
from tests.fakes.network import Failing, Handler, Network, always, page, says

PAGES = Path(__file__).parents[2] / "docs/providers"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CANARY = "canary-7f3a91c2d4e85b60"
ECHO = "echo-of-the-server-55aa"
"""What the doubles put into every refusal: no message repeats what a server said."""

REFUSALS: tuple[tuple[Response | PortreeveError, type[PortreeveError], str], ...] = (
    (page(401), Denied, "mint_denied"),
    (page(403), Denied, "mint_denied"),
    (page(429, retry_after="30"), Throttled, "mint_throttled"),
    (page(408), Unavailable, "mint_unavailable"),
    (page(500), Unavailable, "mint_unavailable"),
    (page(502), Unavailable, "mint_unavailable"),
    (page(503, retry_after="30"), Unavailable, "mint_unavailable"),
    (Unavailable("no_answer", "https://host/ gave no answer: it took too long"), Unavailable, "mint_unavailable"),
    (page(200), Stalled, "mint_answer"),
    (page(302, location="https://evil.example/"), Stalled, "mint_answer"),
    (page(400), Stalled, "mint_answer"),
    (page(418), Stalled, "mint_answer"),
    (says({}), Stalled, "mint_answer"),
    (says([]), Stalled, "mint_answer"),
    (says({"message": f"{ECHO} {CANARY}", "token": 7, "access_token": "two words"}), Stalled, "mint_answer"),
    (Response(200, {}, SecretValue(b'{"token": "a", "token": "b"}')), Stalled, "mint_answer"),
    (Response(200, {}, SecretValue(b"[" * 200 + b"]" * 200)), Stalled, "mint_answer"),
    (Response(200, {}, SecretValue(b"\xff\xfe{}")), Stalled, "mint_answer"),
)


def stored(method: str, secret: str = CANARY, **parameters: str) -> Stored:
    """A credential as it is stored, without an end."""
    return Stored(method, parameters, SecretValue(secret))


def outside(exchange: AsyncExchange, now: datetime = NOW) -> Outside:
    """The world of a test."""
    return Outside(exchange, now, sign_rs256)


def refusing(request: Request) -> Response:
    """A service that nobody should ask."""
    raise AssertionError(f"asked {request.url}")


def told(error: BaseException) -> str:
    """Everything that an exception can show: its texts, its chain, its traceback."""
    parts = ["".join(traceback.format_exception(error)), repr(error), repr(error.args)]
    if isinstance(error, PortreeveError):
        parts.append(error.diagnostics())
    return "\n".join(parts)


class ProviderContract:
    """The tests. `credentials` has one credential for each method, with all its parameters well-formed."""

    provider: ClassVar[Provider]
    place: ClassVar[Place]
    claimed: ClassVar[tuple[str, ...]]
    """Hosts that are this provider's, and no other's."""
    credentials: ClassVar[Mapping[str, Stored]] = {}

    def peer(self, life: timedelta) -> AsyncExchange:
        """A double that accepts `credentials` and gives tokens that end after `life`."""
        raise NotImplementedError(f"{self.provider.title} mints, so its test needs a double")

    def endless(self) -> tuple[Handler, Stored | None]:
        """A service whose lists never end, and whom to sign in as."""
        raise NotImplementedError(f"{self.provider.title} lists by an API, so its test needs a double")

    # --- what it says of itself

    def test_it_is_found_by_its_name(self) -> None:
        assert every()[self.provider.name] is self.provider
        assert re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?", self.provider.name)

    def test_its_page_names_its_methods_fields_and_hosts(self) -> None:
        text = (PAGES / f"{self.provider.name}.md").read_text(encoding="utf-8")
        words = set(re.findall("`([^`]+)`", text))
        fields = {field.name for method in self.provider.methods for field in method.fields}
        assert {method.name for method in self.provider.methods} | fields <= words
        assert {host.name for host in self.provider.hosts(self.place)[1:]} <= words
        for heading in ("Claims", "Signs in", "Needs", "Lists", "Limits", "Hosts to open", "Traps", "Tested"):
            assert f"## {heading}\n" in text

    def test_its_docstring_says_needs_lists_limits_and_source(self) -> None:
        import sys

        text = sys.modules[type(self.provider).__module__].__doc__ or ""
        for word in ("Needs:", "Lists:", "Limits:", "Source"):
            assert word in text

    def test_every_method_says_what_it_takes_and_needs(self) -> None:
        names = [method.name for method in self.provider.methods]
        assert len(set(names)) == len(names)
        assert set(names) == set(self.credentials)
        for method in self.provider.methods:
            assert method.title
            assert method.secret
            assert method.needs
            assert all(field.label and field.name for field in method.fields)

    def test_its_hosts_are_claimed_by_nobody_else(self) -> None:
        for host in self.claimed:
            claims = {name: claim for name, one in every().items() if (claim := one.claim(host)) is not None}
            assert set(claims) == {self.provider.name}, host
            self.check_claim(claims[self.provider.name])

    def test_hosts_that_only_look_like_its_own_are_not(self) -> None:
        for host in self.claimed:
            found = self.provider.claim(host)
            if found is None or not found.certain:
                continue
            for other in (f"{host}.evil.example", f"evil-{host}.evil.example", f"{host}x", f"{host}:5000"):
                claim = self.provider.claim(other)
                assert claim is None or not claim.certain or claim.place.host != host, other

    @staticmethod
    def check_claim(claim: Claim) -> None:
        """A claim's place is one that references can name."""
        assert str(claim.place.prefix) == str(claim.place.prefix).strip().lower()
        assert not set("@ ?#%") & set(f"{claim.place.host}{claim.place.path}")

    def test_its_keys_are_prefixes_of_whole_segments(self) -> None:
        for path in ("", "team", "team/sub"):
            for key in self.provider.keys(Place(self.place.host, path)):
                assert key.endswith("/") or key == DOCKER_HUB_KEY

    def test_its_hosts_begin_with_the_registry(self) -> None:
        hosts = self.provider.hosts(self.place)
        assert hosts[0].purpose is Purpose.REGISTRY
        if self.place.host != DOCKER_HUB:
            assert hosts[0].name == self.place.host.partition(":")[0]
        assert len({(host.name, host.purpose) for host in hosts}) == len(hosts)
        assert all(re.fullmatch(r"(\*\.)?[a-z0-9.-]+", host.name) for host in hosts)
        assert all(host.certain or host.note for host in hosts)

    def test_realms_are_plain_addresses_over_tls(self) -> None:
        for realm in self.provider.realms(self.place):
            url = urlsplit(realm)
            assert (url.scheme, url.query, url.fragment, url.username) == ("https", "", "", None)

    # --- what it finds wrong

    def test_a_declaration_with_everything_has_no_problem(self) -> None:
        for name, one in self.credentials.items():
            assert self.provider.problems(name, one.parameters) == ()

    def test_a_missing_parameter_is_named_by_its_field(self) -> None:
        for method in self.provider.methods:
            for field in method.fields:
                left = {k: v for k, v in self.credentials[method.name].parameters.items() if k != field.name}
                found = [(one.code, one.field) for one in self.provider.problems(method.name, left)]
                assert found == ([("parameter_missing", f"parameters.{field.name}")] if field.required else [])

    def test_an_unknown_parameter_and_method_are_named(self) -> None:
        for name, one in self.credentials.items():
            found = self.provider.problems(name, {**one.parameters, "nonsense": CANARY})
            assert [(p.code, p.field) for p in found] == [("parameter_unknown", "parameters.nonsense")]
            assert CANARY not in str(found)
        (problem,) = self.provider.problems("no-such-method", {})
        assert (problem.code, problem.field) == ("credential_method", "method")

    def test_an_ill_formed_parameter_is_named_and_not_shown(self) -> None:
        for method in self.provider.methods:
            for field in method.fields:
                for value in (f"{CANARY}\n", f"{CANARY}\x00", CANARY + "x" * 5000):
                    changed = {**self.credentials[method.name].parameters, field.name: value}
                    (problem,) = self.provider.problems(method.name, changed)
                    assert (problem.code, problem.field) == ("parameter_form", f"parameters.{field.name}")
                    assert CANARY not in str(problem)

    # --- signing in

    async def test_what_is_stored_is_delivered_or_minted_never_both(self) -> None:
        for method in self.provider.methods:
            one = self.credentials[method.name]
            login = self.provider.login(self.place, one)
            assert (login is None) == (method.life is not None)
            if login is not None:
                assert login.username
                ending = Stored(one.method, one.parameters, one.secret, NOW + timedelta(days=1))
                minted = await self.provider.mint(self.place, ending, outside(Network({"*": refusing})))
                assert minted.expires_at == ending.expires_at
                assert minted.login.password.equals_in_constant_time(login.password)

    async def test_a_method_that_it_has_not_is_refused(self) -> None:
        with pytest.raises(Invalid):
            self.provider.login(self.place, stored("no-such-method"))
        with pytest.raises(Invalid):
            await self.provider.mint(self.place, stored("no-such-method"), outside(Network({"*": refusing})))

    def minting(self) -> list[tuple[Method, Stored]]:
        """The methods that mint, with their credentials."""
        return [(one, self.credentials[one.name]) for one in self.provider.methods if one.life is not None]

    async def mint(self, credential: Stored, exchange: AsyncExchange) -> Minted:
        """As the scheduler does it."""
        return await self.provider.mint(self.place, credential, outside(exchange))

    async def steps(self, credential: Stored) -> int:
        """How many requests a token takes."""
        peer: Any = self.peer(timedelta(hours=1))
        await self.mint(credential, peer)
        return len(peer.asked)

    async def test_a_token_ends_when_the_provider_says_and_never_later(self) -> None:
        for method, credential in self.minting():
            assert method.life is not None
            for life in (timedelta(minutes=10), method.life, method.life * 50):
                minted = await self.mint(credential, self.peer(life))
                assert minted.expires_at is not None
                assert NOW < minted.expires_at <= NOW + min(life, method.life)
                assert minted.expires_at >= NOW + min(life, method.life) * 0.9 - timedelta(seconds=600)
                assert minted.login.username
                assert CANARY not in repr(minted) + str(minted)

    async def test_a_token_that_has_ended_or_is_about_to_is_none(self) -> None:
        for _, credential in self.minting():
            for life in (timedelta(days=-1), timedelta(0), timedelta(seconds=30)):
                with pytest.raises(Stalled) as caught:
                    await self.mint(credential, self.peer(life))
                assert caught.value.code == "mint_answer"
                self.check_silent(caught.value, credential)

    async def test_each_refusal_at_each_step_is_of_its_kind(self) -> None:
        for _, credential in self.minting():
            for step in range(await self.steps(credential)):
                for answer, kind, code in REFUSALS:
                    with pytest.raises(PortreeveError) as caught:
                        await self.mint(credential, Failing(self.peer(timedelta(hours=1)), step, answer))
                    assert (type(caught.value), caught.value.code) == (kind, code), (step, answer)
                    waits = isinstance(answer, Response) and "retry-after" in answer.headers
                    assert caught.value.retry_after_s == (30.0 if waits else None)
                    self.check_silent(caught.value, credential)

    async def test_a_secret_that_is_none_is_refused_before_anybody_is_asked(self) -> None:
        for _, credential in self.minting():
            for secret in ("", "two words", "line\nend", "\x00"):
                broken = Stored(credential.method, credential.parameters, SecretValue(secret))
                with pytest.raises(Invalid) as caught:
                    await self.mint(broken, Network({"*": refusing}))
                assert caught.value.code == "mint_secret"

    async def test_a_secret_travels_in_no_address_and_in_no_plain_header(self) -> None:
        for _, credential in self.minting():
            peer: Any = self.peer(timedelta(hours=1))
            await self.mint(credential, peer)
            secret = credential.secret.reveal().decode()
            for request in peer.asked:
                assert secret not in request.url
                assert not any(isinstance(v, str) and secret in v for v in request.headers.values())
                assert urlsplit(request.url).scheme == "https"

    def check_silent(self, error: PortreeveError, credential: Stored) -> None:
        """No message repeats a secret, what a server said, or a parameter that could be one."""
        shown = told(error).replace(str(Path(__file__).parent), "")
        hidden = [credential.secret.reveal().decode(), CANARY, ECHO, "evil.example", "Sign in"]
        for value in [*hidden, *(v for k, v in credential.parameters.items() if k not in {"region", "account"})]:
            assert value not in shown.split("Traceback")[0] or len(value) < 6
            assert value not in error.diagnostics()

    # --- listing

    async def test_names_that_are_none_are_refused_before_anybody_is_asked(self) -> None:
        network = Network({"*": refusing})
        for name in ("../../v2", "a/../b", "a//b", "A/b", "a?b", "a#b", "a%2f", "a b", "", "/a", "a\n", "a" * 300):
            with pytest.raises(Invalid) as caught:
                await self.provider.tags(self.place, name, Reader(FakeDistribution(), outside(network)), Query())
            assert caught.value.code == "repository_name"

    async def test_the_list_of_a_registry_that_never_ends_is_left_after_some_pages(self) -> None:
        for distribution in (EndlessDistribution(),):
            reader = Reader(distribution, outside(Network({"*": refusing})))
            if self.provider.browse is Browse.CATALOG:
                found = await self.provider.repositories(self.place, reader, Query("sought"))
                assert (found.items, bool(found.after)) == ((), True)
                assert distribution.rounds == MAX_ROUNDS

    async def test_the_list_of_an_api_that_never_ends_is_left_after_some_pages(self) -> None:
        if self.provider.browse is not Browse.API:
            return
        handler, credential = self.endless()
        for repository in ("", f"{self.place.path or 'team'}/app"):
            network = Network({"*": handler})
            reader = Reader(EndlessDistribution(), outside(network), credential)
            query = Query("sought", limit=3)
            call = (
                self.provider.tags(self.place, repository, reader, query)
                if repository
                else (self.provider.repositories(self.place, reader, query))
            )
            found = await call
            assert found.items == ()
            assert found.after
            assert len(network.asked) <= 3 * MAX_ROUNDS

    async def test_what_is_searched_for_changes_no_address(self) -> None:
        if self.provider.browse is not Browse.API:
            return
        handler, credential = self.endless()
        allowed = {host.name for host in self.provider.hosts(self.place)} | {self.place.host, *self.api_hosts()}
        for search in ("a/../../b", "x?y=1", "x#y", "x&page=9", "é\u202e", "%2e%2e", "a b\r\nHost: evil.example"):
            network = Network({"*": handler})
            reader = Reader(EndlessDistribution(), outside(network), credential)
            await self.provider.repositories(self.place, reader, Query(search))
            for request in network.asked:
                url = urlsplit(request.url)
                assert url.netloc in allowed
                assert (url.scheme, url.fragment, url.username) == ("https", "", None)
                assert ".." not in url.path.split("/")
                assert re.fullmatch("[!-~]+", request.url)
                assert "page=9" not in url.query.split("&")

    def api_hosts(self) -> set[str]:
        """Hosts that lists may be asked of, beside those that a firewall opens."""
        return set()

    async def test_refused_lists_are_of_their_kind_and_silent(self) -> None:
        if self.provider.browse is not Browse.API:
            return
        _, credential = self.endless()
        kinds = {401: Denied, 403: Denied, 404: NotFound, 429: Throttled, 500: Unavailable, 200: Stalled}
        for status, kind in kinds.items():
            network = Network({"*": always(page(status, f"<p>{ECHO} {CANARY}</p>", retry_after="5"))})
            reader = Reader(FakeDistribution(), outside(network), credential)
            with pytest.raises(PortreeveError) as caught:
                await self.provider.repositories(self.place, reader, Query())
            # What cannot be listed for want of rights may as well be no list at all.
            assert isinstance(caught.value, kind) or caught.value.code == "catalog_unsupported"
            assert ECHO not in told(caught.value)
            assert CANARY not in told(caught.value)
            if kind is Throttled:
                assert caught.value.retry_after_s == 5.0
