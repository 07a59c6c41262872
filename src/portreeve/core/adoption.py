"""Pull secrets that others made: who uses which, what is wrong with each, and which credentials are worth taking over.

Theory of operation
-------------------
What a cluster shows is `Facts`: the Secrets with their contents, whatever names them, and what could not be seen. From
them `report` makes one row for each Secret. Nothing is concluded from what was not seen: a Secret is an orphan only
where everything that may name it could be listed.

Two logins are the same when place, user and password are. That is told by a hash under a key of this run, which is kept
nowhere, so that a report says which Secrets hold the same and nothing about what.

`chosen` makes of the rows that somebody picked one `Wanted` for each place and user, with the namespaces where it is
used. What cannot be decided is left out with its reason: two passwords for one user of one place, two users of one
place in one namespace (a pull secret has one login for a key), tokens that end in hours, logins that are refused.

Left out: custom resources that name Secrets, which nobody can list without knowing their kinds.

Sources: requirements B-05; Kubernetes, "Pull an Image from a Private Registry".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from portreeve.core.found_logins import KEYS, Contents, FoundLogin
from portreeve.core.reference import SourcePrefix
from portreeve.core.secret import SecretValue

Name = tuple[str, str]
"""Namespace and name of a Secret."""

ACCOUNT: Final = "ServiceAccount"


@dataclass(frozen=True, slots=True, eq=False)
class FoundSecret:
    """A Secret that the kubelet reads, or that a pod names as one. `ours` is one that Portreeve delivers.

    `maker` names what would make it again, "" where nothing is known to.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    type: str
    created_at: datetime
    contents: Contents
    ours: bool = False
    maker: str = ""

    @property
    def key(self) -> Name:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Consumer:
    """Something that names Secrets: a pod that has not ended, a workload, or a ServiceAccount.

    `pulls` are those of `imagePullSecrets`, in order; `mounts` those that it uses otherwise. `owner` is the controller
    of a pod, as (kind, name). `uid` and `resource_version` are those of a ServiceAccount, "" of all others.
    """

    kind: str
    namespace: str
    name: str
    pulls: tuple[str, ...] = ()
    mounts: frozenset[str] = frozenset()
    images: tuple[str, ...] = ()
    owner: tuple[str, str] | None = None
    uid: str = ""
    resource_version: str = ""
    maker: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a cluster shows. `unseen` is namespace → what could not be listed there; namespace "" is everywhere."""

    secrets: tuple[FoundSecret, ...]
    consumers: tuple[Consumer, ...]
    unseen: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def blind(self, namespace: str) -> frozenset[str]:
        """What could not be seen in a namespace."""
        return self.unseen.get(namespace, frozenset()) | self.unseen.get("", frozenset())


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """Who uses a Secret, and how: "pull" or "mount". `pods` counts those of one controller, 0 for what is no pod."""

    kind: str
    name: str
    how: str = "pull"
    pods: int = 0


class State(StrEnum):
    """What there is to say of a Secret; several may hold."""

    OURS = "ours"
    ORPHANED = "orphaned"
    USE_UNKNOWN = "use-unknown"
    EXPIRED = "expired"
    INVALID = "invalid"
    WRONG_TYPE = "wrong-type"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    SEVERAL_HOSTS = "several-hosts"
    MANAGED = "managed"


@dataclass(frozen=True, slots=True, eq=False)
class LoginRow:
    """One login of a row.

    `group` is the number of its group of Secrets with the same login, 0 where no other has it; `probe` is what the
    registry said, "" for nothing.
    """

    login: FoundLogin
    fingerprint: str
    group: int = 0
    probe: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One Secret of the report."""

    secret: FoundSecret
    logins: tuple[LoginRow, ...]
    uses: tuple[Use, ...]
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True, order=True)
class Dangling:
    """A Secret that is named and not there, and by whom."""

    namespace: str
    name: str
    users: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Rows by namespace and name, and names without a Secret. `groups` are Secrets with the same login, from 1."""

    rows: tuple[Row, ...]
    dangling: tuple[Dangling, ...]
    groups: Mapping[int, tuple[Name, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """A credential to take over: of which place and user, from which Secrets, for which namespaces; all sorted.

    `expires_at` is when it says that it ends, None if it does not.
    """

    place: SourcePrefix
    username: str
    password: SecretValue
    secrets: tuple[Name, ...]
    namespaces: tuple[str, ...]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """A login that is not taken over, and the code of the reason. `key` is "" where that is about the whole Secret."""

    namespace: str
    name: str
    key: str
    reason: str


REASONS: Final[Mapping[str, str]] = {
    "ours": "Portreeve delivers it",
    "orphaned": "nothing that is seen uses it; name it to take it over",
    "wrong_type": "it is of a type that no kubelet reads",
    "no_data": "its data lack the key of its type",
    "not_json": "it holds no JSON",
    "no_auths": "it holds no logins",
    "login_unreadable": "a login in it cannot be read, so that a kubelet passes over the whole Secret",
    "no_password": "it has no user name or no password",
    "no_place": "its key is a host glob, or no host that an image can name",
    "minted": "it is a token that ends within hours: add the registry with a way to sign in that mints tokens",
    "expired": "it has ended",
    "refused": "the registry refuses it",
    "no_method": "no provider signs in like that with a password",
    "username": "its user name has a colon, which cannot be sent",
    "passwords_differ": "another Secret has another password for the same user of the same place: name the right one",
    "users_differ": "another Secret in the namespace has another user for the same place: name the right one",
}
"""Reason → what to say of it."""


def report(facts: Facts, key: bytes, now: datetime, probes: Mapping[str, str] | None = None) -> Report:
    """The report.

    Args:
        key: random bytes of this run.
        now: UTC, aware.
        probes: fingerprint → what the registry said: "accepted", "refused", or the code of why it could not be asked.
    """
    uses = users(facts.consumers)
    prints = {secret.key: [login.fingerprint(key) for login in secret.contents.logins] for secret in facts.secrets}
    holders: dict[str, set[Name]] = defaultdict(set)
    for secret in facts.secrets:
        for login, found in zip(secret.contents.logins, prints[secret.key], strict=True):
            if login.password is not None and not secret.ours:
                holders[found].add(secret.key)
    shared = sorted((tuple(sorted(names)), found) for found, names in holders.items() if len(names) > 1)
    numbers = {found: number for number, (_, found) in enumerate(shared, start=1)}
    rows = []
    for secret in sorted(facts.secrets, key=lambda one: one.key):
        logins = tuple(
            LoginRow(login, found, numbers.get(found, 0), (probes or {}).get(found, ""))
            for login, found in zip(secret.contents.logins, prints[secret.key], strict=True)
        )
        used = uses.get(secret.key, ())
        states = tuple(_states(secret, logins, used, facts.blind(secret.namespace), now))
        rows.append(Row(secret, logins, used, states))
    groups = {number: names for number, (names, _) in enumerate(shared, start=1)}
    return Report(tuple(rows), tuple(_dangling(facts, uses)), groups)


def users(consumers: Iterable[Consumer]) -> dict[Name, tuple[Use, ...]]:
    """Secret → who names it, sorted. Pods of one controller are one user."""
    counted: dict[Name, dict[Use, int]] = defaultdict(lambda: defaultdict(int))
    for one in consumers:
        kind, name = one.owner or (one.kind, one.name)
        for how, names in (("pull", frozenset(one.pulls)), ("mount", one.mounts)):
            for secret in names:
                counted[one.namespace, secret][Use(kind, name, how)] += one.kind == "Pod"
    return {
        key: tuple(sorted(Use(use.kind, use.name, use.how, pods) for use, pods in found.items()))
        for key, found in counted.items()
    }


def _states(
    secret: FoundSecret, logins: tuple[LoginRow, ...], uses: tuple[Use, ...], blind: Collection[str], now: datetime
) -> Iterator[State]:
    if secret.ours:
        yield State.OURS
    elif not uses:
        yield State.USE_UNKNOWN if blind else State.ORPHANED
    if secret.type not in KEYS:
        yield State.WRONG_TYPE
    elif secret.contents.problem or any(one.login.problem for one in logins if not secret.ours):
        yield State.INVALID
    if any(one.login.expired(now) for one in logins):
        yield State.EXPIRED
    if any(one.probe == "refused" for one in logins):
        yield State.REFUSED
    if not secret.ours and any(one.group for one in logins):
        yield State.DUPLICATE
    if len({one.login.place.host if one.login.place else one.login.key for one in logins}) > 1:
        yield State.SEVERAL_HOSTS
    if secret.maker:
        yield State.MANAGED


def _dangling(facts: Facts, uses: Mapping[Name, tuple[Use, ...]]) -> Iterator[Dangling]:
    there = {secret.key for secret in facts.secrets}
    for key, found in sorted(uses.items()):
        pulling = tuple(use for use in found if use.how == "pull")
        if pulling and key not in there and "secrets" not in facts.blind(key[0]):
            yield Dangling(*key, pulling)


def chosen(rows: Iterable[Row], now: datetime, *, named: bool = True) -> tuple[tuple[Wanted, ...], tuple[LeftOut, ...]]:
    """What to take over of these rows, and what is left out of them, both sorted.

    Orphans are taken over only if somebody has `named` the rows: nobody there needs a grant.
    """
    usable: list[tuple[Row, LoginRow]] = []
    left: list[LeftOut] = []
    for row in rows:
        whole = "ours" if row.secret.ours else row.secret.contents.problem
        if not named and State.ORPHANED in row.states:
            whole = whole or "orphaned"
        if whole:
            left.append(LeftOut(*row.secret.key, "", whole))
            continue
        for one in row.logins:
            reason = _unusable(one, now)
            if reason:
                left.append(LeftOut(*row.secret.key, one.login.key, reason))
            else:
                usable.append((row, one))
    usable = _settled(usable, left)
    groups: dict[tuple[SourcePrefix, str], list[tuple[Row, LoginRow]]] = defaultdict(list)
    for row, one in usable:
        assert one.login.place is not None, "what has no place is not usable"
        groups[one.login.place, one.login.username].append((row, one))
    wanted = [_wanted(place, user, held) for (place, user), held in sorted(groups.items(), key=lambda item: item[0])]
    return tuple(wanted), tuple(sorted(left))


def _unusable(row: LoginRow, now: datetime) -> str:
    login = row.login
    if login.problem:
        return login.problem
    if login.expired(now):
        return "expired"
    if login.minted:
        return "minted"
    if ":" in login.username:
        return "username"
    return "refused" if row.probe == "refused" else ""


def _settled(usable: list[tuple[Row, LoginRow]], left: list[LeftOut]) -> list[tuple[Row, LoginRow]]:
    """Those that agree with each other; the others go to `left`."""
    passwords: dict[object, set[str]] = defaultdict(set)
    names: dict[object, set[str]] = defaultdict(set)
    for row, one in usable:
        passwords[one.login.place, one.login.username].add(one.fingerprint)
        names[row.secret.namespace, one.login.place].add(one.login.username)
    kept = []
    for row, one in usable:
        differ = len(passwords[one.login.place, one.login.username]) > 1
        if differ or len(names[row.secret.namespace, one.login.place]) > 1:
            reason = "passwords_differ" if differ else "users_differ"
            left.append(LeftOut(*row.secret.key, one.login.key, reason))
        else:
            kept.append((row, one))
    return kept


def _wanted(place: SourcePrefix, username: str, held: list[tuple[Row, LoginRow]]) -> Wanted:
    login = held[0][1].login
    assert login.password is not None, "what has no password is not usable"
    secrets = tuple(sorted({row.secret.key for row, _ in held}))
    namespaces = tuple(sorted({namespace for namespace, _ in secrets}))
    return Wanted(place, username, login.password, secrets, namespaces, login.expires_at)
