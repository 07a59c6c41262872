"""What one namespace should hold for a document: entries of the pull secret, and ServiceAccounts that name it.

Theory of operation
-------------------
`wanted` takes the document's grants that select the namespace, decides for each whether it is live now (`standing`:
always; `workload`: while something there uses the registry; `lease`: while somebody has to pull and for a quiet time
after; else hollow), and puts them together under `core.credential`'s keys.

*Nothing usable gives way to something unusable.* A credential that has ended, could not be opened, or is not there yet
is not written; what was delivered under its key before stays, as long as the key is granted. The same where grants
disagree on a key. To stay, an entry has to be written again with its neighbours, for which its login is needed:
`unread` names those that only the Secret itself still has.

Left out: `node` and `cluster-identity` bring no Secret; until when a lease is live (`core.leases`); splitting a Secret
that is too large.

Sources: mission rules 2, 3 and 6; kubernetes.md 3.1, 3.2 and 3.5; reliability I10 and F-61.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from portreeve.core.cluster import SYSTEM_NAMESPACES, NamespaceSelection
from portreeve.core.credential import (
    AuthEntry,
    CredentialRef,
    Granted,
    KeyConflict,
    Login,
    alias_key,
    auth_key,
    put_together,
)
from portreeve.core.observation import AccountSeen, EntryFact, NamespaceSeen, WorkloadSeen, facts
from portreeve.core.policy import Delivery, DeliveryMode, ServiceAccounts, ServiceAccountSelection
from portreeve.core.reference import SourcePrefix

DELIVERED: Final = frozenset({DeliveryMode.STANDING, DeliveryMode.WORKLOAD, DeliveryMode.LEASE})
"""Modes that bring a Secret."""

Logins = Mapping[CredentialRef, Login]

_USUAL: Final = Delivery()


@dataclass(frozen=True, slots=True)
class DocumentGrant:
    """A grant as an agent has it. `login` is None where there is nothing to deliver, or it could not be opened.

    Two versions of one credential are two grants.
    """

    registry: str
    source: SourcePrefix
    namespaces: NamespaceSelection
    delivery: Delivery = _USUAL
    credential: CredentialRef | None = None
    login: Login | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class _Selected:
    """Numbers of grants by the names that they select, and by their selectors, each of which is asked once for all.

    Ten thousand grants, asked one by one, took a core some ten seconds for each document of a thousand namespaces.
    """

    by_name: Mapping[str, tuple[int, ...]]
    by_selector: Mapping[NamespaceSelection, tuple[int, ...]]

    @classmethod
    def of(cls, grants: Iterable[DocumentGrant]) -> _Selected:
        by_name: dict[str, list[int]] = defaultdict(list)
        by_selector: dict[NamespaceSelection, list[int]] = defaultdict(list)
        for number, grant in enumerate(grants):
            if grant.delivery.mode not in DELIVERED:
                continue
            for name in set(grant.namespaces.names):
                by_name[name].append(number)
            if grant.namespaces.selector is not None:
                by_selector[NamespaceSelection((), grant.namespaces.selector)].append(number)
        return cls(
            {name: tuple(found) for name, found in by_name.items()},
            {selection: tuple(found) for selection, found in by_selector.items()},
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A desired state that was verified: its signature, its environment and its hash are right.

    `not_after` is UTC and aware. `render_digest` is what the policy renders to, by the control plane.
    """

    environment: str
    generation: int
    hash: str
    grants: tuple[DocumentGrant, ...] = ()
    not_after: datetime | None = None
    render_digest: str = ""
    _selected: _Selected = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_selected", _Selected.of(self.grants))

    def selecting(self, namespace: str, labels: Mapping[str, str]) -> tuple[DocumentGrant, ...]:
        """The grants that bring a Secret to a namespace of this name, with these labels, in their order."""
        numbers: Iterable[int] = self._selected.by_name.get(namespace, ())
        chosen = [those for one, those in self._selected.by_selector.items() if one.selects(namespace, labels)]
        if chosen:
            numbers = sorted(set(numbers).union(*chosen))
        return tuple([self.grants[number] for number in numbers])

    def ended(self, now: datetime) -> bool:
        """Whether nothing is done by it any more."""
        return self.not_after is not None and now >= self.not_after

    def logins(self) -> dict[CredentialRef, Login]:
        """Version → login, of everything that can be delivered."""
        return {
            grant.credential: grant.login
            for grant in self.grants
            if grant.credential is not None and grant.login is not None
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a namespace should hold. `granted` is False when nothing that brings a Secret selects it.

    `kept` are keys under which what was there stays for want of something better; `unread` those of them whose login
    has to be read first: nothing is written until then.
    """

    granted: bool
    entries: tuple[AuthEntry, ...] = ()
    conflicts: tuple[KeyConflict, ...] = ()
    kept: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def facts(self) -> tuple[EntryFact, ...]:
        """What the Secret's annotation says when it is as wanted; an entry that stays is live though it is unread."""
        told = facts(self.entries)
        return tuple(replace(fact, live=fact.live or fact.key in self.unread) for fact in told) if self.unread else told


def selecting(document: Document, namespace: NamespaceSeen) -> tuple[DocumentGrant, ...]:
    """The grants that bring a Secret to the namespace. Namespaces of the cluster's own parts get none (AG-07)."""
    if namespace.name in SYSTEM_NAMESPACES:
        return ()
    return document.selecting(namespace.name, namespace.labels)


def keys_of(grant: DocumentGrant) -> tuple[str, str]:
    """The keys that a grant's credential can stand under."""
    return auth_key(grant.source), alias_key(grant.source)


def used(grant: DocumentGrant, workloads: Iterable[WorkloadSeen], *, pulling: bool = False) -> bool:
    """Whether something uses the registry, by an image below the granted path or by its annotation."""
    return any(
        grant.registry in one.registries or any(grant.source.covers(image) for image in one.images)
        for one in workloads
        if one.pulling or not pulling
    )


def wanted(
    grants: tuple[DocumentGrant, ...],
    workloads: tuple[WorkloadSeen, ...],
    leased: frozenset[str],
    held: tuple[EntryFact, ...],
    logins: Logins,
    now: datetime,
) -> Wanted:
    """What a namespace should hold for the grants that select it.

    `leased` are the registries whose lease is live, `held` is what the Secret has now, if it is ours.
    """
    by_source: dict[SourcePrefix, list[DocumentGrant]] = defaultdict(list)
    for grant in grants:
        if grant.delivery.mode is not DeliveryMode.WORKLOAD or used(grant, workloads):
            by_source[grant.source].append(grant)
    taken: list[Granted] = []
    kept: list[str] = []
    for source, here in by_source.items():
        good = [one for grant in here if (one := _granted(grant, leased, now)) is not None]
        if good and len({one.credential.id for one in good}) == 1:
            taken += good
        else:
            # Of grants that disagree none is written; the conflict is told.
            kept += [fact.key for fact in held if fact.key in (auth_key(source), alias_key(source))]
    entries = put_together(taken).entries
    unread: tuple[str, ...] = ()
    if kept:
        known = {fact.key: fact for fact in held}
        staying = tuple(_again(known[key], logins) for key in sorted(kept))
        unread = tuple(entry.key for entry in staying if known[entry.key].live and entry.login is None)
        entries = tuple(sorted((*entries, *staying), key=lambda entry: entry.key))
    return Wanted(bool(grants), entries, _conflicts(by_source), tuple(sorted(kept)), unread)


def _granted(grant: DocumentGrant, leased: frozenset[str], now: datetime) -> Granted | None:
    """What is put under the grant's key; None if that would be of no use."""
    if grant.credential is None:
        return None
    if grant.delivery.mode is DeliveryMode.LEASE and grant.registry not in leased:
        return Granted(grant.source, grant.credential, None)
    ends = grant.credential.expires_at
    if grant.login is None or (ends is not None and ends <= now):
        return None
    return Granted(grant.source, grant.credential, grant.login)


def _again(fact: EntryFact, logins: Logins) -> AuthEntry:
    return AuthEntry(fact.key, fact.credential, logins.get(fact.credential) if fact.live else None)


def _conflicts(by_source: Mapping[SourcePrefix, list[DocumentGrant]]) -> tuple[KeyConflict, ...]:
    found = []
    for source, grants in by_source.items():
        if len(grants) == 1:
            continue
        credentials = {grant.credential for grant in grants if grant.credential is not None}
        if len({credential.id for credential in credentials}) > 1:
            found.append(KeyConflict(auth_key(source), tuple(sorted(credentials))))
    return tuple(sorted(found, key=lambda conflict: conflict.key))


def attaches(grants: Iterable[DocumentGrant], account: AccountSeen) -> bool:
    """Whether one of the grants of a namespace gives the ServiceAccount our entry: a union, it isolates nothing."""
    return any(_attaches(grant.delivery.service_accounts, account) for grant in grants)


def _attaches(chosen: ServiceAccounts | ServiceAccountSelection, account: AccountSeen) -> bool:
    if isinstance(chosen, ServiceAccountSelection):
        selector = chosen.selector
        return account.name in chosen.names or (selector is not None and selector.matches(account.labels))
    return chosen is ServiceAccounts.ALL or (chosen is ServiceAccounts.DEFAULT and account.name == "default")
