"""What environments have told besides what runs: as far as a caller may see it, and beside what is granted there.

A row of a namespace is seen by who may list workloads there. That a registry is needed is seen by who may also list
that registry, as its name is told; that a grant is unused by who may list the grant, and the namespace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portreeve.core.authorization import Clause, Resource, Scope, visible_scope
from portreeve.core.blast_radius import RunningImage
from portreeve.core.desired import granted
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Key
from portreeve.core.grant_use import Needed, Registries, Told, Unused, Use, compare
from portreeve.core.permissions import Action, Kind
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import in_scope

Space = tuple[str, Mapping[str, Any]]
"""A namespace and what is said of it."""

_KIND_OF: Mapping[str, str] = {"access": "RegistryAccess", "policy": "RegistryPolicy"}
"""First word of a grant's owner → kind of the document that grants."""


def spaces(caller: Caller, snapshot: Snapshot, environment: Environment) -> list[Space]:
    """What an environment has told of the namespaces in which the caller may see workloads, sorted by name."""
    reported = snapshot.reports.get(environment.name)
    told = (reported.inventory if reported else None) or {}
    sees = Sees(caller, Kind.WORKLOAD, snapshot)
    return [(name, told[name]) for name in sorted(told) if sees.place(environment.name, name)]


def templates(caller: Caller, snapshot: Snapshot) -> Sequence[RunningImage]:
    """What could run and does not, in all environments, as far as the caller may see it."""
    return tuple(
        RunningImage(environment.name, name, row["owner"], row["image"])
        for environment in snapshot.estate.environments
        for name, said in spaces(caller, snapshot, environment)
        for row in said.get("workloads", ())
    )


def needed(caller: Caller, snapshot: Snapshot) -> list[Needed]:
    """Registries that are used and not granted, sorted."""
    workloads = Sees(caller, Kind.WORKLOAD, snapshot)
    registries = {one.key.name for one in seen(caller, KINDS["Registry"], snapshot)}
    found = (one for held, _ in _compared(snapshot) for one in held)
    return [one for one in found if one.registry in registries and workloads.place(one.environment, one.namespace)]


def unused(caller: Caller, snapshot: Snapshot) -> list[Unused]:
    """Registries that are granted and not used, sorted."""
    namespaces = Sees(caller, Kind.NAMESPACE, snapshot)
    grants = {one.key for kind in _KIND_OF.values() for one in seen(caller, KINDS[kind], snapshot)}
    found = (one for _, held in _compared(snapshot) for one in held)
    return [one for one in found if grantor(one) in grants and namespaces.place(one.environment, one.namespace)]


def unknown(caller: Caller, snapshot: Snapshot) -> list[str]:
    """Environments that the caller may see, that are granted something, and that have not told what could run there."""
    return [
        one.key.name
        for one in seen(caller, KINDS["Environment"], snapshot)
        if isinstance(one.value, Environment)
        and one.value.type is EnvironmentType.KUBERNETES
        and not complete(snapshot, one.value)
        and granted(snapshot.estate, one.value)
    ]


def grantor(one: Unused) -> Key:
    """The document that grants."""
    word, _, name = one.owner.partition(" ")
    return Key(_KIND_OF[word], name)


class Sees:
    """Where a caller may list objects of a kind; each place is asked about once."""

    def __init__(self, caller: Caller, kind: Kind, snapshot: Snapshot) -> None:
        self._kind, self._snapshot = kind, snapshot
        listing = in_scope(caller, Action.LIST, kind)
        self._scope = visible_scope(caller.principal, kind) if listing else Scope(kind)
        self.everywhere = Clause() in self._scope.clauses
        self._places: dict[tuple[str, str], bool] = {}

    def place(self, environment: str, namespace: str) -> bool:
        """Whether they may in this namespace."""
        if self.everywhere:
            return True
        at = (environment, namespace)
        if at not in self._places:
            found = self._snapshot.estate.environments_by_name.get(environment)
            group = found.group if found else ""
            self._places[at] = self._scope.admits(Resource(self._kind, "", environment, group, (namespace,)))
        return self._places[at]


def _compared(snapshot: Snapshot) -> Iterator[tuple[list[Needed], list[Unused]]]:
    """For each environment; worked out once for each revision."""
    registries = Registries(snapshot.estate.registries)
    for environment in sorted(snapshot.estate.environments, key=lambda one: one.name):
        if environment.type is EnvironmentType.KUBERNETES:
            yield compared(snapshot, environment, registries)


def compared(snapshot: Snapshot, environment: Environment, registries: Registries) -> tuple[list[Needed], list[Unused]]:
    """What is needed and what is unused in a Kubernetes environment; worked out once for each revision."""
    found = snapshot.compared.get(environment.name)
    if found is None:
        grants = granted(snapshot.estate, environment)
        found = snapshot.compared[environment.name] = compare(_told(snapshot, environment), grants, registries)
    return found  # type: ignore[return-value] # the memo holds what the lines above put there


def _told(snapshot: Snapshot, environment: Environment) -> Told:
    reported = snapshot.reports.get(environment.name)
    told = (reported.inventory if reported else None) or {}
    uses = [Use(one.namespace, one.owner, one.image) for one in snapshot.running.get(environment.name, ())]
    uses += [Use(name, row["owner"], row["image"]) for name, said in told.items() for row in said.get("workloads", ())]
    annotated = {name: said["registries"] for name, said in told.items() if said.get("registries")}
    known = snapshot.estate.capabilities_of(environment).namespaces
    return Told(environment.name, known, uses, annotated, complete(snapshot, environment))


def complete(snapshot: Snapshot, environment: Environment) -> bool:
    """Whether the environment has told all that could run there."""
    reported = snapshot.reports.get(environment.name)
    if reported is None or reported.inventory is None:
        return False
    return not any(said.get("leftOut") for said in reported.inventory.values())
