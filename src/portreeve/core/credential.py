"""Pull secrets as values: which key a credential stands under, what is put together, and what a kubelet offers.

Theory of operation
-------------------
A pull secret holds `auths`: key → user name and password. The kubelet reads a key as a URL, drops the scheme and a
leading `/v1/` or `/v2/` of the path, and compares what is left with the canonical repository: the host label by label,
the port exactly, the path as a plain string prefix. Every match is offered in turn, the longest first; the key of
Docker Hub as a whole is only looked at when nothing else matched.

Hence three rules of spelling:

* A key ends in `/`, so that the string prefix is a prefix of whole segments (`host/team/` does not cover
  `host/team-evil`). The price: a repository whose whole path *is* the granted path (`host/team`) is offered nothing;
  grant the path above it. Docker Hub as a whole is `https://index.docker.io/v1/`, which other readers understand, too.
* A path that begins with `v1` or `v2` gets the scheme and a `/v2/` of its own in front: written plainly, the kubelet
  would drop the segment and offer the credential to the whole host.
* During a rotation the older version stands under another spelling of the same key (`https://host/v2/path/`), so that
  both are offered and no pull fails.

A *hollow* entry keeps its key and has an empty user name and password: the Secret stays the same object, and containers
that already run are not asked to pull again.

Left out: the Secret object around it, who is granted what, and host globs, which we never write.

Sources: kubernetes/pkg/credentialprovider/keyring.go (BasicDockerKeyring.Add and Lookup, URLsMatch);
corev1.MaxSecretSize; Kubernetes, "Pull an Image from a Private Registry".
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from portreeve.core.reference import DOCKER_HUB, DOCKER_HUB_ALIAS, Reference, SourcePrefix, parse_prefix, shown
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Problem

DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"

MAX_PULL_SECRET_BYTES: Final = 1024 * 1024
"""Bytes of data in one Secret. Source: corev1.MaxSecretSize."""

_DROPPED_SEGMENTS: Final = ("v1", "v2")
"""First path segments that the kubelet takes for the registry's API version."""

_GLOB: Final = frozenset("*?[\\")
"""Characters that Go's filepath.Match gives a meaning to."""


@dataclass(frozen=True, slots=True, order=True)
class CredentialRef:
    """Which version of which credential; never the secret itself.

    `expires_at` is UTC and aware; None means that no expiry is known. It takes no part in comparisons.
    """

    id: str
    version: int
    expires_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Login:
    """What a registry is shown. Two logins are never compared."""

    username: str
    password: SecretValue


@dataclass(frozen=True, slots=True)
class Granted:
    """A credential that a namespace is granted, for everything at or below `source`. `login` is None when hollow."""

    source: SourcePrefix
    credential: CredentialRef
    login: Login | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class AuthEntry:
    """One line of `auths`. `login` is None when hollow."""

    key: str
    credential: CredentialRef
    login: Login | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class KeyConflict:
    """Different credentials granted for one key; sorted by id, at least two."""

    key: str
    credentials: tuple[CredentialRef, ...]

    def problem(self) -> Problem:
        """The conflict as text for a person."""
        names = ", ".join(shown(credential.id) for credential in self.credentials)
        return Problem(
            "pull_key_conflict",
            f"{shown(self.key)} is granted with different credentials: {names}",
            hint="take back one grant, or narrow its path",
        )


@dataclass(frozen=True, slots=True)
class Auths:
    """Entries sorted by key, and the keys that have none because their grants disagree, sorted by key.

    A caller keeps what it delivered before under a conflicting key: which identity pulls is not ours to guess.
    """

    entries: tuple[AuthEntry, ...]
    conflicts: tuple[KeyConflict, ...]


def auth_key(source: SourcePrefix) -> str:
    """The key under which a credential is offered for what lies below `source`, and for nothing else.

    Raises:
        Invalid: the host is a wildcard; a credential is not shown to hosts that nobody named.
    """
    if source.wildcard:
        raise Invalid("pull_key_wildcard", f"{source}: a credential needs a host without wildcard")
    if source.host == DOCKER_HUB and not source.path:
        return DOCKER_HUB_KEY
    if source.path.partition("/")[0] in _DROPPED_SEGMENTS:
        return f"https://{source.host}/v2/{source.path}/"
    return source.key


def source_of(key: str) -> SourcePrefix:
    """What lies below a key that `auth_key` gave.

    Raises:
        Invalid: `pull_key`: it is no key that `auth_key` gives.
    """
    fault = Invalid(
        "pull_key", f"{shown(key)} is no key of a pull secret of ours", hint="let both sides be of one release"
    )
    plain = key
    if key == DOCKER_HUB_KEY:
        plain = DOCKER_HUB
    elif key.startswith("https://"):
        host, _, rest = key.removeprefix("https://").partition("/v2/")
        plain = f"{host}/{rest}"
    try:
        found = parse_prefix(plain)
        right = auth_key(found) == key
    except Invalid:
        right = False
    if not right:
        raise fault
    return found


def alias_key(source: SourcePrefix) -> str:
    """A second spelling of `auth_key`, which the kubelet reads as the same key."""
    auth_key(source)
    if source.host == DOCKER_HUB and not source.path:
        return f"https://{DOCKER_HUB_ALIAS}/v2/"
    version = "v1" if source.path.partition("/")[0] in _DROPPED_SEGMENTS else "v2"
    return f"https://{source.host}/{version}/{source.path}/" if source.path else f"https://{source.host}/{version}/"


def put_together(granted: Iterable[Granted]) -> Auths:
    """The `auths` of one namespace.

    Several sources live side by side; the longest path wins when an image is pulled. One version granted twice is one
    entry, live if any of its grants is. Of several versions of one credential the newest has the key and the one before
    it the alias; older ones were superseded twice and are left out.
    """
    by_source: dict[SourcePrefix, list[Granted]] = defaultdict(list)
    for grant in granted:
        by_source[grant.source].append(grant)
    entries: list[AuthEntry] = []
    conflicts: list[KeyConflict] = []
    for source, grants in by_source.items():
        if len(grants) > 1 and len({grant.credential.id for grant in grants}) > 1:
            involved = tuple(sorted({grant.credential for grant in grants}))
            conflicts.append(KeyConflict(auth_key(source), involved))
        else:
            entries += _versions(source, grants)
    return Auths(
        tuple(sorted(entries, key=lambda entry: entry.key)),
        tuple(sorted(conflicts, key=lambda conflict: conflict.key)),
    )


def _versions(source: SourcePrefix, granted: list[Granted]) -> list[AuthEntry]:
    """At most two entries for the versions of one credential, the newest first."""
    if len(granted) == 1:
        return [AuthEntry(auth_key(source), granted[0].credential, granted[0].login)]
    newest: dict[int, Granted] = {}
    for grant in sorted(granted, key=lambda grant: grant.login is not None):
        newest[grant.credential.version] = grant
    ordered = sorted(newest, reverse=True)
    return [
        AuthEntry(key, newest[version].credential, newest[version].login)
        for key, version in zip((auth_key(source), alias_key(source)), ordered, strict=False)
    ]


def hollow(entry: AuthEntry) -> AuthEntry:
    """The same key without its credential."""
    return replace(entry, login=None)


def render(entries: Iterable[AuthEntry]) -> SecretValue:
    """The bytes of `.dockerconfigjson`, the same for the same entries.

    `auth` repeats user name and password for readers that know nothing else; a hollow entry has none.

    Raises:
        Invalid: larger than a Secret may be, or a login that the format cannot hold.
    """
    auths = {entry.key: _auth(entry) for entry in entries}
    data = json.dumps({"auths": auths}, sort_keys=True, separators=(",", ":")).encode()
    if len(data) > MAX_PULL_SECRET_BYTES:
        raise Invalid(
            "pull_secret_too_large",
            f"the pull secret would have {len(data):,} bytes for {len(auths)} registries;"
            f" a Secret holds {MAX_PULL_SECRET_BYTES:,}",
            hint="grant the namespace fewer registries, or one registry as a whole in place of many paths",
        )
    return SecretValue(data)


def _auth(entry: AuthEntry) -> dict[str, str]:
    if entry.login is None:
        return {"username": "", "password": ""}
    username, password = entry.login.username, _password(entry.login, entry.credential.id)
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"username": username, "password": password, "auth": auth}


def encode_login(login: Login) -> SecretValue:
    """What is sealed for an agent, and stored of a minted token: JSON with `password` and `username`, and no spaces.

    Raises:
        Invalid: it is none that a pull secret can hold.
    """
    password = _password(login)
    data = json.dumps({"password": password, "username": login.username}, sort_keys=True, separators=(",", ":"))
    return SecretValue(data)


def decode_login(secret: SecretValue) -> Login:
    """What `encode_login` has written.

    Raises:
        Invalid: `credential_not_login`; what it is instead is not told.
    """
    try:
        read = json.loads(secret.reveal())
        username, password = read["username"], read["password"]
    except (ValueError, TypeError, KeyError):
        username = password = None
    if not isinstance(username, str) or not isinstance(password, str):
        raise Invalid("credential_not_login", "what was opened is no user name with a password")
    return Login(username, SecretValue(password))


def _password(login: Login, credential: str = "") -> str:
    """The password as text, of a login that can be sent. The decoding error is not chained: it quotes the bytes."""
    which = f"credential {shown(credential)}: " if credential else ""
    if not login.username or ":" in login.username:
        hint = "give the name as the registry knows it; a colon cannot be sent (RFC 7617)"
        raise Invalid("credential_username", f"{which}the user name is empty or has a colon", hint=hint)
    try:
        text = login.password.reveal().decode()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise Invalid("credential_not_text", f"{which}the password is empty or is not UTF-8 text")
    return text


def offered(entries: Iterable[AuthEntry], reference: Reference) -> tuple[AuthEntry, ...]:
    """What a kubelet offers for `reference`, in the order in which it tries; hollow entries count."""
    by_key = {entry.key: entry for entry in entries}
    return tuple(by_key[key] for key in offered_keys(by_key, reference))


def offered_keys(keys: Iterable[str], reference: Reference) -> tuple[str, ...]:
    """The keys of `auths` that a kubelet takes for `reference`, in the order in which it tries them.

    Keys in any spelling but host globs. The kubelet's order among spellings of one key is random; here it is sorted.

    The host of the reference is in lower case here, while the kubelet compares as the pod wrote it: a pod that writes
    its registry in upper case is offered nothing.

    Raises:
        Invalid: a key has a host glob.
    """
    index: dict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        index[_indexed(key)].append(key)
    matching = [read for read in sorted(index, reverse=True) if _matches(read, reference)]
    if not matching and _falls_back_to_hub(reference.host):
        return tuple(index.get(DOCKER_HUB_ALIAS, ()))
    return tuple(key for read in matching for key in index[read])


def _falls_back_to_hub(host: str) -> bool:
    """Docker Hub, and every host without dot and port, such as localhost. Source: isDefaultRegistryMatch."""
    return host in {DOCKER_HUB, DOCKER_HUB_ALIAS} or not set(".:") & set(host)


def _indexed(key: str) -> str:
    """The key as the kubelet files it: host and path, without scheme and API version."""
    host, slash, rest = key.removeprefix("https://").removeprefix("http://").partition("/")
    if _GLOB & set(host):
        raise Invalid("pull_key_wildcard", f"{shown(key)}: a key with a host glob is not judged")
    path = slash + rest
    if path.startswith(tuple(f"/{segment}/" for segment in _DROPPED_SEGMENTS)):
        path = path[len("/v1") :]
    return host if path == "/" else host + path


def _matches(indexed: str, reference: Reference) -> bool:
    host, slash, rest = indexed.partition("/")
    return host == reference.host and f"/{reference.path}".startswith(slash + rest)
