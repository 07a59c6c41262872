"""What a provider says of itself, and what it can do. The defaults are those of any server with the OCI API.

Theory of operation. A provider is data and a few functions over values; whatever goes over the network goes through
`Outside`, with the time in it, so that every flow can be tried with a moved clock and a fake peer. A credential that is
*delivered* is a `Login`: either the stored one as it is (`login`), or one that is minted from it (`mint`) and ends.
Settings of a provider are `parameters` of a credential, named by its method; they never enter the documents' shape.

Source: the design's providers page, section 6.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Generic, TypeVar

from portreeve.core.credential import Login, auth_key
from portreeve.core.egress import Purpose
from portreeve.core.reference import PATH_PATTERN, TAG_PATTERN, SourcePrefix, shown
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, NotFound, Problem, Stalled
from portreeve.oci.distribution import Distribution
from portreeve.oci.model import Names
from portreeve.transport.exchange import AsyncExchange

Item = TypeVar("Item")

MAX_ROUNDS: Final = 10
"""Pages that are read of a registry for one page of ours, when a search or the path leaves nothing of most of them."""

MAX_PAGE: Final = 1000
"""Items of a page. Source: Distribution 2.8 refuses more (PAGINATION_NUMBER_INVALID)."""

MAX_PARAMETER_CHARACTERS: Final = 2048
"""Of one parameter: as long as an ARN may be, the longest that any method takes."""

REDIRECT_NOTE: Final = "layers may be redirected to object storage: probe it from the cluster"
PROBE_NOTE: Final = "not promised by the provider: probe it from the cluster"
BROWSE_NOTE: Final = "only to browse repositories"

_REPOSITORY: Final = re.compile(PATH_PATTERN)
_TAG: Final = re.compile(TAG_PATTERN)
_LINE: Final = re.compile(r"[^\x00-\x1f\x7f]+")


class Browse(StrEnum):
    """Where the repositories of a registry are listed."""

    API = "api"
    """The product's own API."""
    CATALOG = "catalog"
    """`/v2/_catalog`, where it is not switched off."""
    INVENTORY = "inventory"
    """Nowhere: what environments run is all that can be shown."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter that a method asks for; never a secret. `pattern` must match the whole value, "" matches any.

    `steers` is whether it decides where the secret is sent: with a stored secret it cannot be changed.
    """

    name: str
    label: str
    required: bool = True
    pattern: str = ""
    example: str = ""
    hint: str = ""
    steers: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """One way to sign in.

    `secret` says what the secret is, in the provider's words. `ends` is whether the provider lets such a credential
    end. `life` is how long a minted token lives at most, None where the stored secret itself pulls. `needs` are the
    least privileges, in the provider's words. `advice` is a warning that is always shown, "" for none.
    """

    name: str
    title: str
    secret: str
    fields: tuple[Field, ...] = ()
    ends: bool = True
    life: timedelta | None = None
    needs: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a registration is: `host[:port]` as in image references, and the path prefix that it stands for."""

    host: str
    path: str = ""

    @property
    def prefix(self) -> SourcePrefix:
        """The same as a source prefix."""
        return SourcePrefix(self.host, self.path)


@dataclass(frozen=True, slots=True)
class Claim:
    """That a host is one of a provider's. `certain` False is a guess by the name. `note` is what a person should know.

    `path` is the part of the pasted path that the registration should stand for; `parameters` is what the host tells,
    such as a region. `instead` names what to use rather than this host, "" for nothing.
    """

    provider: str
    place: Place
    certain: bool = True
    parameters: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    instead: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A credential as it is stored: the method's name, its parameters, its secret, its end (UTC, None: never)."""

    method: str
    parameters: Mapping[str, str]
    secret: SecretValue
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Minted:
    """What is delivered: `expires_at` is UTC; None where it ends with the stored credential."""

    login: Login
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that a provider may touch: the network by `exchange`, the time as a value, a signature by a key.

    `sign_rs256(pem, message)` is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3); what is no key raises Invalid.
    """

    exchange: AsyncExchange
    now: datetime
    sign_rs256: Callable[[SecretValue, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Host:
    """A host that must be reachable. `name` may begin with "*."; `certain` False: the provider does not promise it."""

    name: str
    purpose: Purpose
    note: str = ""
    certain: bool = True
    port: int = 443


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much may be pulled: `limit` and what remains of it in `window_s` seconds, for `source` ("" unknown)."""

    limit: int
    remaining: int
    window_s: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, by its path without the host. What the registry did not tell is None."""

    name: str
    tags: int | None = None
    pushed_at: datetime | None = None
    pulls: int | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag. What the registry did not tell is "" or None."""

    name: str
    digest: str = ""
    size_bytes: int | None = None
    pushed_at: datetime | None = None
    pulled_at: datetime | None = None
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """One page. `after` continues behind it, "" at the end; `note` is what a person should know of it."""

    items: tuple[Item, ...]
    after: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """Which page: `search` is part of a name, "" for all; `after` what the page before gave."""

    search: str = ""
    after: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom browsing asks: the OCI API signed in already, the product's own API, and the credential for that, if any."""

    distribution: Distribution
    outside: Outside
    stored: Stored | None = None
    plain_http: bool = False
    """Whether the registration has no TLS: an API on the registry's own host has none either."""


BASIC = Method(
    "basic",
    "User name and password",
    "Password or token",
    (Field("username", "User name", example="robot$portreeve"),),
    needs=("the right to pull",),
)
"""What every registry with users takes."""


class Provider:
    """One product. A subclass sets what is different; everything here is what a plain registry does."""

    name: ClassVar[str]
    title: ClassVar[str]
    methods: ClassVar[tuple[Method, ...]] = (BASIC,)
    anonymous: ClassVar[bool] = True
    """Whether pulling without any credential can work."""
    public: ClassVar[bool] = False
    """Whether anybody can publish there: an upstream of mirrors only (rule 11)."""
    browse: ClassVar[Browse] = Browse.CATALOG
    deletes: ClassVar[bool] = True
    """Whether manifests can be deleted by the OCI API."""
    depth: ClassVar[int] = 0
    """How many leading segments of a pasted path a registration should stand for; 0: the whole host."""
    limit_probe: ClassVar[tuple[str, str] | None] = None
    """Repository and tag whose HEAD tells how much may be pulled and counts as no pull; None where nothing does."""
    notes: ClassVar[tuple[str, ...]] = ()
    """What a person should know before adding one."""

    def claim(self, host: str, path: str = "") -> Claim | None:
        """That the host is this provider's, None if it is not. `host` is `host[:port]` in lower case.

        A host may begin with "*.", as in sources of policies; `path` is that of a repository, or "".
        """
        return None

    def console(self, host: str, path: str) -> Claim | None:
        """The same of a page of the product's own console, whose address is none of a registry."""
        return None

    def product(self, place: Place) -> str:
        """What lists of hosts call it: its name, but for products that have another one at some places."""
        return self.name

    def origin(self, place: Place, *, plain_http: bool = False) -> str:
        """Scheme, host and port of the OCI API, without a slash at its end."""
        return f"{'http' if plain_http else 'https'}://{place.host}"

    def realms(self, place: Place) -> Sequence[str]:
        """Addresses of token services, without query, that the provider publishes: a credential may go there."""
        return ()

    def misplaced(self, place: Place) -> Problem | None:
        """What is wrong with a registration at this place: a field relative to the spec, as `host`."""
        return None

    def keys(self, place: Place) -> tuple[str, ...]:
        """The keys of `auths` in a pull secret."""
        return (auth_key(place.prefix),)

    def hosts(self, place: Place) -> tuple[Host, ...]:
        """What a firewall has to open, the registry's own host first."""
        return (own_host(place, REDIRECT_NOTE),)

    def hint(self, code: str) -> str:
        """What a failure with this code usually means with this product, and what to do; "" where there is no more."""
        return ""

    def method(self, name: str) -> Method:
        """The method of this name.

        Raises:
            Invalid: `credential_method`, with the names that there are.
        """
        for method in self.methods:
            if method.name == name:
                return method
        names = ", ".join(method.name for method in self.methods) or "none: it is anonymous"
        raise Invalid("credential_method", f"{self.title} has no such way to sign in", hint=f"methods: {names}")

    def problems(self, method: str, parameters: Mapping[str, str]) -> tuple[Problem, ...]:
        """What is wrong with a credential's declaration: fields relative to it, as `parameters.region`."""
        try:
            known = self.method(method)
        except Invalid as error:
            return (Problem(error.code, error.message, "method", error.hint),)
        return (*_unknown(known, parameters), *_unfit(known, parameters))

    def mint_key(self, place: Place, stored: Stored) -> str:
        """What one token serves: registrations with the same key, of one credential, share a token."""
        return place.host

    def login(self, place: Place, stored: Stored) -> Login | None:
        """What is delivered as it is stored; None where it has to be minted."""
        if self.method(stored.method).life is not None:
            return None
        return Login(stored.parameters.get("username", ""), stored.secret)

    async def mint(self, place: Place, stored: Stored, outside: Outside) -> Minted:
        """Exchange the stored credential for a token that pulls; `login` as it is where nothing has to be minted.

        Raises:
            Denied: `mint_denied`: the provider does not accept the credential, or it lacks a privilege.
            Throttled: `mint_throttled`.
            Unavailable: `mint_unavailable`: no answer, or one that says to come back.
            Invalid: the stored credential cannot be what it should be.
            Stalled: `mint_answer`: the answer is none, or the token in it has ended already.
        """
        login = self.login(place, stored)
        if login is None:
            raise Stalled("mint_answer", f"{self.title} does not say how to mint")
        return Minted(login, stored.expires_at)

    def rate_limit(self, signals: Mapping[str, str]) -> RateLimit | None:
        """What headers of an answer (names in lower case) tell of limits."""
        return None

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        """A page of repositories at or below the place's path, by `_catalog` unless the provider has better.

        Raises:
            As `oci.distribution`; NotFound `catalog_unsupported` where no list is to be had.
        """
        try:
            names, after = await _searched(reader.distribution.catalog, query, lambda name: is_below(name, place))
        except (Denied, NotFound, Stalled) as error:
            if error.code not in {"registry_denied", "registry_unsupported", "registry_not_v2"}:
                raise
            raise no_catalog(self.title, "its catalogue is switched off, or not for this credential") from None
        return Listing(tuple(Repository(name) for name in names if _REPOSITORY.fullmatch(name)), after)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        """A page of tags of a repository, by the OCI API unless the provider has better.

        Raises:
            As `oci.distribution`; Invalid `repository_name`.
        """
        checked_repository(repository)

        def page(*, after: str, limit: int) -> Awaitable[Names]:
            return reader.distribution.tags(repository, after=after, limit=limit)

        names, after = await _searched(page, query, lambda _: True)
        return Listing(tuple(Tag(name) for name in names if _TAG.fullmatch(name)), after)


def own_host(place: Place, note: str = "", *, certain: bool = True) -> Host:
    """The registry's own host, at the port of the place."""
    name, _, port = place.host.partition(":")
    return Host(name, Purpose.REGISTRY, note, certain, int(port or 443))


def leading(path: str, depth: int) -> str:
    """The first segments of a path."""
    return "/".join(path.split("/")[:depth])


def is_below(repository: str, place: Place) -> bool:
    """Whether a repository lies at or below the place's path."""
    return not place.path or f"{repository}/".startswith(f"{place.path}/")


def is_tag(name: object) -> bool:
    """Whether it can be a tag."""
    return isinstance(name, str) and _TAG.fullmatch(name) is not None


def is_repository(name: object) -> bool:
    """Whether it can be the path of a repository."""
    return isinstance(name, str) and len(name) <= 255 and _REPOSITORY.fullmatch(name) is not None


def checked_repository(name: str) -> str:
    """The name, if it can be one of a repository: it becomes part of addresses.

    Raises:
        Invalid: `repository_name`.
    """
    if not is_repository(name):
        hint = "lower-case letters and digits, joined by dots, underscores or dashes, with / between segments"
        raise Invalid("repository_name", f"{shown(name, 80)} is no path of a repository", hint=hint)
    return name


def no_catalog(title: str, why: str, hint: str = "name the repository, or see what environments run") -> NotFound:
    """That nothing lists the repositories here."""
    return NotFound("catalog_unsupported", f"{title} lists no repositories here: {why}", hint=hint)


def _unknown(method: Method, parameters: Mapping[str, str]) -> Iterator[Problem]:
    names = [known.name for known in method.fields]
    for name in parameters:
        if name not in names:
            message = f"{method.name} takes no parameter {shown(name, 40)}"
            hint = f"it takes {', '.join(names)}" if names else "it takes none"
            yield Problem("parameter_unknown", message, f"parameters.{shown(name, 40)}", hint)


def _unfit(method: Method, parameters: Mapping[str, str]) -> Iterator[Problem]:
    """What is missing or ill-formed. Values are not shown: a secret may have been put there by mistake."""
    for one in method.fields:
        value, place = parameters.get(one.name, ""), f"parameters.{one.name}"
        hint = "; ".join(filter(None, [one.hint, f"as {one.example}" if one.example else ""]))
        if not value:
            if one.required:
                yield Problem("parameter_missing", f"{method.name} needs the parameter {one.name}", place, hint)
        elif (
            len(value) > MAX_PARAMETER_CHARACTERS
            or _LINE.fullmatch(value) is None
            or re.fullmatch(one.pattern or ".+", value) is None
        ):
            message = f"is no {one.label[:1].lower()}{one.label[1:]} (not shown, as it may hold a secret)"
            yield Problem("parameter_form", message, place, hint)


async def _searched(
    page: Callable[..., Awaitable[Names]], query: Query, wanted: Callable[[str], bool]
) -> tuple[tuple[str, ...], str]:
    """The first page that has anything of what is sought, of at most MAX_ROUNDS, and where the next one begins."""
    after, limit = query.after, max(1, min(query.limit, MAX_PAGE))
    for _ in range(MAX_ROUNDS):
        found = await page(after=after, limit=limit)
        names = tuple(name for name in found.names if query.search in name and wanted(name))
        after = found.after
        if names or not after:
            return names, after
    return (), after
