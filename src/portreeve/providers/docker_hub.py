"""Docker Hub: docker.io, its other names, and its own API for lists.

Signs in with a personal access token (PAT) of a Docker ID, or with an organisation's access token (OAT). Both pull as
they are stored; the registry's own tokens, of about five minutes, are fetched by whoever pulls. Both can be given an
end when they are made.

Needs: a PAT with "Read-only" (public images alone: "Public repo read-only"); an OAT with "Pull" on its repositories.
Lists: hub.docker.com, signed in with the same token for ten minutes; there is no `_catalog`.
Limits: `ratelimit-limit: 100;w=21600`, `ratelimit-remaining`, `docker-ratelimit-source`; absent when unlimited. A HEAD
counts as no pull.

Sources: Docker docs, "Pull usage and limits", "Personal access tokens", "Organization access tokens"; Docker Hub API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from portreeve.core.egress import Purpose
from portreeve.core.reference import DOCKER_HUB, DOCKER_HUB_ALIAS
from portreeve.core.secret import SecretValue
from portreeve.errors import Problem
from portreeve.providers._answers import (
    JSON,
    Browsing,
    address,
    asked,
    bearer,
    digest,
    mapping,
    moment,
    number,
    page_number,
    rows,
    secret,
    segment,
    successful,
    text,
)
from portreeve.providers.contract import (
    BROWSE_NOTE,
    Browse,
    Claim,
    Field,
    Host,
    Listing,
    Method,
    Place,
    Provider,
    Query,
    RateLimit,
    Reader,
    Repository,
    Tag,
    checked_repository,
    is_below,
    is_repository,
    is_tag,
    leading,
    no_catalog,
)
from portreeve.transport.exchange import Request

API: Final = "https://hub.docker.com"
MAX_HUB_PAGE: Final = 100
"""Source: Docker Hub API, `page_size`."""

_ALIASES: Final = frozenset({DOCKER_HUB_ALIAS, "registry-1.docker.io", "registry.hub.docker.com", "www.docker.io"})
_NAME = r"[a-z0-9][a-z0-9_.-]{0,254}"
_LIMIT: Final = re.compile(r"([0-9]{1,9})(?:;w=([0-9]{1,9}))?")
_BROWSING: Final = Browsing("Docker Hub", "see that the token may read, and is one of this namespace's members")


class DockerHub(Provider):
    """Docker Hub."""

    name = "docker-hub"
    title = "Docker Hub"
    methods = (
        Method(
            "token",
            "Personal access token",
            "Personal access token (dckr_pat_…)",
            (Field("username", "Docker ID", pattern=_NAME, example="acmebot"),),
            needs=("Read-only",),
        ),
        Method(
            "organization-token",
            "Organisation access token",
            "Organisation access token (dckr_oat_…)",
            (Field("username", "Organisation", pattern=_NAME, example="acme", hint="the organisation's own name"),),
            needs=("Pull on the repositories that are pulled",),
        ),
    )
    public = True
    browse = Browse.API
    deletes = False
    depth = 1
    limit_probe = ("ratelimitpreview/test", "latest")
    notes = (
        "without a credential, 100 pulls in six hours for an address; every architecture of an image counts as one",
        "anybody can publish here: in staging and production it is an upstream of mirrors only",
        "deleting an image needs the console, or the Hub's own API with another right",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if host == DOCKER_HUB:
            return Claim(self.name, Place(DOCKER_HUB, _namespace(path)))
        if host in _ALIASES:
            note = f"images name Docker Hub as {DOCKER_HUB}"
            return Claim(self.name, Place(DOCKER_HUB, _namespace(path)), note=note, instead=DOCKER_HUB)
        return None

    def console(self, host: str, path: str) -> Claim | None:
        if host not in {"hub.docker.com", "app.docker.com", "www.docker.com"}:
            return None
        found = re.fullmatch(r"(?:r|u|orgs|repository/docker)/([a-z0-9_.-]+)(?:/.*)?", path)
        namespace = found[1] if found is not None and is_repository(found[1]) else ""
        return Claim(self.name, Place(DOCKER_HUB, namespace), note=f"images name Docker Hub as {DOCKER_HUB}")

    def origin(self, place: Place, *, plain_http: bool = False) -> str:
        return "https://registry-1.docker.io"

    def misplaced(self, place: Place) -> Problem | None:
        if place.host == DOCKER_HUB:
            return None
        return Problem("registry_host", f"images name Docker Hub as {DOCKER_HUB}", "host", f"write {DOCKER_HUB}")

    def realms(self, place: Place) -> Sequence[str]:
        return ("https://auth.docker.io/token",)

    def hosts(self, place: Place) -> tuple[Host, ...]:
        aws = "inside AWS also docker-images-prod buckets of S3"
        return (
            Host("registry-1.docker.io", Purpose.REGISTRY),
            Host("index.docker.io", Purpose.REGISTRY, "some clients use the old name"),
            Host("auth.docker.io", Purpose.AUTH),
            Host("login.docker.com", Purpose.AUTH, "only to sign in as a person"),
            Host("hub.docker.com", Purpose.API, BROWSE_NOTE),
            Host("production.cloudflare.docker.com", Purpose.BLOBS),
            Host("production.cloudfront.docker.com", Purpose.BLOBS),
            Host("docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com", Purpose.BLOBS, aws),
        )

    def rate_limit(self, signals: Mapping[str, str]) -> RateLimit | None:
        limit = _LIMIT.fullmatch(signals.get("ratelimit-limit", ""))
        left = _LIMIT.fullmatch(signals.get("ratelimit-remaining", ""))
        if limit is None or left is None:
            return None
        source = signals.get("docker-ratelimit-source", "")
        shown = source if re.fullmatch("[A-Za-z0-9.:/-]{1,64}", source) else ""
        # Six hours is the window that Docker documents; it has always been sent with the limit.
        return RateLimit(int(limit[1]), int(left[1]), int(limit[2] or left[2] or 21600), shown)

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        namespace = place.path.partition("/")[0] or _own(reader)
        if not namespace:
            raise no_catalog(self.title, "it lists those of one namespace", "set spec.path to the namespace")
        base = f"{API}/v2/namespaces/{segment(namespace)}/repositories"
        found, after = await _page(base, reader, query)
        items = (_repository(namespace, row) for row in found)
        fitting = (one for one in items if one is not None and query.search in one.name and is_below(one.name, place))
        return Listing(tuple(fitting), after)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        namespace, _, name = checked_repository(repository).partition("/")
        base = f"{API}/v2/namespaces/{segment(namespace)}/repositories/{segment(name)}/tags"
        found, after = await _page(base, reader, query)
        return Listing(
            tuple(_tag(row) for row in found if is_tag(row.get("name")) and query.search in row["name"]), after
        )


def _namespace(path: str) -> str:
    """What a registration stands for: nobody owns the official images, so they count as the Hub as a whole."""
    first = leading(path, 1)
    return first if "/" in path and first != "library" else ""


def _own(reader: Reader) -> str:
    return reader.stored.parameters.get("username", "") if reader.stored is not None else ""


async def _page(base: str, reader: Reader, query: Query) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows of a page, and where the next one begins."""
    page = page_number(query.after)
    size = max(1, min(query.limit, MAX_HUB_PAGE))
    url = address(base, {"page": page, "page_size": size, "name": query.search})
    headers: dict[str, str | SecretValue] = {"accept": "application/json"}
    if reader.stored is not None:
        headers["authorization"] = bearer(await _signed_in(reader))
    answer = mapping(successful(await asked(reader.outside, Request("GET", url, headers), _BROWSING), _BROWSING))
    # Its `next` is an address; only that there is one counts, so that we go where we know to go.
    more = isinstance(answer.get("next"), str) and bool(answer["next"]) and urlsplit(answer["next"]).query != ""
    return rows(answer.get("results"), size), str(page + 1) if more else ""


async def _signed_in(reader: Reader) -> SecretValue:
    """A token of the Hub's API, for ten minutes."""
    assert reader.stored is not None
    body = json.dumps({"identifier": _own(reader), "secret": reader.stored.secret.reveal().decode("utf-8", "replace")})
    request = Request("POST", f"{API}/v2/auth/token", JSON, SecretValue(body))
    answer = successful(await asked(reader.outside, request, _BROWSING), _BROWSING)
    return secret(mapping(answer).get("access_token"), _BROWSING)


def _repository(namespace: str, row: Mapping[str, Any]) -> Repository | None:
    name = f"{namespace}/{text(row.get('name'))}"
    if not is_repository(name):
        return None
    return Repository(name, None, moment(row.get("last_updated")), number(row.get("pull_count")))


def _tag(row: Mapping[str, Any]) -> Tag:
    return Tag(
        row["name"],
        digest(row.get("digest")),
        number(row.get("full_size")),
        moment(row.get("tag_last_pushed")) or moment(row.get("last_updated")),
        moment(row.get("tag_last_pulled")),
        tuple(dict.fromkeys(_platforms(row))),
    )


def _platforms(row: Mapping[str, Any]) -> Iterator[str]:
    for image in rows(row.get("images"), 100):
        parts = [text(image.get(part), 32) for part in ("os", "architecture", "variant")]
        if parts[0] not in {"", "unknown"} and parts[1] not in {"", "unknown"}:
            yield "/".join(filter(None, parts))


PROVIDER: Final = DockerHub()
