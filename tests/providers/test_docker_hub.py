from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from portreeve.errors import NotFound
from portreeve.providers import docker_hub
from portreeve.providers.contract import Place, Query, RateLimit, Reader, Stored
from portreeve.transport.exchange import Request, Response
from tests.fakes.distribution import FakeDistribution
from tests.fakes.network import Handler, Network, header, query, says
from tests.providers.contract_suite import CANARY, ProviderContract, outside, stored

DIGEST = "sha256:" + "ab" * 32
STORED = stored("token", username="acmebot")


def hub(request: Request) -> Response:
    """Two repositories on pages of one, and a repository with an index."""
    url = urlsplit(request.url)
    if url.path == "/v2/auth/token":
        body = json.loads(request.body.reveal())
        assert body == {"identifier": "acmebot", "secret": CANARY}
        return says({"access_token": "hub-jwt-0123456789"})
    if header(request, "authorization") not in {"", "Bearer hub-jwt-0123456789"}:
        return says({"detail": "no"}, 401)
    page = int(query(request)["page"])
    if url.path == "/v2/namespaces/acme/repositories":
        names = ["app", "Bad Name", "web"]
        row = {"name": names[page - 1], "last_updated": "2026-11-01T10:00:00.5Z", "pull_count": 7}
        return says(
            {"count": 3, "next": f"https://evil.example/?page={page + 1}" if page < 3 else None, "results": [row]}
        )
    if url.path == "/v2/namespaces/acme/repositories/app/tags":
        images = [{"os": "linux", "architecture": "amd64", "variant": None},
                  {"os": "linux", "architecture": "arm64", "variant": "v8"},
                  {"os": "unknown", "architecture": "unknown"}]  # fmt: skip
        row = {"name": "1.0", "full_size": 42, "digest": DIGEST, "images": images,
               "tag_last_pushed": "2026-11-02T00:00:00Z", "tag_last_pulled": None}  # fmt: skip
        return says({"next": None, "results": [row, {"name": "-bad"}]})
    return says({"message": "object not found"}, 404)


def endless(request: Request) -> Response:
    if urlsplit(request.url).path == "/v2/auth/token":
        return says({"access_token": "hub-jwt-0123456789"})
    return says({"next": "https://hub.docker.com/x?page=2", "results": [{"name": "other"}]})


class TestDockerHub(ProviderContract):
    provider = docker_hub.PROVIDER
    place = Place("docker.io", "acme")
    claimed = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
    credentials = {"token": STORED, "organization-token": stored("organization-token", username="acme")}

    def endless(self) -> tuple[Handler, Stored | None]:
        return endless, STORED

    def test_its_api_is_on_another_host_than_its_images(self) -> None:
        assert self.provider.origin(self.place, plain_http=True) == "https://registry-1.docker.io"
        assert self.provider.realms(self.place) == ("https://auth.docker.io/token",)
        assert self.provider.keys(Place("docker.io")) == ("https://index.docker.io/v1/",)
        assert self.provider.keys(self.place) == ("docker.io/acme/",)

    def test_limits_are_told_by_a_head_that_counts_as_no_pull(self) -> None:
        assert self.provider.limit_probe == ("ratelimitpreview/test", "latest")

    def test_it_is_registered_under_the_name_that_images_use(self) -> None:
        assert self.provider.misplaced(self.place) is None
        problem = self.provider.misplaced(Place("registry-1.docker.io"))
        assert problem is not None
        assert (problem.code, problem.field) == ("registry_host", "host")

    @pytest.mark.parametrize(
        ("signals", "limit"),
        [
            ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600",
              "docker-ratelimit-source": "203.0.113.7"}, RateLimit(100, 76, 21600, "203.0.113.7")),
            ({"ratelimit-limit": "200;w=3600", "ratelimit-remaining": "0"}, RateLimit(200, 0, 3600)),
            ({"ratelimit-limit": "200", "ratelimit-remaining": "199"}, RateLimit(200, 199, 21600)),
            ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "1", "docker-ratelimit-source": "<script>"},
             RateLimit(100, 1, 21600)),
            ({}, None),
            ({"ratelimit-limit": "100;w=21600"}, None),
            ({"ratelimit-limit": "-1;w=x", "ratelimit-remaining": "1"}, None),
            ({"ratelimit-limit": "9" * 40, "ratelimit-remaining": "1"}, None),
        ],
    )  # fmt: skip
    def test_limits_are_read_from_headers_and_absent_when_there_are_none(
        self, signals: dict[str, str], limit: RateLimit | None
    ) -> None:
        assert self.provider.rate_limit(signals) == limit

    async def test_repositories_are_listed_page_by_page_by_the_hubs_own_api(self) -> None:
        network = Network({"hub.docker.com": hub})
        reader = Reader(FakeDistribution(), outside(network), STORED)
        after, names = "", []
        for _ in range(3):
            found = await self.provider.repositories(self.place, reader, Query(after=after, limit=1))
            names += [one.name for one in found.items]
            after = found.after
        assert (names, after) == (["acme/app", "acme/web"], "")
        assert {urlsplit(request.url).netloc for request in network.asked} == {"hub.docker.com"}

    async def test_tags_tell_digest_size_times_and_platforms(self) -> None:
        reader = Reader(FakeDistribution(), outside(Network({"hub.docker.com": hub})))
        found = await self.provider.tags(self.place, "acme/app", reader, Query())
        (tag,) = found.items
        assert (tag.name, tag.digest, tag.size_bytes) == ("1.0", DIGEST, 42)
        assert tag.pushed_at == datetime(2026, 11, 2, tzinfo=UTC)
        assert tag.pulled_at is None
        assert tag.platforms == ("linux/amd64", "linux/arm64/v8")

    async def test_the_hub_as_a_whole_has_no_list(self) -> None:
        reader = Reader(FakeDistribution(), outside(Network({"hub.docker.com": hub})))
        with pytest.raises(NotFound) as caught:
            await self.provider.repositories(Place("docker.io"), reader, Query())
        assert caught.value.code == "catalog_unsupported"
