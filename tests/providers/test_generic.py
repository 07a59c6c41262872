from __future__ import annotations

from portreeve.providers import generic
from portreeve.providers.contract import Place, Query, Reader
from tests.fakes.distribution import FakeDistribution
from tests.fakes.network import Network
from tests.providers.contract_suite import ProviderContract, outside, refusing, stored

READER = Reader(
    FakeDistribution({"team/app": ("1.0", "1.1", "2.0"), "team-b/app": ("1",), "team/Evil": (), "other": ()}),
    outside(Network({"*": refusing})),
)


class TestGeneric(ProviderContract):
    provider = generic.PROVIDER
    place = Place("registry.example.com:5000", "team")
    claimed = ("registry.k8s.io",)
    credentials = {"basic": stored("basic", username="robot"), "token": stored("token", username="robot")}

    def test_a_token_without_a_name_gets_one(self) -> None:
        login = self.provider.login(self.place, stored("token"))
        assert login is not None
        assert login.username == "token"

    async def test_repositories_are_those_below_the_path_and_names_that_are_none_are_left_out(self) -> None:
        found = await self.provider.repositories(self.place, READER, Query())
        assert [one.name for one in found.items] == ["team/app"]

    async def test_tags_are_searched_and_paged(self) -> None:
        first = await self.provider.tags(self.place, "team/app", READER, Query("1.", limit=1))
        second = await self.provider.tags(self.place, "team/app", READER, Query("1.", first.after, 1))
        assert [one.name for page in (first, second) for one in page.items] == ["1.0", "1.1"]
