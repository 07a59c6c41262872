"""What an agent sees of a cluster, and which of it is ours.

An object is *marked* when it carries our label and nobody but our field manager holds a field that we write: a second
manager of one of them means that somebody took the object over, or applied the same value and would lose it with ours.
Whoever wants to can forge that; why it is enough for our one name is in docs/adr/0019.
It is *ours* when its UID is recorded, too. What a Secret holds is told by an annotation, as names and versions and
never as values, so that it is known without reading the Secret and after any loss of the agent's own records.

An entry in a ServiceAccount is shown to be ours while our field manager alone holds the list. The list is atomic: who
changes it holds it from then on, and who applies it as it is shares it.

Left out: reading these from API objects (the edge does), and pods that were started without the pull secret.

Sources: threats AG-08; kubernetes.md 2.4 "Collision behaviour"; Kubernetes, "Server-Side Apply" (managedFields).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from portreeve.core.credential import AuthEntry, CredentialRef, Login
from portreeve.core.reference import Reference

PULL_SECRET: Final = "portreeve-pull"  # noqa: S105 - the name of an object, no password
"""The name of the one Secret in each namespace, and of the entry in ServiceAccounts."""

MANAGER: Final = "portreeve"
"""Our field manager: under which name the server records the fields that we set."""

OWNER_LABEL: Final = ("app.kubernetes.io/managed-by", "portreeve")

ENTRIES_ANNOTATION: Final = "portreeve.io/entries"
"""What our Secret holds, as `encode_facts` writes it."""


MOST_FACTS: Final = 4_000
"""Entries that an annotation of 256 KB, the API server's limit, can name."""

MAX_ID: Final = 64
MAX_KEY: Final = 1_024
"""Characters of a credential's id, and of a key of `auths`."""

_TIME: Final = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class Kind(StrEnum):
    """What is listed and watched."""

    NAMESPACE = "Namespace"
    SECRET = "Secret"  # noqa: S105 - a kind of object
    ACCOUNT = "ServiceAccount"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True)
class EntryFact:
    """One entry of a pull secret without its value. `live` is False when it is hollow."""

    key: str
    credential: CredentialRef
    live: bool


def facts(entries: tuple[AuthEntry, ...]) -> tuple[EntryFact, ...]:
    """What the annotation says of entries."""
    return tuple(EntryFact(entry.key, entry.credential, entry.login is not None) for entry in entries)


def encode_facts(told: tuple[EntryFact, ...]) -> str:
    """The annotation: a JSON list, the same text for the same facts; names, numbers and times, never a value."""
    return json.dumps(
        [
            {
                "key": fact.key,
                "credential": fact.credential.id,
                "version": fact.credential.version,
                "live": fact.live,
                "expiresAt": None
                if fact.credential.expires_at is None
                else fact.credential.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for fact in told
        ],
        separators=(",", ":"),
    )


def decode_facts(text: str) -> tuple[EntryFact, ...] | None:
    """What `encode_facts` has written; None for anything else, as anybody with rights to the Secret may write here.

    It is reported, so nothing passes that a report cannot hold.
    """
    try:
        found = json.loads(text)
        return tuple(_decoded(one) for one in found) if len(found) <= MOST_FACTS else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _fits(key: str, credential: str, version: int) -> bool:
    return credential.isprintable() and len(credential) <= MAX_ID and len(key) <= MAX_KEY and 0 <= version < 2**53


def _decoded(one: dict[str, Any]) -> EntryFact:
    key, credential, version, live, ends = (one[name] for name in ("key", "credential", "version", "live", "expiresAt"))
    typed = type(key) is type(credential) is str and type(version) is int and type(live) is bool
    if not (typed and _fits(key, credential, version) and (ends is None or _TIME.fullmatch(ends))):
        raise TypeError
    expires_at = None if ends is None else datetime.strptime(ends, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return EntryFact(key, CredentialRef(credential, version, expires_at), live)


@dataclass(frozen=True, slots=True)
class NamespaceSeen:
    """A namespace; `terminating` once somebody has deleted it."""

    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class SecretSeen:
    """The Secret of our name in a namespace.

    `managers` hold at least one of the fields that we write. `entries` is the annotation, None where there is none that
    can be read. `logins` is key → login, None when the Secret was watched and not read.
    """

    namespace: str
    uid: str
    resource_version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    managers: frozenset[str] = frozenset()
    entries: tuple[EntryFact, ...] | None = None
    immutable: bool = False
    terminating: bool = False
    logins: Mapping[str, Login] | None = field(default=None, compare=False, repr=False)

    @property
    def marked(self) -> bool:
        """Whether it carries our marks, both of them, and nobody else's."""
        key, value = OWNER_LABEL
        return self.labels.get(key) == value and self.managers == {MANAGER}


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """A ServiceAccount; `pull_secrets` are the names in `imagePullSecrets`, in their order.

    `held`: our field manager alone holds that list. `tracked`: the server records managers of the object at all, which
    it does from a creation with fields or a first apply on, and not where it began with nothing but a name.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: tuple[str, ...] = ()
    held: bool = False
    tracked: bool = True

    @property
    def attached(self) -> bool:
        """Whether it has an entry of our name, whoever has written it."""
        return PULL_SECRET in self.pull_secrets

    @property
    def shows_ours(self) -> bool:
        """Whether the entry of our name is there, and is ours: nobody has changed the list after us."""
        return self.held and self.attached


@dataclass(frozen=True, slots=True)
class WorkloadSeen:
    """A pod or a workload: what it pulls, and whether somebody has to pull for it now.

    `registries` are named by annotations `portreeve.io/registry.<slug>`; `name` tells it from others of the namespace.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    images: tuple[Reference, ...] = ()
    registries: frozenset[str] = frozenset()
    pulling: bool = False


Seen = NamespaceSeen | SecretSeen | AccountSeen | WorkloadSeen


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is recorded of our entry in a ServiceAccount.

    Shown: at this version it was there, and ours; it stays so, whoever changes the list, until there is a version
    without it. Not `shown`: we are about to add it to the account of this version, or to take it away there, or it is
    gone: what is there in a later version may be anybody's.
    """

    version: str
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of a namespace before anything is done in it.

    `namespace_uid` tells a namespace from the one that is made after it; `secret_uid` is "" when none is ours.
    `attached` is by the UIDs of ServiceAccounts that we gave our entry, or are about to: nobody else's is ever removed.
    """

    namespace_uid: str
    secret_uid: str = ""
    attached: Mapping[str, Attachment] = field(default_factory=lambda: MappingProxyType({}))


def supersedes(new: Seen, old: Seen) -> bool:
    """Whether an object says more than what is known of its name: a later version, also of one that was made anew.

    Versions are numbers of one order for all objects of a kind (KEP-5504), until etcd is restored and a list says so.
    What is no number is taken as later when it is another one.
    """
    return later(new.resource_version, old.resource_version)


def later(new: str, old: str) -> bool:
    """Whether a version is a later one; see `supersedes`."""
    if new.isdecimal() and old.isdecimal():
        return int(new) > int(old)
    return new != old
