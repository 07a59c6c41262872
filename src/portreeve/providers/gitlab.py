"""GitLab's container registry: registry.gitlab.com, and those that come with a GitLab of one's own.

Signs in with a deploy token, or with a personal, project or group access token. Each pulls as it is stored;
`/jwt/auth` of GitLab itself exchanges it for whoever pulls (5 min, 15 on gitlab.com).

Needs: read_registry. To browse: read_api as well, which deploy tokens cannot have: without it, nothing is lost but the
list of repositories; tags are listed with read_registry.
Lists: GitLab's API, of a project or of a whole group with the projects below it. A stored token is sent to
gitlab.com, or to the host that the parameter `gitlabHost` names, and never to one that was guessed.
Limits: those of GitLab's API for lists (429); pulls are not told.

Sources: GitLab docs, "Authenticate with the container registry", "Deploy tokens", "Container registry API".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portreeve.core.egress import Purpose
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, NotFound
from portreeve.providers._answers import (
    Browsing,
    address,
    asked,
    mapping,
    number,
    page_number,
    rows,
    segment,
    stored_word,
    successful,
)
from portreeve.providers.contract import (
    REDIRECT_NOTE,
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
    Stored,
    is_below,
    is_repository,
    leading,
    no_catalog,
    own_host,
)
from portreeve.transport.exchange import Request

HOST: Final = "registry.gitlab.com"
MAX_GITLAB_PAGE: Final = 100
"""Source: GitLab docs, "REST API", pagination."""

_NAME = r"[A-Za-z0-9_.+-]{1,255}"
_API_HOST: Final = Field(
    "gitlabHost",
    "Host of GitLab itself",
    required=False,
    pattern=r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?",
    example="gitlab.example.com",
    hint="only to browse; the token is sent there",
)
_GUESSED: Final = re.compile(r"registry\.git(?:lab)?[a-z0-9-]*\.[a-z0-9.-]+(?::443)?|[a-z0-9.-]+:5050")
_BROWSING: Final = Browsing("GitLab", "it needs a token with read_api")


class GitLab(Provider):
    """GitLab."""

    name = "gitlab"
    title = "GitLab"
    methods = (
        Method(
            "deploy-token",
            "Deploy token of a project or group",
            "Deploy token (gldt-…)",
            (Field("username", "User name", pattern=_NAME, example="gitlab+deploy-token-1"),),
            needs=("read_registry",),
        ),
        Method(
            "token",
            "Personal, project or group access token",
            "Access token (glpat-…)",
            (Field("username", "User name", pattern=_NAME, hint="any name for project and group tokens"), _API_HOST),
            needs=("read_registry", "to browse: read_api, and at least the role Reporter"),
        ),
    )
    browse = Browse.API
    depth = 2
    notes = (
        "a deploy token without an end is possible: give it one",
        "a registry of one's own sends to its GitLab for tokens: that address goes into spec.tokenRealm",
        "browsing is optional: read_registry pulls, read_api lists",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if host == HOST:
            return Claim(self.name, Place(host, leading(path, self.depth)))
        if _GUESSED.fullmatch(host) is None:
            return None
        note = "perhaps the registry of a GitLab of your own: by its name or port"
        return Claim(self.name, Place(host, leading(path, self.depth)), certain=False, note=note)

    def console(self, host: str, path: str) -> Claim | None:
        if host != "gitlab.com":
            return None
        # Pages of a group or project stand behind `/-/`; the registry's own had none in older releases.
        of = re.split("/(?:-|container_registr)", path.removeprefix("groups/"), maxsplit=1)[0]
        note = f"images of gitlab.com lie on {HOST}"
        return Claim(self.name, Place(HOST, of if is_repository(of) else ""), note=note)

    def realms(self, place: Place) -> Sequence[str]:
        return ("https://gitlab.com/jwt/auth",) if place.host == HOST else ()

    def hosts(self, place: Place) -> tuple[Host, ...]:
        own = own_host(place, REDIRECT_NOTE)
        if place.host == HOST:
            return (own, Host("gitlab.com", Purpose.AUTH))
        rest = own.name.partition(".")[2]
        if "." not in rest or own.name.startswith("*"):
            return (own,)
        note = "the host of GitLab itself, guessed from the registry's"
        return (own, Host(rest, Purpose.AUTH, note, certain=False))

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        host = _api_host(place, reader.stored)
        if reader.stored is None or reader.stored.method != "token" or not host:
            why = "GitLab's API wants a token with read_api, and the parameter gitlabHost where it is not gitlab.com"
            raise no_catalog(self.title, why)
        if not place.path:
            raise no_catalog(self.title, "it lists those of a group or project", "set spec.path to the group")
        try:
            found, after = await _page(host, place, reader, query)
        except (Denied, NotFound):
            raise no_catalog(self.title, "the token has no read_api, or sees nothing at this path") from None
        items = (_repository(row) for row in found)
        fitting = (one for one in items if one is not None and query.search in one.name and is_below(one.name, place))
        return Listing(tuple(fitting), after)


def _api_host(place: Place, stored: Stored | None) -> str:
    """The host that a token may be sent to: never a guess."""
    if place.host == HOST:
        return "gitlab.com"
    return stored.parameters.get("gitlabHost", "") if stored is not None else ""


async def _page(host: str, place: Place, reader: Reader, query: Query) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows of a page, and where the next one begins: `groups:2`. A path that is no group is a project."""
    kind, _, after = query.after.partition(":")
    kinds = (kind,) if kind in {"groups", "projects"} else ("groups", "projects")
    page, size = page_number(after), max(1, min(query.limit, MAX_GITLAB_PAGE))
    counted = {"tags_count": "true"} if kinds[0] == "projects" else {}
    for kind in kinds:
        base = f"https://{host}/api/v4/{kind}/{segment(place.path)}/registry/repositories"
        url = address(base, {"page": page, "per_page": size, **counted})
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
        "accept": "application/json",
        "private-token": stored_word(reader.stored.secret, "GitLab"),
    }
    return successful(await asked(reader.outside, Request("GET", url, headers), _BROWSING), _BROWSING)


def _repository(row: Mapping[str, Any]) -> Repository | None:
    name = mapping(row).get("path")
    return Repository(name, number(row.get("tags_count"))) if isinstance(name, str) and is_repository(name) else None


PROVIDER: Final = GitLab()
