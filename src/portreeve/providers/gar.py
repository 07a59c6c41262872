"""Google Artifact Registry: <location>-docker.pkg.dev/<project>/<repository>, and the legacy gcr.io.

Signs in with the JSON key of a service account: as it is, as user `_json_key` (`json-key`), or exchanged (`gcp-key`): a
JWT that the key signs (RS256) is sent to Google's token endpoint, which gives an access token for 60 min, used as
`oauth2accesstoken`. What pulls is then never the key itself. The key's `token_uri` must be Google's own: whoever wrote
the file does not choose where we send what it signs.

Needs: roles/artifactregistry.reader on the repository. For gcr.io that is not yet moved: roles/storage.objectViewer.
Lists: the Artifact Registry API with the same key; on gcr.io `_catalog`.
Limits: quotas of the project; not told in headers.

Sources: Google Cloud docs, "Set up authentication for Docker", "Transition from Container Registry"; RFC 7523, 2.1;
Artifact Registry REST v1.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote

from portreeve.core.credential import Login
from portreeve.core.egress import Purpose
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid
from portreeve.providers._answers import (
    FORM,
    Browsing,
    Failures,
    Minting,
    address,
    asked,
    bearer,
    cursor,
    digest,
    ending,
    failed,
    form,
    mapping,
    moment,
    parsed,
    rows,
    seconds,
    secret,
    segment,
    successful,
    text,
)
from portreeve.providers.contract import (
    BROWSE_NOTE,
    MAX_PAGE,
    MAX_ROUNDS,
    PROBE_NOTE,
    Browse,
    Claim,
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

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 -- an address
API: Final = "https://artifactregistry.googleapis.com/v1"
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform.read-only"
LIFE: Final = timedelta(minutes=60)
"""Source: Google Cloud docs, "Token types", access tokens."""

MAX_KEY_BYTES: Final = 16384
"""Of a JSON key; they have some 2,300."""

_HOST: Final = re.compile(r"(?:(?P<location>[a-z0-9-]+)-docker|[*])\.pkg\.dev")
_LEGACY: Final = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
_CONSOLE: Final = re.compile(
    r"artifacts/docker/(?P<project>[^/]+)/(?P<location>[a-z0-9-]+)/(?P<repository>[^/]+)(/.*)?"
)
_MINTING: Final = Minting("Google", "see that the key is not disabled or deleted, and that the clocks are right")
_BROWSING: Final = Browsing("Google Artifact Registry", "it needs roles/artifactregistry.reader on the repository")
_NEEDS: Final = ("roles/artifactregistry.reader on the repository",)


class Gar(Provider):
    """Google Artifact Registry."""

    name = "gar"
    title = "Google Artifact Registry"
    methods = (
        Method(
            "gcp-key",
            "Service account key, exchanged for a token of an hour",
            "JSON key of the service account",
            life=LIFE,
            needs=_NEEDS,
        ),
        Method(
            "json-key",
            "Service account key, as it is",
            "JSON key of the service account",
            needs=_NEEDS,
            advice="the key itself is delivered to every namespace that pulls: prefer the exchange (gcp-key)",
        ),
    )
    browse = Browse.API
    depth = 2
    notes = (
        "new deployments use pkg.dev: gcr.io is legacy, and served by Artifact Registry where it still answers",
        "on GKE, delivery mode cluster-identity needs no stored credential to pull",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if found := _HOST.fullmatch(host):
            parameters = {"location": found["location"]} if found["location"] else {}
            return Claim(self.name, Place(host, _base(path)), parameters=parameters)
        if host in _LEGACY:
            instead = f"{_LEGACY[host]}-docker.pkg.dev"
            note = f"{host} is legacy: new deployments use Artifact Registry"
            return Claim(self.name, Place(host, leading(path, 1)), note=note, instead=instead)
        return Claim(self.name, Place(host)) if host == "*.gcr.io" else None

    def console(self, host: str, path: str) -> Claim | None:
        found = _CONSOLE.fullmatch(path) if host == "console.cloud.google.com" else None
        if found is None:
            return None
        # A project of a domain is written example.com:project in the console, example.com/project in references.
        repository = f"{unquote(found['project']).replace(':', '/')}/{found['repository']}"
        host = f"{found['location']}-docker.pkg.dev"
        return Claim(self.name, Place(host, repository if is_repository(repository) else ""))

    def product(self, place: Place) -> str:
        return "gcr" if _is_legacy(place) else self.name

    def hosts(self, place: Place) -> tuple[Host, ...]:
        storage = Host("storage.googleapis.com", Purpose.BLOBS, PROBE_NOTE, certain=False)
        if _is_legacy(place):
            return (own_host(place), storage)
        if _HOST.fullmatch(place.host) is None:
            return super().hosts(place)
        return (
            own_host(place),
            Host("artifactregistry.googleapis.com", Purpose.API, BROWSE_NOTE),
            Host("oauth2.googleapis.com", Purpose.API, "to mint tokens"),
            storage,
        )

    def mint_key(self, place: Place, stored: Stored) -> str:
        # A token is good for every location: it is the service account's.
        return "google"

    def login(self, place: Place, stored: Stored) -> Login | None:
        if self.method(stored.method).life is not None:
            return None
        _key(stored.secret)
        return Login("_json_key", stored.secret)

    async def mint(self, place: Place, stored: Stored, outside: Outside) -> Minted:
        if self.method(stored.method).life is None:
            return await super().mint(place, stored, outside)
        return await _access(stored, outside, _MINTING)

    async def repositories(self, place: Place, reader: Reader, query: Query) -> Listing[Repository]:
        found = _HOST.fullmatch(place.host)
        if found is None or reader.stored is None:
            return await super().repositories(place, reader, query)
        if place.path.count("/") < _projects(place.path):
            raise no_catalog(self.title, "it lists those of one repository", "set spec.path to project/repository")
        parent = _parent(found["location"], place.path)
        token = (await _access(reader.stored, reader.outside, _BROWSING)).login.password
        after = query.after
        for _ in range(MAX_ROUNDS):
            answer = await _page(f"{parent}/packages", token, reader, query, after)
            names = tuple(_packages(rows(answer.get("packages")), place, query.search))
            after = cursor(answer.get("nextPageToken"), _BROWSING)
            if names or not after:
                return Listing(names, after)
        return Listing((), after)

    async def tags(self, place: Place, repository: str, reader: Reader, query: Query) -> Listing[Tag]:
        found = _HOST.fullmatch(place.host)
        package = checked_repository(repository).removeprefix(f"{_base(repository)}/")
        if found is None or reader.stored is None or package == repository:
            return await super().tags(place, repository, reader, query)
        url = f"{_parent(found['location'], repository)}/packages/{segment(package)}/tags"
        token = (await _access(reader.stored, reader.outside, _BROWSING)).login.password
        after = query.after
        for _ in range(MAX_ROUNDS):
            answer = await _page(url, token, reader, query, after)
            named = (_tag(row) for row in rows(answer.get("tags")))
            tags = tuple(tag for tag in named if tag is not None and query.search in tag.name)
            after = cursor(answer.get("nextPageToken"), _BROWSING)
            if tags or not after:
                return Listing(tags, after)
        return Listing((), after)


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """What is used of a JSON key."""

    email: str
    key_id: str
    pem: SecretValue


def _key(stored: SecretValue) -> _Key:
    """The JSON key of a service account.

    Raises:
        Invalid: `mint_secret`: it is none, or its tokens would come from somewhere else.
    """
    data = stored.reveal()
    try:
        found = json.loads(data) if len(data) <= MAX_KEY_BYTES else None
    except (ValueError, RecursionError):
        found = None
    fields = mapping(found)
    email, key_id, pem = (text(fields.get(name), 8192) for name in ("client_email", "private_key_id", "private_key"))
    url = fields.get("token_uri", TOKEN_URL)
    if not email or not pem or fields.get("type") != "service_account" or url != TOKEN_URL:
        hint = "store the whole file that Google gave for a service account's key"
        raise Invalid("mint_secret", "what is stored is no JSON key of a Google service account", hint=hint)
    return _Key(email, key_id, SecretValue(pem))


async def _access(stored: Stored, outside: Outside, failures: Failures) -> Minted:
    """An access token for the key. Source: RFC 7523, 2.1."""
    key = _key(stored.secret)
    issued = int(outside.now.timestamp())
    claims = {
        "iss": key.email,
        "scope": SCOPE,
        "aud": TOKEN_URL,
        "iat": issued,
        "exp": issued + int(LIFE.total_seconds()),
    }
    header = {"alg": "RS256", "typ": "JWT", **({"kid": key.key_id} if key.key_id else {})}
    signing_input = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
    signature = outside.sign_rs256(key.pem, signing_input.encode())
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    body = form({"grant_type": grant, "assertion": SecretValue(f"{signing_input}.{_encoded(signature)}")})
    response = await asked(outside, Request("POST", TOKEN_URL, FORM, body), failures)
    if response.status == 400:
        kind = text(mapping(parsed(response, failures)).get("error"), 64)
        if kind in {"invalid_grant", "invalid_client", "unauthorized_client"}:
            raise failures.denied("the key is not accepted")
        raise failures.unreadable("it answered 400")
    if response.status != 200:
        raise failed(response, failures)
    answer = mapping(parsed(response, failures))
    token, life = secret(answer.get("access_token"), failures), seconds(answer.get("expires_in"))
    if life is None:
        raise failures.unreadable("it does not say how long the token lives")
    return Minted(Login("oauth2accesstoken", token), ending(outside.now + life, outside, LIFE, failures))


def _encoded(data: bytes) -> str:
    """Source: RFC 7515, 2 (base64url without padding)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _is_legacy(place: Place) -> bool:
    return place.host in _LEGACY or place.host == "*.gcr.io"


def _projects(path: str) -> int:
    """How many segments are the project: that of a domain, `example.com:acme`, has two in references."""
    return 2 if "." in path.partition("/")[0] else 1


def _base(path: str) -> str:
    """Project and repository."""
    return leading(path, _projects(path) + 1)


def _parent(location: str, path: str) -> str:
    *project, repository = _base(path).split("/")
    return (
        f"{API}/projects/{segment(':'.join(project))}/locations/{segment(location)}/repositories/{segment(repository)}"
    )


async def _page(url: str, token: SecretValue, reader: Reader, query: Query, after: str) -> Mapping[str, Any]:
    asking = address(url, {"pageSize": max(1, min(query.limit, MAX_PAGE)), "pageToken": after})
    headers: dict[str, str | SecretValue] = {
        "accept": "application/json",
        "authorization": bearer(token),
    }
    response = await asked(reader.outside, Request("GET", asking, headers), _BROWSING)
    return mapping(successful(response, _BROWSING))


def _packages(found: Any, place: Place, search: str) -> Iterator[Repository]:
    """Names are `projects/…/packages/<name>`, the last part percent-encoded."""
    base = _base(place.path)
    for row in found:
        name = f"{base}/{unquote(text(row.get('name')).rpartition('/')[2])}"
        if is_repository(name) and is_below(name, place) and search in name:
            yield Repository(name, pushed_at=moment(row.get("updateTime")))


def _tag(row: Mapping[str, Any]) -> Tag | None:
    name = text(row.get("name")).rpartition("/")[2]
    return Tag(name, digest(text(row.get("version")).rpartition("/")[2])) if is_tag(name) else None


PROVIDER: Final = Gar()
