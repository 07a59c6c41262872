from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from portreeve.errors import NotFound
from portreeve.providers import gitlab
from portreeve.providers.contract import Place, Query, Reader, Stored
from portreeve.transport.exchange import Request, Response
from tests.fakes.distribution import FakeDistribution
from tests.fakes.network import Handler, Network, header, query, says
from tests.providers.contract_suite import CANARY, ProviderContract, outside, refusing, stored

STORED = stored("token", username="bot", gitlabHost="gitlab.com")
OWN = Place("registry.git.example.com:5050", "shop")


def api(request: Request) -> Response:
    """A group `acme/shop` with two repositories, and a project `acme/shop/tool`."""
    assert header(request, "private-token") == CANARY
    known: dict[str, list[Any]] = {
        "/api/v4/groups/acme%2Fshop/registry/repositories": [
            {"id": 1, "path": "acme/shop/api", "tags_count": 2}, {"id": 2, "path": "acme/shop/web/front"},
            {"id": 3, "path": "acme/elsewhere"}, {"id": 4, "path": 7}],
        "/api/v4/projects/acme%2Fshop%2Ftool/registry/repositories": [{"id": 5, "path": "acme/shop/tool"}],
        "/api/v4/groups/shop/registry/repositories": [{"path": "shop/app"}],
    }  # fmt: skip
    rows = known.get(urlsplit(request.url).path)
    if rows is None:
        return says({"message": "404 Group Not Found"}, 404)
    fields = query(request)
    start = (int(fields["page"]) - 1) * int(fields["per_page"])
    return says(rows[start : start + int(fields["per_page"])])


def endless(request: Request) -> Response:
    return says([{"path": "acme/shop/other"}] * int(query(request)["per_page"]))


class TestGitLab(ProviderContract):
    provider = gitlab.PROVIDER
    place = Place("registry.gitlab.com", "acme/shop")
    claimed = ("registry.gitlab.com", "registry.git.example.com", "git.example.com:5050")
    credentials = {"deploy-token": stored("deploy-token", username="gitlab+deploy-token-1"), "token": STORED}

    def endless(self) -> tuple[Handler, Stored | None]:
        return endless, STORED

    def api_hosts(self) -> set[str]:
        return {"gitlab.com"}

    def reader(self, credential: Stored | None = STORED, host: str = "gitlab.com") -> Reader:
        return Reader(FakeDistribution({"acme/shop/api": ("1",)}), outside(Network({host: api})), credential)

    async def test_a_group_lists_what_its_projects_hold(self) -> None:
        found = await self.provider.repositories(self.place, self.reader(), Query())
        assert [(one.name, one.tags) for one in found.items] == [("acme/shop/api", 2), ("acme/shop/web/front", None)]

    async def test_a_path_that_is_no_group_is_a_project(self) -> None:
        place = Place(self.place.host, "acme/shop/tool")
        found = await self.provider.repositories(place, self.reader(), Query())
        assert [one.name for one in found.items] == ["acme/shop/tool"]

    async def test_a_deploy_token_and_a_token_without_read_api_list_nothing_and_tags_are_still_there(self) -> None:
        denied = Reader(
            FakeDistribution({"acme/shop/api": ("1",)}),
            outside(Network({"gitlab.com": lambda _: says({"error": "insufficient_scope"}, 403)})),
            STORED,
        )
        deploying = Reader(FakeDistribution(), outside(Network({"*": refusing})), self.credentials["deploy-token"])
        for reader in (denied, deploying, self.reader(None)):
            with pytest.raises(NotFound) as caught:
                await self.provider.repositories(self.place, reader, Query())
            assert caught.value.code == "catalog_unsupported"
        assert [tag.name for tag in (await self.provider.tags(self.place, "acme/shop/api", denied, Query())).items] == [
            "1"
        ]

    async def test_a_token_goes_to_no_host_that_was_only_guessed(self) -> None:
        guessed = stored("token", username="bot")
        reader = Reader(FakeDistribution(), outside(Network({"*": refusing})), guessed)
        with pytest.raises(NotFound):
            await self.provider.repositories(OWN, reader, Query())
        named = stored("token", username="bot", gitlabHost="git.example.com")
        found = await self.provider.repositories(OWN, self.reader(named, "git.example.com"), Query())
        assert [one.name for one in found.items] == ["shop/app"]

    async def test_on_gitlab_com_no_parameter_moves_the_token(self) -> None:
        evil = stored("token", username="bot", gitlabHost="evil.example")
        assert (await self.provider.repositories(self.place, self.reader(evil), Query())).items

    def test_guesses_say_so(self) -> None:
        for host in ("registry.git.example.com", "registry.gitlab.example.com", "git.example.com:5050"):
            claim = self.provider.claim(host)
            assert claim is not None
            assert not claim.certain
        for host in (
            "registry.example.com",
            "registry.k8s.io",
            "git.example.com",
            "registry.gitlab.com.evil.example:1",
        ):
            assert self.provider.claim(host) is None
