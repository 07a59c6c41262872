"""The matrix of registries and namespaces as a caller may see it, and whom a grant on Docker or Swarm may name.

Theory of operation. What is worked out of an environment is kept across revisions: a report of one cluster, or a grant
there, changes nothing about the others. It is kept for as long as what it was made of is the same, and until something
in it ends by itself. What is made of is compared by identity first: what an estate holds is replaced when it changes,
and never changed in place.

A row of a namespace is seen by who may list namespaces there; a row of a user or team by who may list a grant that
names them. A cell is seen by who may list its registry, or one of the grants behind it: people who pull see a registry
through what is granted to them, never as such. Whether it is used, and that it is needed, is seen by who may list
workloads there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from portreeve.core.access_matrix import Cell, Granted, Heard, State, Use, for_people, is_in, table
from portreeve.core.agent_identity import ADMITTED
from portreeve.core.authorization import Clause, Resource, Scope, selectable, visible_scope
from portreeve.core.desired import Grant, accesses
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.grant_use import Registries
from portreeve.core.people import Subjects
from portreeve.core.permissions import Action, Kind
from portreeve.core.rotation import CONNECTED
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import in_scope
from portreeve.server.inventory.service import Sees, compared, complete

LONGEST: Final = timedelta(hours=1)
"""How long something is kept of which nothing ends."""


@dataclass(frozen=True, slots=True)
class Row:
    """A namespace, or where there are none a team or user. `cells` are in the order of their registries."""

    environment: Environment
    cells: Mapping[str, Cell]
    namespace: str = ""
    team: str = ""
    user: str = ""

    @property
    def key(self) -> str:
        """The order of the list, and what its cursor holds."""
        return f"{self.environment.name}\n{self.namespace}\n{self.team}\n{self.user}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rows are asked for; None is any. `text` is looked for in names, whatever its case."""

    group: str | None = None
    environment: str | None = None
    namespace: str | None = None
    state: str | None = None
    text: str | None = None
    registries: frozenset[str] = frozenset()
    people: bool | None = None
    """Environments whose rows are people, or are namespaces."""

    @property
    def filters(self) -> list[Any]:
        """What makes this list this list, for its cursor."""
        places = [self.group, self.environment, self.namespace]
        return [*places, sorted(self.registries), self.state, self.people, self.text]

    @property
    def whole(self) -> bool:
        """Whether rows are asked for by nothing but a state, and with all their cells."""
        return self.namespace is None and self.text is None and not self.registries

    def place(self, environment: Environment) -> bool:
        """Whether an environment is asked for."""
        if self.people is not None and self.people is (environment.type is EnvironmentType.KUBERNETES):
            return False
        return self.group in {None, environment.group} and self.environment in {None, environment.name}

    def row(self, row: Row) -> bool:
        """Whether a row is, its cells aside."""
        if self.namespace is not None and row.namespace != self.namespace:
            return False
        if self.text is None:
            return True
        text = self.text.lower()
        return any(text in name for name in (row.environment.name, row.namespace, row.team, row.user))


@dataclass
class Tally:
    """How many cells there are: registry → state → number; and of how many grants nothing makes use."""

    counted: dict[str, Counter[State]] = field(default_factory=dict)
    unused: int = 0

    def add(self, other: Tally) -> None:
        """Count in what another has counted."""
        for name, states in other.counted.items():
            self.counted.setdefault(name, Counter()).update(states)
        self.unused += other.unused

    def counts(self) -> dict[str, int]:
        """State → cells; `unused` counts besides, whatever their state."""
        total: Counter[State] = Counter()
        for one in self.counted.values():
            total.update(one)
        return {**{str(state): total[state] for state in State}, "unused": self.unused}


def tally(rows: Iterable[Row]) -> Tally:
    """The cells of these rows."""
    found = Tally()
    for row in rows:
        for name, cell in row.cells.items():
            found.counted.setdefault(name, Counter())[cell.state] += 1
            found.unused += cell.use is Use.UNUSED
    return found


@dataclass(frozen=True, slots=True)
class Matrix:
    """What was asked for. `environments` are those that have rows, by name; `registries` those that are seen."""

    rows: list[Row]
    environments: Mapping[str, Heard]
    registries: list[str]
    tally: Tally


@dataclass(frozen=True, slots=True)
class _Made:
    """The rows of an environment, and their tally."""

    environment: Environment
    rows: tuple[Row, ...]
    tally: Tally
    _having: dict[str, _Made] = field(default_factory=dict, compare=False)

    def having(self, state: str | None) -> _Made:
        """Those with a cell in this state; None is all. Worked out once."""
        if state is None:
            return self
        found = self._having.get(state)
        if found is None:
            found = self._having[state] = _of(self.environment, (one for one in self.rows if _has(one, state)))
        return found


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was worked out: `told` and `granted` are what it was made of, `seen` what those were made of."""

    seen: tuple[object, ...]
    told: tuple[object, ...]
    granted: tuple[object, ...]
    until: datetime
    made: _Made


@dataclass
class Matrices:
    """The service."""

    _kept: dict[str, _Kept] = field(default_factory=dict)
    _registries: Registries | None = None

    def seen(self, caller: Caller, snapshot: Snapshot, wanted: Wanted, now: datetime) -> Matrix:
        """The rows that the caller may see and has asked for, sorted, each with the cells that they may see."""
        eyes = _Eyes(caller, snapshot, wanted.registries)
        rows: list[Row] = []
        places: dict[str, Heard] = {}
        counted = Tally()
        for environment in sorted(snapshot.estate.environments, key=lambda one: one.name):
            if not wanted.place(environment):
                continue
            known = heard(snapshot, environment, now)
            made = self._made(snapshot, environment, known, now)
            whole = eyes.everything and wanted.whole
            found = made.having(wanted.state) if whole else _chosen(made, eyes, wanted)
            if found.rows:
                places[environment.name] = known
                rows += found.rows
                counted.add(found.tally)
        shown = set(counted.counted) | (eyes.registries & (wanted.registries or eyes.registries))
        return Matrix(rows, places, sorted(shown), counted)

    def _made(self, snapshot: Snapshot, environment: Environment, known: Heard, now: datetime) -> _Made:
        if environment.type is not EnvironmentType.KUBERNETES:
            return _of(environment, _people(snapshot, environment))
        name, kept = environment.name, self._kept.get(environment.name)
        seen = (snapshot.documents, snapshot.credentials, snapshot.tokens)
        told = (
            snapshot.reports.get(name),
            snapshot.running.get(name),
            snapshot.capabilities.get(name),
            known.enrolled,
            known.connected,
        )
        lasts = kept is not None and now < kept.until and _same(kept.told, told)
        if kept is not None and lasts and _same(kept.seen, seen):
            return kept.made
        in_force, masked = (
            tuple(replace(one, delivered=snapshot.estate.delivered(one.registry, now)) for one in grants)
            for grants in accesses(snapshot.estate, environment)
        )
        registries = self._known(snapshot)
        granted = (environment, in_force, masked, registries)
        if kept is not None and lasts and kept.granted == granted:
            self._kept[name] = replace(kept, seen=seen)
            return kept.made
        needed, unused = compared(snapshot, environment, registries)
        namespaces = snapshot.estate.capabilities_of(environment).namespaces
        found = table(namespaces, Granted(in_force, masked), known, needed, unused, now)
        made = _of(environment, (Row(environment, cells, namespace) for namespace, cells in found.items()))
        self._kept[name] = _Kept(seen, told, granted, _until(in_force, known, now), made)
        self._forget(snapshot)
        return made

    def _forget(self, snapshot: Snapshot) -> None:
        """What was kept of environments that are gone."""
        if len(self._kept) > len(snapshot.estate.environments):
            for name in self._kept.keys() - snapshot.estate.environments_by_name.keys():
                del self._kept[name]

    def _known(self, snapshot: Snapshot) -> Registries:
        """The registries, with what is remembered of images for as long as they are the same."""
        held = snapshot.estate.registries
        if self._registries is None or self._registries.all != held:
            self._registries = Registries(held)
        return self._registries


def _of(environment: Environment, rows: Iterable[Row]) -> _Made:
    held = tuple(rows)
    return _Made(environment, held, tally(held))


def _chosen(made: _Made, eyes: _Eyes, wanted: Wanted) -> _Made:
    """The rows that are seen and asked for, with their cells that are."""
    return _of(
        made.environment,
        (
            row
            for one in made.rows
            if wanted.row(one) and eyes.row(one)
            for row in (eyes.cells(one),)
            if wanted.state is None or _has(row, wanted.state)
        ),
    )


def _has(row: Row, state: str) -> bool:
    return any(is_in(cell, state) for cell in row.cells.values())


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return all(one is other for one, other in zip(some, others, strict=True))


def heard(snapshot: Snapshot, environment: Environment, now: datetime) -> Heard:
    """What is known of an environment."""
    agent, reported = snapshot.agents.get(environment.name), snapshot.reports.get(environment.name)
    admitted = agent is not None and agent.state in ADMITTED
    seen_at = agent.seen_at if agent is not None else None
    return Heard(
        admitted,
        admitted and seen_at is not None and now - seen_at <= CONNECTED,
        reported is not None,
        complete(snapshot, environment),
        reported.secrets if reported is not None else {},
    )


def candidates(snapshot: Snapshot, environment: Environment) -> Subjects:
    """Whom a grant in this environment may name: those who hold a role there (requirement B-24)."""
    return selectable(environment, snapshot.estate.bindings, snapshot.estate.teams)


def _people(snapshot: Snapshot, environment: Environment) -> Iterator[Row]:
    """Whom a grant may name here, and whom one names."""
    granted = Granted(*accesses(snapshot.estate, environment))
    named = [candidates(snapshot, environment), *(one.subjects for one in (*granted.in_force, *granted.masked))]
    # In the order of their keys: a row without a team comes first.
    for user in sorted({user for subjects in named for user in subjects.users}):
        yield Row(environment, for_people(granted, user, team=False), user=user)
    for team in sorted({team for subjects in named for team in subjects.teams}):
        yield Row(environment, for_people(granted, team, team=True), team=team)


def _until(grants: Sequence[Grant], known: Heard, now: datetime) -> datetime:
    """When something of it ends by itself: a token, or an entry of a pull secret."""
    latest = now + LONGEST
    ends = [one.delivered.expires_at for one in grants if one.delivered is not None and one.delivered.expires_at]
    texts = {entry.expires_at for one in known.secrets.values() for entry in one.entries if entry.expires_at}
    said = min((text for text in texts if text > now.strftime("%Y-%m-%dT%H:%M:%SZ")), default=None)
    if said is not None:
        ends.append(datetime.fromisoformat(said))
    return min([latest, *(end for end in ends if end > now)])


class _Eyes:
    """What one caller may see."""

    def __init__(self, caller: Caller, snapshot: Snapshot, registries: frozenset[str]) -> None:
        self._namespaces = Sees(caller, Kind.NAMESPACE, snapshot)
        self._workloads = Sees(caller, Kind.WORKLOAD, snapshot)
        listing = in_scope(caller, Action.LIST, Kind.REGISTRY_ACCESS)
        kind = Kind.REGISTRY_ACCESS
        self._grants = visible_scope(caller.principal, kind) if listing else Scope(kind)
        self._all_grants = Clause() in self._grants.clauses
        self._wanted = registries
        self.registries = {one.key.name for one in seen(caller, KINDS["Registry"], snapshot)}
        everything = self._workloads.everywhere and len(self.registries) == len(snapshot.of_kind("Registry"))
        self.everything = everything and self._all_grants and self._namespaces.everywhere

    def row(self, row: Row) -> bool:
        """Whether they see it at all."""
        if row.namespace:
            return self._namespaces.place(row.environment.name, row.namespace)
        return self._all_grants or self._grants.admits(_place(row))

    def cells(self, row: Row) -> Row:
        """The row with those of its cells that they see and have asked for."""
        if self.everything and not self._wanted:
            return row
        used = bool(row.namespace) and self._workloads.place(row.environment.name, row.namespace)
        granted = self._all_grants or self._grants.admits(_place(row))
        found = {}
        for registry, cell in row.cells.items():
            if self._wanted and registry not in self._wanted:
                continue
            if registry in self.registries if cell.state is State.NEEDED else granted or registry in self.registries:
                if cell.state is State.NEEDED and not used:
                    continue
                found[registry] = cell if used else replace(cell, use=Use.UNKNOWN)
        return replace(row, cells=found)


def _place(row: Row) -> Resource:
    """A grant of this row, whichever."""
    names = (row.namespace,) if row.namespace else ()
    subjects = Subjects((row.team,) if row.team else (), (row.user,) if row.user else ())
    one = row.environment
    return Resource(Kind.REGISTRY_ACCESS, "", one.name, one.group, names, subjects=subjects)
