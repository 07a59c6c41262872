from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from portreeve.errors import NotFound
from portreeve.providers import ghcr
from portreeve.providers.contract import Place, Query, Reader, Stored
from portreeve.transport.exchange import Request, Response
from tests.fakes.distribution import FakeDistribution
from tests.fakes.network import Handler, Network, header, query, says
from tests.providers.contract_suite import CANARY, ProviderContract, outside, refusing, stored

DIGEST = "sha256:" + "ab" * 32
STORED = stored("token", username="acmebot")


def github(request: Request) -> Response:
    """An organisation `acme` and a user `person`, each with their packages."""
    assert header(request, "authorization") == f"Bearer {CANARY}"
    url, page = urlsplit(request.url), int(query(request)["page"])
    known: dict[str, list[Any]] = {
        "/orgs/acme/packages": [{"name": "app", "version_count": 3, "updated_at": "2026-11-01T00:00:00Z"},
                                {"name": "charts/web"}, {"name": "UPPER"}],
        "/users/person/packages": [{"name": "tool"}],
        "/orgs/acme/packages/container/charts%2Fweb/versions": [
            {"name": DIGEST, "metadata": {"container": {"tags": ["1.0", "-bad", 7]}}},
            {"name": DIGEST, "metadata": {"container": {"tags": []}}},
        ],
    }  # fmt: skip
    rows = known.get(url.path)
    if rows is None:
        return says({"message": "Not Found"}, 404)
    size = int(query(request)["per_page"])
    return says(rows[(page - 1) * size : page * size])


def endless(request: Request) -> Response:
    row = {"name": "other", "metadata": {"container": {"tags": ["other"]}}}
    return says([row] * int(query(request)["per_page"]))


class TestGhcr(ProviderContract):
    provider = ghcr.PROVIDER
    place = Place("ghcr.io", "acme")
    claimed = ("ghcr.io",)
    credentials = {"token": STORED}

    def endless(self) -> tuple[Handler, Stored | None]:
        return endless, STORED

    def reader(self, credential: Stored | None = STORED) -> Reader:
        return Reader(FakeDistribution({"acme/app": ("1",)}), outside(Network({"api.github.com": github})), credential)

    async def test_packages_of_an_organisation_are_listed_page_by_page(self) -> None:
        first = await self.provider.repositories(self.place, self.reader(), Query(limit=1))
        assert ([one.name for one in first.items], first.after) == (["acme/app"], "orgs:2")
        second = await self.provider.repositories(self.place, self.reader(), Query(after=first.after, limit=1))
        assert [one.name for one in second.items] == ["acme/charts/web"]

    async def test_an_owner_that_is_no_organisation_is_a_user(self) -> None:
        found = await self.provider.repositories(Place("ghcr.io", "person"), self.reader(), Query())
        assert ([one.name for one in found.items], found.after) == (["person/tool"], "")

    async def test_a_slash_in_a_package_is_encoded_and_its_tags_have_digests(self) -> None:
        found = await self.provider.tags(self.place, "acme/charts/web", self.reader(), Query())
        assert [(tag.name, tag.digest) for tag in found.items] == [("1.0", DIGEST)]

    async def test_without_a_token_tags_come_from_the_registry_and_repositories_from_nowhere(self) -> None:
        reader = Reader(FakeDistribution({"acme/app": ("1",)}), outside(Network({"*": refusing})))
        assert [tag.name for tag in (await self.provider.tags(self.place, "acme/app", reader, Query())).items] == ["1"]
        with pytest.raises(NotFound) as caught:
            await self.provider.repositories(self.place, reader, Query())
        assert caught.value.code == "catalog_unsupported"

    async def test_an_owner_that_nobody_knows_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            await self.provider.repositories(Place("ghcr.io", "nobody"), self.reader(), Query())
