from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from portreeve.errors import Invalid
from portreeve.providers import harbor
from portreeve.providers.contract import Place, Query, Reader, Stored
from portreeve.transport.exchange import Request, Response
from tests.fakes.distribution import FakeDistribution
from tests.fakes.network import Handler, Network, header, query, says
from tests.providers.contract_suite import ProviderContract, outside, stored

HOST = "harbor.example.com"
DIGEST = "sha256:" + "ab" * 32
ROBOT = stored("robot", username="robot$shop+pull")


def api(request: Request) -> Response:
    """A project whose name is a number, with a nested repository."""
    assert header(request, "x-is-resource-name") == "true"
    assert header(request, "authorization").startswith("Basic ")
    assert "cookie" not in {name.lower() for name in request.headers}
    fields = query(request)
    assert 1 <= int(fields["page_size"]) <= 100
    start = (int(fields["page"]) - 1) * int(fields["page_size"])
    path = urlsplit(request.url).path
    if path == "/api/v2.0/projects/2026/repositories":
        rows: list[object] = [
            {"name": "2026/a/b", "pull_count": 3, "update_time": "2026-11-01T00:00:00.123Z"},
            {"name": "2026/c"},
        ]
    elif path == "/api/v2.0/projects/2026/repositories/a%252Fb/artifacts":
        rows = [
            {"digest": DIGEST, "size": 11, "push_time": "2026-11-01T00:00:00.000Z",
             "pull_time": "0001-01-01T00:00:00.000Z", "extra_attrs": {"os": "linux", "architecture": "amd64"},
             "tags": [{"name": "1.0", "push_time": "2026-11-02T00:00:00.000Z"}, {"name": "latest"}]},
            {"digest": DIGEST, "tags": None},
            {"digest": DIGEST, "tags": [{"name": "multi"}], "references": [
                {"platform": {"os": "linux", "architecture": "amd64"}},
                {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}]},
        ]  # fmt: skip
    else:
        return says({"errors": [{"code": "NOT_FOUND"}]}, 404)
    return says(rows[start : start + int(fields["page_size"])])


def endless(request: Request) -> Response:
    return says([{"name": "shop/other", "tags": [{"name": "other"}]}] * int(query(request)["page_size"]))


class TestHarbor(ProviderContract):
    provider = harbor.PROVIDER
    place = Place(HOST, "shop")
    claimed = (HOST,)
    credentials = {"robot": ROBOT, "basic": stored("basic", username="robot$portreeve")}

    def endless(self) -> tuple[Handler, Stored | None]:
        return endless, ROBOT

    def reader(self) -> Reader:
        return Reader(FakeDistribution(), outside(Network({HOST: api})), ROBOT)

    async def test_a_project_with_a_number_for_a_name_is_listed_by_its_name(self) -> None:
        found = await self.provider.repositories(Place(HOST, "2026"), self.reader(), Query(limit=1))
        assert ([(one.name, one.pulls) for one in found.items], found.after) == ([("2026/a/b", 3)], "2")
        last = await self.provider.repositories(Place(HOST, "2026"), self.reader(), Query(after="2"))
        assert last.after == ""

    async def test_slashes_of_a_repository_are_encoded_twice_and_tags_tell_all_there_is(self) -> None:
        found = await self.provider.tags(Place(HOST, "2026"), "2026/a/b", self.reader(), Query())
        one, latest, multi = found.items
        assert (one.name, one.digest, one.size_bytes, one.pulled_at) == ("1.0", DIGEST, 11, None)
        assert one.pushed_at == datetime(2026, 11, 2, tzinfo=UTC)
        assert latest.pushed_at == datetime(2026, 11, 1, tzinfo=UTC)
        assert (one.platforms, multi.platforms) == (("linux/amd64",), ("linux/amd64", "linux/arm64/v8"))

    async def test_no_page_is_larger_than_harbor_gives(self) -> None:
        found = await self.provider.repositories(Place(HOST, "2026"), self.reader(), Query(limit=5000))
        assert len(found.items) == 2

    async def test_without_tls_the_api_has_none_either(self) -> None:
        for plain_http, scheme in ((False, "https"), (True, "http")):
            network = Network({HOST: api})
            reader = Reader(FakeDistribution(), outside(network), ROBOT, plain_http=plain_http)
            await self.provider.repositories(Place(HOST, "2026"), reader, Query())
            assert {urlsplit(request.url).scheme for request in network.asked} == {scheme}

    @pytest.mark.parametrize("after", ["0", "-1", "1e9", "x", "2&page_size=9", "9" * 30])
    async def test_a_cursor_that_is_none_of_ours_is_refused(self, after: str) -> None:
        with pytest.raises(Invalid) as caught:
            await self.provider.repositories(self.place, self.reader(), Query(after=after))
        assert caught.value.code == "cursor_invalid"
