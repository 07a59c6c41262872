from __future__ import annotations

import json
from datetime import timedelta

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, NotFound
from portreeve.providers import gar
from portreeve.providers.contract import Place, Query, Reader, Stored
from portreeve.transport.exchange import AsyncExchange, Request, Response
from tests.fakes.distribution import FakeDistribution
from tests.fakes.google_fake import FakeGoogle, json_key
from tests.fakes.network import Handler, Network, says
from tests.providers.contract_suite import CANARY, NOW, ProviderContract, outside, refusing

DIGEST = "sha256:" + "ab" * 32


def key(**changed: str) -> Stored:
    return Stored("gcp-key", {}, SecretValue(json_key(client_id=CANARY, **changed)))


def endless(request: Request) -> Response:
    if "oauth2" in request.url:
        return says({"access_token": "google-access-token-0123456789", "expires_in": 3600})
    rows = [{"name": "projects/acme/locations/europe-west1/repositories/shop/packages/other"}]
    return says({"packages": rows, "tags": [{"name": "x/tags/other"}], "nextPageToken": "again"})


class TestGar(ProviderContract):
    provider = gar.PROVIDER
    place = Place("europe-west1-docker.pkg.dev", "acme/shop")
    claimed = ("europe-west1-docker.pkg.dev", "us-docker.pkg.dev", "gcr.io", "eu.gcr.io", "*.pkg.dev", "*.gcr.io")
    credentials = {"gcp-key": key(), "json-key": Stored("json-key", {}, SecretValue(json_key(client_id=CANARY)))}

    def peer(self, life: timedelta) -> AsyncExchange:
        return FakeGoogle(NOW, life)

    def endless(self) -> tuple[Handler, Stored | None]:
        return endless, key()

    @pytest.mark.parametrize(
        ("host", "instead"),
        [
            ("gcr.io", "us-docker.pkg.dev"),
            ("us.gcr.io", "us-docker.pkg.dev"),
            ("eu.gcr.io", "europe-docker.pkg.dev"),
            ("asia.gcr.io", "asia-docker.pkg.dev"),
        ],
    )
    def test_legacy_hosts_are_claimed_and_another_one_is_recommended(self, host: str, instead: str) -> None:
        claim = self.provider.claim(host, "acme/app")
        assert claim is not None
        assert (claim.instead, claim.place.path) == (instead, "acme")
        assert "legacy" in claim.note

    async def test_a_key_is_exchanged_for_a_token_of_an_hour(self) -> None:
        fake = FakeGoogle(NOW)
        minted = await self.provider.mint(self.place, key(), outside(fake))
        assert (minted.login.username, minted.expires_at) == ("oauth2accesstoken", NOW + timedelta(minutes=60))
        assert len(fake.asked) == 1

    def test_a_key_as_it_is_pulls_under_googles_name_for_it(self) -> None:
        login = self.provider.login(self.place, self.credentials["json-key"])
        assert login is not None
        assert login.username == "_json_key"

    async def test_a_clock_that_is_off_and_a_key_of_somebody_else_are_denied(self) -> None:
        with pytest.raises(Denied):
            await self.provider.mint(self.place, key(), outside(FakeGoogle(NOW), NOW + timedelta(minutes=10)))

    @pytest.mark.parametrize(
        "secret",
        [
            "{}",
            "[]",
            "null",
            "{" * 5000,
            json_key(type="authorized_user"),
            json_key(token_uri="https://evil.example/token"),
            json_key(token_uri="https://oauth2.googleapis.com.evil.example/token"),
            json_key(private_key=""),
            json_key(client_email=""),
            json_key(client_id="x" * 20000),
        ],
        ids=["empty", "list", "null", "broken", "a person's", "elsewhere", "looks right", "no key", "no name", "large"],
    )
    async def test_what_is_no_key_of_a_service_account_is_sent_nowhere(self, secret: str) -> None:
        for method in ("gcp-key", "json-key"):
            credential = Stored(method, {}, SecretValue(secret))
            with pytest.raises(Invalid) as caught:
                await self.provider.mint(self.place, credential, outside(Network({"*": refusing})))
            assert caught.value.code == "mint_secret"

    async def test_a_private_key_that_is_none_is_refused_and_not_shown(self) -> None:
        with pytest.raises(Invalid) as caught:
            await self.provider.mint(self.place, key(private_key=CANARY), outside(Network({"*": refusing})))
        assert caught.value.code == "signing_pem"
        assert CANARY not in caught.value.diagnostics()

    async def test_packages_are_repositories_and_their_tags_have_digests(self) -> None:
        fake = FakeGoogle(NOW, packages={"api": {"1.0": DIGEST, "2.0": DIGEST}, "web/front": {}})
        reader = Reader(FakeDistribution(), outside(fake), key())
        found = await self.provider.repositories(self.place, reader, Query())
        assert [one.name for one in found.items] == ["acme/shop/api", "acme/shop/web/front"]
        assert found.items[0].pushed_at is not None
        tags = await self.provider.tags(self.place, "acme/shop/api", reader, Query(limit=1))
        assert ([(t.name, t.digest) for t in tags.items], tags.after) == ([("1.0", DIGEST)], "1")
        assert (await self.provider.tags(self.place, "acme/shop/web/front", reader, Query())).items == ()
        with pytest.raises(NotFound):
            await self.provider.tags(self.place, "acme/shop/none", reader, Query())

    async def test_a_project_alone_is_too_wide_for_a_list(self) -> None:
        reader = Reader(FakeDistribution(), outside(FakeGoogle(NOW)), key())
        with pytest.raises(NotFound) as caught:
            await self.provider.repositories(Place(self.place.host, "acme"), reader, Query())
        assert "project/repository" in caught.value.hint

    def test_a_token_serves_every_location(self) -> None:
        other = Place("us-docker.pkg.dev", "acme/other")
        assert self.provider.mint_key(self.place, key()) == self.provider.mint_key(other, key())

    async def test_the_key_never_leaves(self) -> None:
        fake = FakeGoogle(NOW)
        await self.provider.mint(self.place, key(), outside(fake))
        pem = json.loads(json_key())["private_key"].splitlines()[1]
        assert not any(pem.encode() in request.body.reveal() for request in fake.asked)
