"""GitHub Container Registry: ghcr.io/<owner>.

Signs in with a *classic* personal access token; fine-grained ones are not accepted by the registry. It pulls as it is
stored; `ghcr.io/token` exchanges it for whoever pulls. A token of a GitHub App or of an Actions run lives an hour and
is minted by those, not by us.

Needs: read:packages and nothing else; the owner of the token must be allowed to read the packages (and SSO authorised).
Lists: api.github.com, as an organisation's or else as a user's packages; `_catalog` answers 404.
Limits: those of GitHub's REST API for lists; pulls are not told.

Sources: GitHub docs, "Working with the Container registry"; GitHub REST API, "Packages" (2022-11-28).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from portreeve.core.egress import Purpose
from portreeve.core.secret import SecretValue
from portreeve.errors import NotFound
from portreeve.providers._answers import (
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
    segment,
    successful,
    text,
)
from portreeve.providers.contract import (
    BROWSE_NOTE,
    PROBE_NOTE,
    Browse,
    Claim,
    Field,
    Host,
    Listing,
    Method,
    Place,
    Provider,
    Query,
    Reader,
    Repository,
    Tag,
    checked_repository,
    is_below,
    is_repository,
    is_tag,
    leading,
    no_catalog,
    own_host,
)
from portreeve.transport.exchange import Request

HOST: Final = "ghcr.io"
API: Final = "https://api.github.com"
MAX_GITHUB_PAGE: Final = 100
"""Source: GitHub REST API, `per_page`."""

_LOGIN = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})"
_PACKAGE: Final = re.compile(
    rf"(?:(?:orgs|users)/(?P<owner>{_LOGIN})/packages/container(?:/package)?/(?P<name>[^/]+)"
    rf"|(?P<other>{_LOGIN})/[^/]+/pkgs/container/(?P<package>[^/]+))(?:/.*)?"
)
_BROWSING: Final = Browsing("GitHub", "it needs a classic token with read:packages, authorised for the owner's SSO")


class Ghcr(Provider):
    """GitHub Container Registry."""

    name = "ghcr"
    title = "GitHub Container Registry"
    methods = (
        Method(
            "token",
            "Personal access token (classic)",
            "Classic token (ghp_…)",
            (Field("username", "User name", pattern=_LOGIN, example="acmebot"),),
            needs=("read:packages",),
            advice="fine-grained tokens are not accepted by this registry; a classic one reads whatever its owner may",
        ),
    )
    public = True
    browse = Browse.API
    deletes = False
    depth = 1
    notes = (
        "manifests are deleted by GitHub's API, not by the registry's",
        "anybody can publish here: in staging and production it is an upstream of mirrors only",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        return Claim(self.name, Place(host, leading(path, 1))) if host == HOST else None

    def console(self, host: str, path: str) -> Claim | None:
        found = _PACKAGE.fullmatch(path) if host == "github.com" else None
        if found is None:
            return None
        owner = (found["owner"] or found["other"]).lower()
        return Claim(self.name, Place(HOST, owner if is_repository(owner) else ""))

    def realms(self, place: Place) -> Sequence[str]:
        return ("https://ghcr.io/token",)

    def hosts(self, place: Place) -> tuple[Host, ...]:
        if place.host != HOST:
            return super().hosts(place)
        return (
            own_host(place),
            Host(HOST, Purpose.AUTH),
            Host("pkg-containers.githubusercontent.com", Purpose.BLOBS, PROBE_NOTE, certain=False),
            Host("api.github.com", Purpose.API, BROWSE_NOTE),
        )

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        owner = leading(place.path, 1)
        if not owner:
            raise no_catalog(self.title, "it lists those of one owner", "set spec.path to the organisation or user")
        if reader.stored is None:
            raise no_catalog(self.title, "GitHub asks for a token, and there is no credential for management")
        wanted = {"package_type": "container"}
        found, after = await _page(owner, "packages", wanted, reader, query)
        items = (_repository(owner, row) for row in found)
        fitting = (one for one in items if one is not None and query.search in one.name and is_below(one.name, place))
        return Listing(tuple(fitting), after)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        owner, _, name = checked_repository(repository).partition("/")
        if reader.stored is None or not name:
            return await super().tags(place, repository, reader, query)
        what = f"packages/container/{segment(name)}/versions"
        found, after = await _page(owner, what, {}, reader, query)
        return Listing(tuple(tag for row in found for tag in _tags(row) if query.search in tag.name), after)


async def _page(
    owner: str, what: str, wanted: Mapping[str, str], reader: Reader, query: Query
) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows of a page, and where the next one begins: `orgs:2`. An owner that is no organisation is a user."""
    kind, _, after = query.after.partition(":")
    kinds = (kind,) if kind in {"orgs", "users"} else ("orgs", "users")
    page, size = page_number(after), max(1, min(query.limit, MAX_GITHUB_PAGE))
    for kind in kinds:
        url = address(f"{API}/{kind}/{segment(owner)}/{what}", {**wanted, "per_page": size, "page": page})
        try:
            found = rows(await _ask(url, reader), size)
        except NotFound:
            if kind == kinds[-1]:
                raise
        else:
            return found, f"{kind}:{page + 1}" if len(found) == size else ""
    raise AssertionError("one of the two has answered")


async def _ask(url: str, reader: Reader) -> Any:
    assert reader.stored is not None
    headers: dict[str, str | SecretValue] = {
        "accept": "application/vnd.github+json",
        "authorization": bearer(reader.stored.secret),
        "user-agent": "portreeve",
        "x-github-api-version": "2022-11-28",
    }
    return successful(await asked(reader.outside, Request("GET", url, headers), _BROWSING), _BROWSING)


def _repository(owner: str, row: Mapping[str, Any]) -> Repository | None:
    name = f"{owner}/{text(row.get('name'))}"
    if not is_repository(name):
        return None
    return Repository(name, number(row.get("version_count")), moment(row.get("updated_at")))


def _tags(row: Mapping[str, Any]) -> Iterator[Tag]:
    names = mapping(mapping(row.get("metadata")).get("container")).get("tags")
    for name in names[:1000] if isinstance(names, list) else []:
        if is_tag(name):
            yield Tag(name, digest(row.get("name")), None, moment(row.get("updated_at")))


PROVIDER: Final = Ghcr()
