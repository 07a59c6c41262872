"""What of ours lies in an environment for a desired state, as comparable values; changes are the difference of two.

An object has an identity (kind, environment, namespace, name) and facts, which are pairs of text and never hold a
secret: of a credential its id and version. `changes` compares two sets by identity, in the manner of octoDNS: Create,
Update, Delete. What is rendered from the values (Secret, JSON Patch) is not here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portreeve.core.cluster import Namespace
from portreeve.core.desired import DesiredState, Grant, service_accounts
from portreeve.core.environments import EnvironmentType
from portreeve.core.policy import DeliveryMode, ServiceAccounts
from portreeve.core.render import Manifest
from portreeve.errors import Problem


class ObjectKind(StrEnum):
    """What an object of ours is."""

    ENTRY = "pull secret entry"
    ATTACHMENT = "ServiceAccount attachment"
    GRANT_WITHOUT_SECRET = "grant without a Secret"  # noqa: S105 - a kind of object, no password
    PERMISSION = "permission to deploy"
    POLICY = "ValidatingAdmissionPolicy"
    BINDING = "ValidatingAdmissionPolicyBinding"


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Which object it is. `namespace` is "" where there is none; `name` is a key, a registry or a Kubernetes name."""

    environment: str
    kind: ObjectKind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class ManagedObject:
    """An object of ours; `facts` are sorted by name."""

    identity: Identity
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Create:
    """An object that is not there yet."""

    new: ManagedObject


@dataclass(frozen=True, slots=True)
class Update:
    """An object whose facts change."""

    old: ManagedObject
    new: ManagedObject


@dataclass(frozen=True, slots=True)
class Delete:
    """An object that nothing wants any more."""

    old: ManagedObject


ObjectChange = Create | Update | Delete
Objects = Mapping[Identity, ManagedObject]

WITHOUT_SECRET: Final = frozenset({DeliveryMode.NODE, DeliveryMode.CLUSTER_IDENTITY})

LONGEST_LIVED: Final = (DeliveryMode.STANDING, DeliveryMode.WORKLOAD, DeliveryMode.LEASE)
"""When two grants meet in one entry, the first of these that one of them asks for is its mode."""


def changes(before: Objects, after: Objects) -> tuple[ObjectChange, ...]:
    """The difference, sorted by identity. Equal sets have none."""
    found: list[ObjectChange] = []
    for identity in sorted(before.keys() | after.keys()):
        old, new = before.get(identity), after.get(identity)
        if old is None and new is not None:
            found.append(Create(new))
        elif new is None and old is not None:
            found.append(Delete(old))
        elif old is not None and new is not None and old != new:
            found.append(Update(old, new))
    return tuple(found)


def applied(objects: Objects, made: Iterable[ObjectChange]) -> dict[Identity, ManagedObject]:
    """The objects once the changes are made; `applied(before, changes(before, after)) == after`."""
    found = dict(objects)
    for change in made:
        match change:
            case Create(new) | Update(_, new):
                found[new.identity] = new
            case Delete(old):
                found.pop(old.identity, None)
    return found


def granted_objects(state: DesiredState, namespaces: Iterable[Namespace] | None) -> dict[Identity, ManagedObject]:
    """What the grants of a state bring; `namespaces` are those that exist, None if not known."""
    if state.type is not EnvironmentType.KUBERNETES:
        return _index(_permissions(state))
    known = None if namespaces is None else tuple(namespaces)
    entries: dict[tuple[str, str], list[Grant]] = {}
    plain: dict[tuple[str, str, str], list[Grant]] = {}
    for grant in state.grants:
        for namespace in grant.selected(known):
            if grant.delivery.mode in WITHOUT_SECRET:
                plain.setdefault((namespace, grant.registry, str(grant.delivery.mode)), []).append(grant)
            elif grant.credential is not None:
                entries.setdefault((namespace, grant.key), []).append(grant)
    return _index(_kubernetes_objects(state.environment, entries, plain))


def _index(objects: Iterable[ManagedObject]) -> dict[Identity, ManagedObject]:
    return {one.identity: one for one in objects}


def _kubernetes_objects(
    environment: str,
    entries: Mapping[tuple[str, str], list[Grant]],
    plain: Mapping[tuple[str, str, str], list[Grant]],
) -> Iterator[ManagedObject]:
    # Many namespaces hold the same grants, and what they bring is the same: told apart by identity, which is cheap.
    entry_facts: dict[tuple[int, ...], tuple[tuple[str, str], ...]] = {}
    by_namespace: dict[str, list[Grant]] = {}
    for (namespace, key), grants in entries.items():
        who = tuple(map(id, grants))
        facts = entry_facts.get(who) or entry_facts.setdefault(who, _entry_facts(grants))
        by_namespace.setdefault(namespace, []).extend(grants)
        yield ManagedObject(Identity(environment, ObjectKind.ENTRY, namespace, key), facts)
    attached: dict[tuple[int, ...], str] = {}
    for namespace, grants in by_namespace.items():
        who = tuple(map(id, grants))
        accounts = attached.get(who) or attached.setdefault(who, _attached(grants))
        if accounts != "none":
            identity = Identity(environment, ObjectKind.ATTACHMENT, namespace, "portreeve-pull")
            yield ManagedObject(identity, (("serviceAccounts", accounts),))
    for (namespace, registry, mode), grants in plain.items():
        identity = Identity(environment, ObjectKind.GRANT_WITHOUT_SECRET, namespace, f"{registry} ({mode})")
        yield ManagedObject(identity, (("owners", _owners(grants)),))


def _entry_facts(grants: Sequence[Grant]) -> tuple[tuple[str, str], ...]:
    credential = max((grant.credential for grant in grants if grant.credential), key=lambda one: one.version)
    modes = {grant.delivery.mode for grant in grants}
    return (
        ("credential", credential.id),
        ("mode", str(next(mode for mode in LONGEST_LIVED if mode in modes))),
        ("owners", _owners(grants)),
        ("registry", _registries(grants)),
        ("version", str(credential.version)),
    )


def _owners(grants: Iterable[Grant]) -> str:
    return ", ".join(sorted({grant.owner for grant in grants}))


def _registries(grants: Iterable[Grant]) -> str:
    return ", ".join(sorted({grant.registry for grant in grants}))


def _credentials(grants: Iterable[Grant]) -> set[str]:
    return {grant.credential.id for grant in grants if grant.credential is not None}


def _attached(grants: Sequence[Grant]) -> str:
    """The union of the ServiceAccounts over the grants of a namespace (settled: attachment is not isolation)."""
    chosen = {json.dumps(service_accounts(grant.delivery), sort_keys=True) for grant in grants}
    words = {json.dumps(str(word)): str(word) for word in ServiceAccounts}
    if json.dumps("all") in chosen:
        return "all"
    chosen.discard(json.dumps("none"))
    return " + ".join(sorted(words.get(one, one) for one in chosen)) or "none"


def _permissions(state: DesiredState) -> Iterator[ManagedObject]:
    """Docker and Swarm: who may deploy from which registry."""
    found: dict[Identity, list[Grant]] = {}
    for grant in state.grants:
        named = [f"user {user}" for user in grant.subjects.users] + [f"team {team}" for team in grant.subjects.teams]
        for subject in named:
            name = f"{grant.registry} for {subject}"
            found.setdefault(Identity(state.environment, ObjectKind.PERMISSION, "", name), []).append(grant)
    for identity, grants in found.items():
        yield ManagedObject(identity, (("owners", _owners(grants)),))


def policy_objects(environment: str, manifests: Iterable[Manifest]) -> dict[Identity, ManagedObject]:
    """The compiled policy and its bindings; their facts are the digest and the revision that they were made from."""
    found = []
    for manifest in manifests:
        metadata = manifest["metadata"]
        facts = tuple(sorted((name.removeprefix("portreeve.io/"), at) for name, at in metadata["annotations"].items()))
        found.append(ManagedObject(Identity(environment, ObjectKind(manifest["kind"]), "", metadata["name"]), facts))
    return _index(found)


def key_problems(state: DesiredState, namespaces: Iterable[Namespace] | None) -> list[Problem]:
    """Different credentials for one entry of a pull secret: which identity pulls would be left to chance."""
    known = None if namespaces is None else tuple(namespaces)
    by_key: dict[str, list[Grant]] = {}
    for grant in state.grants:
        if grant.credential is not None and grant.delivery.mode not in WITHOUT_SECRET:
            by_key.setdefault(grant.key, []).append(grant)
    found = []
    for key, grants in sorted(by_key.items()):
        if len(_credentials(grants)) == 1:
            continue
        holding: dict[str, list[Grant]] = {}
        for grant in grants:
            for namespace in grant.selected(known):
                holding.setdefault(namespace, []).append(grant)
        found += [
            Problem(
                "pull_key_conflict",
                f"{_registries(held)} bring different credentials for {key} to {state.environment}/{namespace}",
                f"Environment/{state.environment}",
                "grant one of them there, or narrow its path",
            )
            for namespace, held in sorted(holding.items())
            if len(_credentials(held)) > 1
        ]
    return found
