"""Harbor: a registry of one's own, with projects.

Signs in with a robot account (its end is set when it is made; 30 days unless said otherwise), or with a person's name
and password or CLI secret. Both pull as they are stored; `/service/token` exchanges them for whoever pulls.

Needs: a robot with repository:pull on the project, and never push: whoever may push passes Harbor's own gates with a
User-Agent of "cosign". To browse: also repository:list, artifact:list, tag:list.
Lists: `/api/v2.0`, a project's repositories or all of them. A project whose name is a number is taken by its name
(X-Is-Resource-Name); slashes of names in paths are encoded twice. No cookie is kept, so no CSRF token is asked for.
Limits: quotas of the project for pushes; pulls are not told. A gate of Harbor refuses with 412, which is no 403.

Source: Harbor's API v2.0 (swagger of 2.14), "Using the API", robot accounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from portreeve.core.secret import SecretValue
from portreeve.providers._answers import (
    Browsing,
    address,
    asked,
    basic,
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
    Browse,
    Claim,
    Field,
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
)
from portreeve.transport.exchange import Request

MAX_HARBOR_PAGE: Final = 100
"""Source: Harbor's API v2.0, `page_size`."""

_NAME = r"[^:\s]{1,255}"
_CONSOLE: Final = re.compile(r"harbor/projects(?:/[0-9]+(?:/.*)?)?")
_BROWSING: Final = Browsing("Harbor", "it needs repository:list, artifact:list and tag:list on the project")
_NEEDS: Final = (
    "repository:pull on the project, and no push",
    "to browse: repository:list, artifact:list, tag:list",
)


class Harbor(Provider):
    """Harbor."""

    name = "harbor"
    title = "Harbor"
    methods = (
        Method(
            "robot",
            "Robot account",
            "Secret of the robot",
            (Field("username", "Robot's full name", pattern=_NAME, example="robot$shop+pull"),),
            needs=_NEEDS,
        ),
        Method(
            "basic",
            "User name and password",
            "Password or CLI secret",
            (Field("username", "User name", pattern=_NAME, example="robot$portreeve"),),
            needs=_NEEDS,
            advice="a person's password pulls whatever that person may: make a robot",
        ),
    )
    browse = Browse.API
    depth = 1
    notes = (
        "renewing a robot's secret does not move its end: set another duration, or make a new robot",
        "a project that is a proxy cache is no gate: the first pull is served before it is scanned",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if not host.startswith("harbor."):
            return None
        note = "perhaps a Harbor: by its name"
        return Claim(self.name, Place(host, leading(path, 1)), certain=False, note=note)

    def console(self, host: str, path: str) -> Claim | None:
        if _CONSOLE.fullmatch(path) is None:
            return None
        return Claim(self.name, Place(host), certain=False, note="the address of a page of a Harbor")

    def realms(self, place: Place) -> Sequence[str]:
        return (f"https://{place.host}/service/token",)

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        project = leading(place.path, 1)
        base = f"/projects/{segment(project)}/repositories" if project else "/repositories"
        # Harbor's own search understands `~` as "holds"; whatever could mean more to it is searched here alone.
        searched = f"name=~{query.search}" if re.fullmatch("[a-z0-9_-]+", query.search) else ""
        found, after = await _page(place, base, {"q": searched}, reader, query)
        fitting = (_repository(row) for row in found if is_repository(row.get("name")))
        wanted = tuple(one for one in fitting if query.search in one.name and is_below(one.name, place))
        return Listing(wanted, after)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        project, _, name = checked_repository(repository).partition("/")
        base = f"/projects/{segment(project)}/repositories/{segment(segment(name))}/artifacts"
        found, after = await _page(place, base, {"with_tag": "true", "q": "tags=*"}, reader, query)
        return Listing(tuple(tag for row in found for tag in _tags(row) if query.search in tag.name), after)


async def _page(
    place: Place, path: str, wanted: Mapping[str, str], reader: Reader, query: Query
) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows of a page, and where the next one begins."""
    page, size = page_number(query.after), max(1, min(query.limit, MAX_HARBOR_PAGE))
    origin = PROVIDER.origin(place, plain_http=reader.plain_http)
    url = address(f"{origin}/api/v2.0{path}", {"page": page, "page_size": size, **wanted})
    headers: dict[str, str | SecretValue] = {"accept": "application/json", "x-is-resource-name": "true"}
    if reader.stored is not None:
        headers["authorization"] = basic(reader.stored.parameters.get("username", ""), reader.stored.secret)
    found = rows(successful(await asked(reader.outside, Request("GET", url, headers), _BROWSING), _BROWSING), size)
    return found, str(page + 1) if len(found) == size else ""


def _repository(row: Mapping[str, Any]) -> Repository:
    return Repository(row["name"], None, moment(row.get("update_time")), number(row.get("pull_count")))


def _tags(row: Mapping[str, Any]) -> Iterator[Tag]:
    pushed, pulled = moment(row.get("push_time")), _pulled(row)
    platforms = tuple(dict.fromkeys(_platforms(row)))
    for one in rows(row.get("tags"), 1000):
        if is_tag(one.get("name")):
            size = number(row.get("size"))
            yield Tag(
                one["name"], digest(row.get("digest")), size, moment(one.get("push_time")) or pushed, pulled, platforms
            )


def _pulled(row: Mapping[str, Any]) -> Any:
    """Harbor writes the year 1 for "never"."""
    found = moment(row.get("pull_time"))
    return found if found is not None and found.year > 1 else None


def _platforms(row: Mapping[str, Any]) -> Iterator[str]:
    """Of an index those of its parts, else the image's own."""
    parts = [mapping(one.get("platform")) for one in rows(row.get("references"), 100)]
    for part in parts or [mapping(row.get("extra_attrs"))]:
        names = [text(part.get(name), 32) for name in ("os", "architecture", "variant")]
        if names[0] not in {"", "unknown"} and names[1] not in {"", "unknown"}:
            yield "/".join(filter(None, names))


PROVIDER: Final = Harbor()
