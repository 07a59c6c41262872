"""What runs, with its verdicts: judged once, and kept for as long as nothing that it follows from has changed.

Theory of operation. Judging a hundred thousand images takes seconds, and pages want them within one. So what is said of
an environment is kept beside what it was worked out of: documents, namespaces, what runs, and until when the exemptions
hold. A report makes one environment anew, a change of a document looks at all of them and judges only where sources
have changed. Lists, filters, the fleet and its map are then read from the same rows, so that no number on one page says
something else than the list that it leads to.

All of it is work for a thread: requests that need no rows do not wait for it.

Left out: digests, which are in the database alone and decide nothing here.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from portreeve.core.authorization import Scope
from portreeve.core.blast_radius import RunningImage
from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.environments import Environment
from portreeve.core.estate import Capabilities
from portreeve.core.fleet import RANK, Tally, Word, word
from portreeve.core.grant_use import Registries
from portreeve.core.policy import Registry, Stage
from portreeve.core.reference import UnsafeReference, parse
from portreeve.core.sources import ResolvedSources, stage_in
from portreeve.core.verdict import Code, Decision, judge
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import Caller
from portreeve.server.images.service import Places, row_key, scope_of
from portreeve.server.images.verdicts import governed

NEVER: Final = datetime.max.replace(tzinfo=UTC)

MOST_ORDERS: Final = 4
"""Orders of one caller's rows that are kept beside the first."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of an image in a namespace. `verdict` is None where nothing is judged.

    `stage` is how far the policy is enforced in that namespace, None without one. `reason` is the first of the
    verdict's. `registry` is the Registry that stands for it, "" if none does; `exempted` names the exemptions by which
    it is allowed.
    """

    canonical: str | None
    host: str
    registry: str
    verdict: Decision | None
    stage: Stage | None
    code: str = ""
    reason: str = ""
    exempted: tuple[str, ...] = ()
    word: Word = Word.NOT_JUDGED
    """The verdict, also where there is none. It is asked for a hundred thousand times."""


@dataclass(frozen=True, slots=True)
class Row:
    """An image that runs, and what is said of it."""

    image: RunningImage
    said: Said

    @property
    def order(self) -> str:
        """The order of the list, and what its cursor holds."""
        return row_key(self.image)


ORDERS: Final[Mapping[str, Callable[[Row], str]]] = {
    "image": lambda row: row.order,
    "environment": lambda row: f"{row.image.environment}\n{row.image.namespace}\n{row.order}",
    "namespace": lambda row: f"{row.image.namespace}\n{row.order}",
    "owner": lambda row: f"{row.image.owner}\n{row.order}",
    "registry": lambda row: f"{row.said.host}\n{row.order}",
    "verdict": lambda row: f"{RANK[row.said.word]}\n{row.order}",
}
"""Order → the key of a row in it. By verdict the worst comes first."""


@dataclass(frozen=True)
class Judged:
    """One environment: its rows, and its namespaces with how many images have which verdict."""

    rows: tuple[Row, ...]
    tallies: Mapping[str, Tally]

    @cached_property
    def total(self) -> Tally:
        """All of its namespaces together."""
        return sum(self.tallies.values(), Tally())

    @cached_property
    def used(self) -> Mapping[str, Mapping[str, int]]:
        """Registry → namespace → how many running images it stands for."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self.rows:
            if row.said.registry:
                found[row.said.registry][row.image.namespace] += 1
        return found

    @cached_property
    def exempted(self) -> Mapping[str, Mapping[str, int]]:
        """Exemption → namespace → how many running images it and nothing else allows."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self.rows:
            if len(row.said.exempted) == 1:
                found[row.said.exempted[0]][row.image.namespace] += 1
        return found


@dataclass(frozen=True, slots=True)
class _Kept:
    """What an answer was worked out of, and the answer. It holds from `since` until `until`."""

    documents: object
    capabilities: Capabilities
    images: tuple[RunningImage, ...]
    since: datetime
    until: datetime
    sources: ResolvedSources | None
    registries: Registries
    said: Mapping[tuple[str, str], Said]
    found: Judged

    def holds(self, snapshot: Snapshot, environment: Environment, now: datetime) -> bool:
        return (
            self.documents is snapshot.documents
            and self.images is snapshot.running.get(environment.name)
            and self.since <= now < self.until
            and self.capabilities == snapshot.estate.capabilities_of(environment)
        )


@dataclass(frozen=True)
class Visible:
    """What one caller may see of it, in the order of the list."""

    rows: tuple[Row, ...]
    found: Mapping[str, Judged]
    places: Places
    _orders: dict[str, tuple[Row, ...]] = field(default_factory=dict)

    @cached_property
    def verdicts(self) -> Counter[Word]:
        """How many there are of each verdict."""
        return Counter(row.said.word for row in self.rows)

    def ordered(self, order: str, *, descending: bool = False) -> Sequence[Row]:
        """All of them in one of the ORDERS."""
        if order == "image":
            found = self.rows
        else:
            held = self._orders.get(order)
            if held is None:
                held = tuple(sorted(self.rows, key=ORDERS[order]))
                while len(self._orders) >= MOST_ORDERS:
                    self._orders.pop(next(iter(self._orders)))
                self._orders[order] = held
            found = held
        return found[::-1] if descending else found


class Judgements:
    """Everything that runs with its verdicts, kept over revisions."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._found: dict[str, Judged] = {}
        self._visible: dict[Scope, Visible] = {}
        self._seen_of: object = None
        self._lock = asyncio.Lock()

    async def at(self, snapshot: Snapshot, now: datetime) -> Mapping[str, Judged]:
        """Environment → what runs there, for those that have reported. The same object while nothing is new."""
        async with self._lock:
            if not self._holds(snapshot, now):
                self._found = await asyncio.to_thread(self._renewed, snapshot, now)
            return self._found

    async def visible(self, caller: Caller, snapshot: Snapshot, now: datetime) -> Visible:
        """What the caller may see of all that runs; worked out once for each scope while nothing is new."""
        found, scope = await self.at(snapshot, now), scope_of(caller)
        if self._seen_of is not found:
            self._visible, self._seen_of = {}, found
        held = self._visible.get(scope)
        if held is None:
            held = await asyncio.to_thread(_visible, found, Places(scope, snapshot))
            if self._seen_of is found:
                self._visible[scope] = held
        return held

    def _holds(self, snapshot: Snapshot, now: datetime) -> bool:
        return self._found.keys() == _there(snapshot).keys() and all(
            self._kept[name].holds(snapshot, environment, now) for name, environment in _there(snapshot).items()
        )

    def _renewed(self, snapshot: Snapshot, now: datetime) -> dict[str, Judged]:
        registries = self._registries(snapshot)
        kept: dict[str, _Kept] = {}
        for name, environment in _there(snapshot).items():
            before = self._kept.get(name)
            if before is None or not before.holds(snapshot, environment, now):
                before = _judged(snapshot, environment, registries, before, now)
            kept[name] = before
        self._kept = kept
        return {name: one.found for name, one in kept.items()}

    def _registries(self, snapshot: Snapshot) -> Registries:
        """Registries with the memory of those before, if they are the same."""
        every: tuple[Registry, ...] = snapshot.estate.registries
        known = next((one.registries for one in self._kept.values() if one.registries.all == every), None)
        return known or Registries(every)


def _there(snapshot: Snapshot) -> dict[str, Environment]:
    """The environments that have reported, also those that are leaving."""
    held = {name: snapshot.environment(name) for name in snapshot.running}
    return {name: one for name, one in held.items() if one is not None}


def _visible(found: Mapping[str, Judged], places: Places) -> Visible:
    rows: list[Row] = []
    for environment, one in found.items():
        admitted = {namespace for namespace in one.tallies if places.admit(environment, namespace)}
        if len(admitted) == len(one.tallies):
            rows += one.rows
        elif admitted:
            rows += [row for row in one.rows if row.image.namespace in admitted]
    rows.sort(key=lambda row: row.order)
    return Visible(tuple(rows), found, places)


def _judged(
    snapshot: Snapshot,
    environment: Environment,
    registries: Registries,
    before: _Kept | None,
    now: datetime,
) -> _Kept:
    images, capabilities = snapshot.running[environment.name], snapshot.estate.capabilities_of(environment)
    same = (
        before is not None
        and before.documents is snapshot.documents
        and before.since <= now < before.until
        and before.capabilities == capabilities
    )
    sources = before.sources if before is not None and same else _sources(snapshot, environment, now)
    lasting = before is not None and before.since <= now < before.until
    if before is not None and lasting and before.sources == sources and before.registries is registries:
        known = before.said
        if before.images is images:
            # Something has changed, and it makes no difference here.
            return replace(
                before, documents=snapshot.documents, capabilities=capabilities, since=now, until=_until(sources, now)
            )
    else:
        known = {}
    said: dict[tuple[str, str], Said] = {}
    for one in images:
        place = one.namespace, one.image
        if place not in said:
            said[place] = known.get(place) or _said(*place, sources, registries, now)
    rows = tuple(sorted((Row(one, said[one.namespace, one.image]) for one in images), key=lambda row: row.order))
    found = Judged(rows, _tallies(rows))
    until = _until(sources, now)
    return _Kept(snapshot.documents, capabilities, images, now, until, sources, registries, said, found)


def _sources(snapshot: Snapshot, environment: Environment, now: datetime) -> ResolvedSources | None:
    if environment.name in snapshot.leaving:
        return None
    return governed(snapshot, environment, now).state.sources


def _until(sources: ResolvedSources | None, now: datetime) -> datetime:
    """Until when equal sources judge alike: admission compares whole seconds, and we whatever was written."""
    exact = [one.expires_at for one in (sources.exemptions if sources else ())]
    return min((at for at in (*exact, *(one.replace(microsecond=0) for one in exact)) if at > now), default=NEVER)


def _said(namespace: str, image: str, sources: ResolvedSources | None, registries: Registries, now: datetime) -> Said:
    covering = registries.covering(image)
    registry = covering[0].name if covering else ""
    stage = None if sources is None else stage_in(sources.stage, namespace)
    try:
        reference = parse(image)
        canonical, host = str(reference), reference.host
    except UnsafeReference:
        reference, canonical, host = None, None, ""
    if sources is None or sources.stage is Stage.OFF:
        return Said(canonical, host, registry, None, stage)
    found = judge(image, namespace, sources, now=now)
    first = found.reasons[0]
    exempted: tuple[str, ...] = ()
    if first.code is Code.EXEMPTED and reference is not None:
        exempted = tuple(one.name for one in sources.exempting(reference, namespace, now))
    told = (str(first.code), first.message, exempted, word(found.decision))
    return Said(canonical, host, registry, found.decision, stage, *told)


def _tallies(rows: Iterable[Row]) -> dict[str, Tally]:
    counted: dict[str, Counter[tuple[Decision | None, Stage | None]]] = defaultdict(Counter)
    for row in rows:
        counted[row.image.namespace][row.said.verdict, row.said.stage] += 1
    return {namespace: _tally(namespace, held) for namespace, held in counted.items()}


def _tally(namespace: str, held: Mapping[tuple[Decision | None, Stage | None], int]) -> Tally:
    def of(*wanted: Decision | None) -> int:
        return sum(count for (verdict, _), count in held.items() if verdict in wanted)

    governed_here = namespace not in SYSTEM_NAMESPACES
    wrong = (Decision.DENY, Decision.UNKNOWN)
    refused = sum(count for (verdict, stage), count in held.items() if verdict in wrong and stage is Stage.DENY)
    return Tally(
        of(Decision.ALLOW),
        of(Decision.DENY),
        of(Decision.UNKNOWN),
        of(None),
        of(*wrong) if governed_here else 0,
        refused if governed_here else 0,
    )
