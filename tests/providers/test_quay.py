from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from portreeve.providers import quay
from portreeve.providers.contract import Place, Query, Reader, Stored
from portreeve.transport.exchange import AsyncExchange, Request, Response
from tests.fakes.azure_fake import FakeAzure
from tests.fakes.distribution import FakeDistribution
from tests.fakes.network import Handler, Network, header, query, says
from tests.providers.contract_suite import CANARY, NOW, ProviderContract, outside, stored

DIGEST = "sha256:" + "ab" * 32
OAUTH = stored("oauth-token")
FEDERATED = stored("robot-federation", username="acme+pull")


def api(request: Request) -> Response:
    """An organisation with a public and a private repository."""
    url, fields = urlsplit(request.url), query(request)
    private = header(request, "authorization") == f"Bearer {CANARY}"
    if url.path == "/api/v1/repository":
        assert fields["namespace"] == "acme"
        if "next_page" in fields:
            return says({"repositories": [{"namespace": "acme", "name": "last"}]})
        rows = [{"namespace": "acme", "name": "app", "last_modified": 1700000000}]
        rows += [{"namespace": "acme", "name": "secret"}] if private else []
        return says({"repositories": rows, "next_page": "opaque/1"})
    assert url.path == "/api/v1/repository/acme/app/tag/"
    row = {"name": "1.0", "manifest_digest": DIGEST, "size": 9, "start_ts": 1700000000}
    return says({"tags": [row, {"name": "-"}], "has_additional": True})


def endless(request: Request) -> Response:
    rows = [{"namespace": "acme", "name": "other", "repositories": []}]
    return says({"repositories": rows, "tags": rows, "next_page": "again", "has_additional": True})


class TestQuay(ProviderContract):
    provider = quay.PROVIDER
    place = Place("quay.io", "acme")
    claimed = ("quay.io", "quay.example.com")
    credentials = {"robot": stored("robot", username="acme+pull"), "robot-federation": FEDERATED, "oauth-token": OAUTH}

    def peer(self, life: timedelta) -> AsyncExchange:
        token = FakeAzure(NOW, "", "", life=life).refresh_token()
        return Network({"quay.io": lambda _: says({"token": token})})

    def endless(self) -> tuple[Handler, Stored | None]:
        return endless, OAUTH

    async def test_a_federated_robot_is_exchanged_for_an_hour(self) -> None:
        network = Network({"quay.io": lambda _: says({"token": "opaque-token-0123456789"})})
        minted = await self.provider.mint(self.place, FEDERATED, outside(network))
        assert (minted.login.username, minted.expires_at) == ("acme+pull", NOW + timedelta(hours=1))
        assert network.asked[0].url == "https://quay.io/oauth2/federation/robot/token"

    def test_an_oauth_token_pulls_under_quays_name_for_it(self) -> None:
        login = self.provider.login(self.place, OAUTH)
        assert login is not None
        assert login.username == "$oauthtoken"

    @pytest.mark.parametrize(
        ("credential", "names"),
        [
            (OAUTH, ["acme/app", "acme/secret"]),
            (None, ["acme/app"]),
            (stored("robot", username="acme+pull"), ["acme/app"]),
        ],
    )
    async def test_without_an_oauth_token_only_what_is_public_is_listed_and_that_is_said(
        self, credential: Stored | None, names: list[str]
    ) -> None:
        network = Network({"quay.io": api})
        reader = Reader(FakeDistribution(), outside(network), credential)
        found = await self.provider.repositories(self.place, reader, Query())
        assert ([one.name for one in found.items], found.after) == (names, "opaque/1")
        assert ("public" in found.note) == (credential is not OAUTH)
        assert all("authorization" not in r.headers or credential is OAUTH for r in network.asked)
        last = await self.provider.repositories(self.place, reader, Query(after=found.after))
        assert ([one.name for one in last.items], last.after) == (["acme/last"], "")

    async def test_tags_tell_digest_and_size(self) -> None:
        reader = Reader(FakeDistribution(), outside(Network({"quay.io": api})), OAUTH)
        found = await self.provider.tags(self.place, "acme/app", reader, Query())
        assert [(tag.name, tag.digest, tag.size_bytes) for tag in found.items] == [("1.0", DIGEST, 9)]
        assert found.after == "2"
