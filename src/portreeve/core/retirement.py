"""Taking old pull secrets away once ours are delivered: which entries, which Secrets, and what stays for which reason.

Theory of operation
-------------------
An old Secret goes in two steps, and each has to be safe by itself.

* An entry leaves a ServiceAccount once the same ServiceAccount names our Secret, and ours has a login for all that the
  old one had one for: for its keys, and for each image of the namespace that a kubelet would use it for.
* The Secret goes once nothing names it but entries that leave now. Pods keep the names that their ServiceAccount had
  when they were made, so this mostly takes a second run, after the pods were replaced.

What somebody else makes (a GitOps tool, Helm, an operator) is left alone: it would come back, and its place is there.
Templates of workloads and pods are never written. Where something could not be listed nothing is done. An orphan is
deleted only if it was named: what no one here can see, as a custom resource, may name it.

Left out: ServiceAccounts that no agent gives our Secret to; that is a matter of the RegistryAccess.

Sources: requirements B-05, U-04; kubernetes/pkg/credentialprovider/keyring.go; plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portreeve.core.adoption import ACCOUNT, Consumer, Facts, FoundSecret, Row, Use
from portreeve.core.credential import offered_keys
from portreeve.core.found_logins import KEYS, Contents, place_of
from portreeve.core.observation import PULL_SECRET
from portreeve.core.reference import Reference, SourcePrefix, parse, shown
from portreeve.errors import Invalid


@dataclass(frozen=True, slots=True, order=True)
class Detach:
    """An entry that leaves a ServiceAccount, if that is still the one that was seen."""

    namespace: str
    account: str
    secret: str
    uid: str


@dataclass(frozen=True, slots=True, order=True)
class Removal:
    """A Secret that is deleted, if it is still the one that was seen, at that version."""

    namespace: str
    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """A Secret, or the entry of one ServiceAccount, that stays: the code of why, and what that is about."""

    namespace: str
    name: str
    reason: str
    about: str = ""


REASONS: Final[Mapping[str, str]] = {
    "ours": "Portreeve delivers it",
    "wrong_type": "it is of a type that no kubelet reads, so it is made for something else",
    "managed": "it would be made again, so take it out there",
    "not_delivered": "Portreeve delivers nothing to this namespace",
    "not_covered": "what Portreeve delivers has no login for",
    "image_not_covered": "what Portreeve delivers is not offered for an image that runs",
    "account_without_ours": "the ServiceAccount does not name portreeve-pull",
    "account_managed": "the ServiceAccount would be made again with it, so take it out there",
    "used": "it is still named by",
    "unseen": "not all that may name it can be listed:",
    "orphan_not_named": "nothing that is seen names it; name it to have it deleted",
}
"""Reason → what to say of it; what it is about follows."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """What is to be done, in this order, and what stays; all sorted."""

    detaches: tuple[Detach, ...]
    removals: tuple[Removal, ...]
    kept: tuple[Kept, ...]


def retirement(facts: Facts, rows: Iterable[Row], now: datetime, *, named: bool) -> Retirement:
    """What to take away of these rows. `named` tells that somebody has picked each of them by name."""
    delivered = {one.namespace: one.contents for one in facts.secrets if one.ours}
    nearby: dict[str, list[Consumer]] = defaultdict(list)
    for consumer in facts.consumers:
        nearby[consumer.namespace].append(consumer)
    detaches: list[Detach] = []
    removals: list[Removal] = []
    kept: list[Kept] = []
    for row in rows:
        secret = row.secret
        reason = _stays(row, delivered.get(secret.namespace), nearby[secret.namespace], now, named=named)
        if reason is not None:
            kept.append(reason)
            continue
        blind = facts.blind(secret.namespace)
        if blind:
            kept.append(Kept(*secret.key, "unseen", ", ".join(sorted(blind))))
            continue
        leaving, staying = _entries(secret, nearby[secret.namespace])
        detaches += leaving
        kept += staying
        users = _users_left(row.uses, {one.account for one in leaving})
        if not users:
            removals.append(Removal(*secret.key, secret.uid, secret.resource_version))
        elif not staying or any(use.kind != ACCOUNT for use in users):
            kept.append(Kept(*secret.key, "used", named_users(users)))
    return Retirement(tuple(sorted(detaches)), tuple(sorted(removals)), tuple(sorted(kept)))


def named_users(uses: Iterable[Use], most: int = 5) -> str:
    """Users as text: "Deployment/api, Pod/lone and 3 more"."""
    names = list(dict.fromkeys(f"{use.kind}/{use.name}" for use in uses))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def still_named(facts: Facts, namespace: str, name: str) -> str:
    """Why a Secret must not be deleted now, as text; "" if nothing speaks against it.

    Asked once more right before it is deleted.
    """
    blind = facts.blind(namespace)
    if blind:
        return f"{REASONS['unseen']} {', '.join(sorted(blind))}"
    naming = [
        Use(*(one.owner or (one.kind, one.name)))
        for one in facts.consumers
        if one.namespace == namespace and (name in one.pulls or name in one.mounts)
    ]
    return f"{REASONS['used']} {named_users(naming)}" if naming else ""


def _stays(
    row: Row, delivered: Contents | None, nearby: Collection[Consumer], now: datetime, *, named: bool
) -> Kept | None:
    """Why nothing is done about a Secret at all; None if something may be."""
    secret = row.secret
    if secret.ours:
        return Kept(*secret.key, "ours")
    if secret.type not in KEYS:
        return Kept(*secret.key, "wrong_type")
    if secret.maker:
        return Kept(*secret.key, "managed", secret.maker)
    if not row.uses:
        return None if named else Kept(*secret.key, "orphan_not_named")
    live = [login for login in secret.contents.logins if not login.problem and not login.expired(now)]
    globs = [login.key for login in secret.contents.logins if login.problem == "no_place"]
    if secret.contents.problem:
        live, globs = [], []  # No kubelet gets anything from it.
    if not live and not globs:
        return None
    if delivered is None:
        return Kept(*secret.key, "not_delivered")
    held = [one.key for one in delivered.logins if one.password is not None]
    places = [place for key in held if (place := place_of(key)) is not None]
    uncovered = [one.key for one in live if one.place is None or not _below(one.place, places)] + globs
    if uncovered:
        return Kept(*secret.key, "not_covered", ", ".join(shown(key) for key in uncovered))
    lost = _lost([one.key for one in live], held, nearby)
    return Kept(*secret.key, "image_not_covered", lost) if lost else None


def _below(place: SourcePrefix, granted: Iterable[SourcePrefix]) -> bool:
    return any(place.key.startswith(one.key) for one in granted)


def _lost(old: Collection[str], new: Collection[str], nearby: Iterable[Consumer]) -> str:
    """The first image for which the old keys are offered and the new ones are not; "" if there is none.

    Our keys end in a slash and theirs seldom do: `host/team` is offered for `host/team-a`, too.
    """
    for image in sorted({image for one in nearby for image in one.images}):
        reference = _parsed(image)
        if reference is not None and _offered(old, reference) and not _offered(new, reference):
            return shown(image)
    return ""


def _parsed(image: str) -> Reference | None:
    try:
        return parse(image)
    except Invalid:
        return None


def _offered(keys: Collection[str], reference: Reference) -> bool:
    return bool(offered_keys(keys, reference))


def _entries(secret: FoundSecret, nearby: Iterable[Consumer]) -> tuple[list[Detach], list[Kept]]:
    """The entries that may leave their ServiceAccounts, and those that may not."""
    leaving: list[Detach] = []
    staying: list[Kept] = []
    for one in nearby:
        if one.kind != ACCOUNT or secret.name not in one.pulls:
            continue
        reason = "account_managed" if one.maker else "" if PULL_SECRET in one.pulls else "account_without_ours"
        if reason:
            staying.append(Kept(*secret.key, reason, f"{ACCOUNT}/{one.name}{f' ({one.maker})' if one.maker else ''}"))
        else:
            leaving.append(Detach(secret.namespace, one.name, secret.name, one.uid))
    return leaving, staying


def _users_left(uses: Iterable[Use], leaving: Collection[str]) -> list[Use]:
    return [use for use in uses if not (use.kind == ACCOUNT and use.how == "pull" and use.name in leaving)]


def lines(found: Retirement) -> Iterator[str]:
    """The plan as a person reads it."""
    for one in found.detaches:
        yield f"remove {one.secret} from {ACCOUNT}/{one.account} in {one.namespace}"
    for gone in found.removals:
        yield f"delete Secret/{gone.name} in {gone.namespace}"
    for stays in found.kept:
        yield f"keep Secret/{stays.name} in {stays.namespace}: {' '.join(filter(None, told(stays)))}"


def told(kept: Kept) -> tuple[str, str]:
    """Why it stays, and what that is about."""
    return REASONS[kept.reason], kept.about
