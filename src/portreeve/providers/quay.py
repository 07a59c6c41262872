"""Quay: quay.io, and Red Hat Quay of one's own.

Signs in with a robot account, whose token never ends until it is made anew, or with a federated robot: a token of an
identity provider that the robot trusts is exchanged at `/oauth2/federation/robot/token` for one of an hour. For lists
there are OAuth tokens of an application, which also pull (as user `$oauthtoken`).

Needs: a robot with Read on the repositories. To browse: an OAuth token with repo:read; robots cannot use the API.
Lists: `/api/v1/repository` of a namespace; without an OAuth token only what is public. `_catalog` lists what the
installation's settings allow (`FEATURE_PUBLIC_CATALOG`), so it is not used.
Limits: 429; not told in headers.

Sources: Red Hat Quay docs, "Robot accounts", "Keyless authentication with robot accounts", "Quay API".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from portreeve.core.credential import Login
from portreeve.core.egress import Purpose
from portreeve.core.secret import SecretValue
from portreeve.providers._answers import (
    Browsing,
    Minting,
    address,
    asked,
    basic,
    bearer,
    cursor,
    digest,
    ending,
    jwt_end,
    mapping,
    moment,
    number,
    page_number,
    rows,
    secret,
    segment,
    stored_word,
    successful,
    text,
)
from portreeve.providers.contract import (
    REDIRECT_NOTE,
    Browse,
    Claim,
    Field,
    Host,
    Listing,
    Method,
    Minted,
    Outside,
    Place,
    Provider,
    Query,
    Reader,
    Repository,
    Stored,
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

HOST: Final = "quay.io"
LIFE: Final = timedelta(hours=1)
"""Source: Red Hat Quay docs, "Keyless authentication with robot accounts"."""

OAUTH_USER: Final = "$oauthtoken"
MAX_QUAY_PAGE: Final = 100
"""Source: Quay API, `limit` of tags."""

_ROBOT: Final = Field(
    "username", "Robot account", pattern=r"[a-z0-9_.-]{2,255}\+[a-z0-9_.-]{2,255}", example="acme+pull"
)
_MINTING: Final = Minting("Quay", "see that the robot trusts the issuer and subject of the token, and it has not ended")
_BROWSING: Final = Browsing("Quay", "it needs an OAuth token with repo:read; robots cannot list")


class Quay(Provider):
    """Quay."""

    name = "quay"
    title = "Quay"
    methods = (
        Method(
            "robot",
            "Robot account",
            "Token of the robot",
            (_ROBOT,),
            ends=False,
            needs=("Read on the repositories",),
            advice="a robot's token never ends: make it anew at intervals, or use a federated robot",
        ),
        Method(
            "robot-federation",
            "Federated robot account",
            "Token of the identity provider (OIDC)",
            (_ROBOT,),
            life=LIFE,
            needs=("Read on the repositories, and a federation of the robot with the issuer",),
            advice="the identity provider's token ends soon as well: something has to store it anew",
        ),
        Method(
            "oauth-token",
            "OAuth token of an application",
            "Access token",
            ends=False,
            needs=("to browse: repo:read",),
            advice="it has the rights of the person who made it: for management, not to pull",
        ),
    )
    browse = Browse.API
    depth = 1
    notes = ("allow *.quay.io for layers: the hosts behind it change",)

    # Quay.io is public, a Quay of one's own is not: what is public follows from the host, as in `core.policy`.
    public = True

    def claim(self, host: str, path: str = "") -> Claim | None:
        if host == HOST:
            return Claim(self.name, Place(host, leading(path, 1)))
        if host.startswith("quay."):
            note = "perhaps a Quay of your own: by its name"
            return Claim(self.name, Place(host, leading(path, 1)), certain=False, note=note)
        return None

    def console(self, host: str, path: str) -> Claim | None:
        found = re.fullmatch(r"(?:repository|organization|user)/([a-z0-9_.-]+)(?:/.*)?", path)
        if found is None or not (host == HOST or host.startswith("quay.")):
            return None
        return self.claim(host, found[1] if is_repository(found[1]) else "")

    def realms(self, place: Place) -> Sequence[str]:
        return (f"https://{place.host}/v2/auth",)

    def hosts(self, place: Place) -> tuple[Host, ...]:
        if place.host != HOST:
            return (own_host(place, REDIRECT_NOTE),)
        note = "cdn.quay.io and cdn01 to cdn03.quay.io today; more are announced"
        return (own_host(place), Host(HOST, Purpose.AUTH), Host("*.quay.io", Purpose.BLOBS, note))

    def login(self, place: Place, stored: Stored) -> Login | None:
        if self.method(stored.method).life is not None:
            return None
        username = OAUTH_USER if stored.method == "oauth-token" else stored.parameters.get("username", "")
        return Login(username, stored.secret)

    async def mint(self, place: Place, stored: Stored, outside: Outside) -> Minted:
        if self.method(stored.method).life is None:
            return await super().mint(place, stored, outside)
        username = stored.parameters.get("username", "")
        headers: dict[str, str | SecretValue] = {
            "accept": "application/json",
            "authorization": basic(username, stored_word(stored.secret, self.title)),
        }
        request = Request("GET", f"https://{place.host}/oauth2/federation/robot/token", headers)
        answer = mapping(successful(await asked(outside, request, _MINTING), _MINTING))
        token = secret(answer.get("token"), _MINTING)
        return Minted(Login(username, token), ending(jwt_end(token), outside, LIFE, _MINTING))

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        namespace = leading(place.path, 1)
        if not namespace:
            raise no_catalog(self.title, "it lists those of one namespace", "set spec.path to the organisation")
        wanted = {"namespace": namespace, "public": "true", "last_modified": "true", "next_page": query.after}
        origin = self.origin(place, plain_http=reader.plain_http)
        answer = mapping(await _ask(address(f"{origin}/api/v1/repository", wanted), reader))
        found = tuple(_repositories(rows(answer.get("repositories")), place, query.search))
        note = "" if _has_token(reader) else "only public ones: robots cannot list, an OAuth token with repo:read can"
        return Listing(found, cursor(answer.get("next_page"), _BROWSING), note)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        if not _has_token(reader):
            return await super().tags(place, repository, reader, query)
        namespace, _, name = checked_repository(repository).partition("/")
        page, size = page_number(query.after), max(1, min(query.limit, MAX_QUAY_PAGE))
        origin = self.origin(place, plain_http=reader.plain_http)
        base = f"{origin}/api/v1/repository/{segment(namespace)}/{segment(name)}/tag/"
        like = f"like:{query.search}" if query.search else ""
        wanted: dict[str, str | int] = {"page": page, "limit": size, "onlyActiveTags": "true", "filter_tag_name": like}
        answer = mapping(await _ask(address(base, wanted), reader))
        tags = tuple(_tag(row) for row in rows(answer.get("tags"), size) if is_tag(row.get("name")))
        fitting = tuple(tag for tag in tags if query.search in tag.name)
        return Listing(fitting, str(page + 1) if answer.get("has_additional") is True else "")


def _has_token(reader: Reader) -> bool:
    return reader.stored is not None and reader.stored.method == "oauth-token"


async def _ask(url: str, reader: Reader) -> Any:
    headers: dict[str, str | SecretValue] = {"accept": "application/json"}
    if reader.stored is not None and _has_token(reader):
        headers["authorization"] = bearer(reader.stored.secret)
    return successful(await asked(reader.outside, Request("GET", url, headers), _BROWSING), _BROWSING)


def _repositories(found: Any, place: Place, search: str) -> Iterator[Repository]:
    for row in found:
        name = f"{text(row.get('namespace'))}/{text(row.get('name'))}"
        if is_repository(name) and is_below(name, place) and search in name:
            yield Repository(name, pushed_at=moment(row.get("last_modified")))


def _tag(row: Mapping[str, Any]) -> Tag:
    return Tag(row["name"], digest(row.get("manifest_digest")), number(row.get("size")), moment(row.get("start_ts")))


PROVIDER: Final = Quay()
