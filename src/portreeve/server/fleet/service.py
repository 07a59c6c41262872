"""The fleet of one caller: how each environment that they see stands, and what they could do about it.

Theory of operation. Everything is put together from what other subjects keep: verdicts of `images.judged`, ends of the
calendar, grants beside what is used of the inventory. What is then the same for everybody with the same rights is kept
until something changes or a minute has passed; nobody is counted in what they may not see, so two people may see
different numbers, and each is right about what they may see.

An answer has at most MOST_SHOWN environments, those first that need somebody; the groups count all of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from portreeve.core.authorization import visible_scope
from portreeve.core.calendar import Lane
from portreeve.core.enforcement_messages import Enforcement
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.fleet import (
    Asked,
    Ending,
    Facts,
    Failing,
    Health,
    Lapse,
    Place,
    Rest,
    Standing,
    Tally,
    Thing,
    Ungranted,
    health,
    largest,
    things,
)
from portreeve.core.permissions import Kind
from portreeve.core.policy import Exemption, RegistryPolicy, Stage
from portreeve.core.pull_failure import ADVICE, cause_of
from portreeve.server.access_requests.service import State
from portreeve.server.access_requests.service import rows as requests_of
from portreeve.server.calendar.entries import visible
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.reach import reaches
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import PULL, Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import answered
from portreeve.server.http.caller import Caller
from portreeve.server.images.freshness import known_at
from portreeve.server.images.judged import Judgements, Visible
from portreeve.server.inventory.service import needed, spaces

KEPT: Final = 32
"""Views that are kept: one for each set of rights that has asked within the minute."""

_RIGHTS: Final = (
    Kind.WORKLOAD, Kind.ENVIRONMENT, Kind.REGISTRY, Kind.EXEMPTION, Kind.NAMESPACE, Kind.REGISTRY_ACCESS,
    Kind.REGISTRY_POLICY,
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One environment as the caller sees it. `namespaces` is how many have something running."""

    environment: Environment
    standing: Standing
    status: Mapping[str, Any]
    known_at: datetime | None
    namespaces: int = 0
    exemptions: int = 0
    expiring: int = 0
    whole: bool = True
    """False: the caller sees something that runs there and not the environment, of which nothing else is told then."""


@dataclass(frozen=True, slots=True)
class Map:
    """Squares of the map, what is left of each environment, and how many squares there are in all."""

    squares: Sequence[Place]
    rest: Sequence[Rest]
    total: int


@dataclass(frozen=True)
class Fleet:
    """All of it, sorted by name."""

    revision: int
    shown: Sequence[Shown]
    things: Sequence[Thing]
    images: Visible
    exemptions: int = 0
    _maps: dict[tuple[str | None, str | None, int], Map] = field(default_factory=dict)

    @cached_property
    def places(self) -> Sequence[Place]:
        """The squares of the map, all of them."""
        return [
            Place(one.environment.group, one.environment.name, namespace, tally, _stale(one))
            for one in self.shown
            for namespace, tally in _tallies(self.images, one.environment.name).items()
        ]

    def map(self, group: str | None, environment: str | None, most: int) -> Map:
        """The largest squares of what is asked for; the same question gets the same answer without any work."""
        asked = (group, environment, most)
        found = self._maps.get(asked)
        if found is None:
            places = [
                one for one in self.places if group in (None, one.group) and environment in (None, one.environment)
            ]
            found = Map(*largest(places, most), len(places))
            if len(self._maps) < KEPT:
                self._maps[asked] = found
        return found


@dataclass(frozen=True)
class _Until:
    """What the views were made of. Agents that come change no revision, and change what is connected."""

    revision: int
    agents: object
    minute: datetime


class Fleets:
    """The service."""

    def __init__(self, judgements: Judgements) -> None:
        self._judgements = judgements
        self._until: _Until | None = None
        self._kept: dict[object, Fleet] = {}

    async def of(self, caller: Caller, snapshot: Snapshot, now: datetime) -> Fleet:
        """The fleet as the caller may see it."""
        visible_images = await self._judgements.visible(caller, snapshot, now)
        until = _Until(snapshot.revision, snapshot.agents, now.replace(second=0, microsecond=0))
        same = self._until is not None and (self._until.revision, self._until.minute) == (until.revision, until.minute)
        if not same or self._until is None or self._until.agents is not until.agents:
            self._until, self._kept = until, {}
        rights = (*(visible_scope(caller.principal, kind) for kind in _RIGHTS), caller.scope)
        found = self._kept.get(rights)
        if found is None:
            found = await asyncio.to_thread(_fleet, caller, snapshot, visible_images, now)
            if self._until is until and len(self._kept) < KEPT:
                self._kept[rights] = found
        return found


def _stale(one: Shown) -> bool:
    return one.whole and one.standing.health in {Health.UNREACHABLE, Health.UNKNOWN}


def _fleet(caller: Caller, snapshot: Snapshot, images: Visible, now: datetime) -> Fleet:
    held = [(stored, stored.value) for stored in seen(caller, KINDS["Environment"], snapshot)]
    exemptions = [
        one.value
        for one in seen(caller, KINDS["Exemption"], snapshot)
        if isinstance(one.value, Exemption) and one.value.in_force and one.value.expires_at > now
    ]
    shown = [
        _shown(stored, environment, snapshot, images, exemptions, now)
        for stored, environment in held
        if isinstance(environment, Environment)
    ]
    shown += _partly(snapshot, images, {one.environment.name for one in shown})
    facts = Facts(
        [one.standing for one in shown if one.whole],
        list(_endings(caller, snapshot, images, shown)),
        [Ungranted(one.environment, one.namespace, one.registry, one.uses) for one in needed(caller, snapshot)],
        list(_failing(caller, snapshot, shown)),
        [Lapse(one.name, one.expires_at, _alone(one, images)) for one in exemptions],
        [
            Asked(row.environment, row.request.namespace, row.request.name, row.request.registry)
            for row in requests_of(caller, snapshot)
            if row.state is State.REQUESTED
        ],
    )
    return Fleet(snapshot.revision, shown, things(facts, now), images, len(exemptions))


def _partly(snapshot: Snapshot, images: Visible, told: Collection[str]) -> Iterator[Shown]:
    """Environments of which the caller sees what runs in some namespaces, and nothing else."""
    for name in sorted(images.found):
        environment = None if name in told else snapshot.estate.environments_by_name.get(name)
        tallies: Mapping[str, Tally] = _tallies(images, name) if environment is not None else {}
        if environment is not None and tallies:
            standing = Standing(
                name,
                "",
                Enforcement.UNKNOWN,
                Health.UNKNOWN,
                tally=_total(images, name, tallies),
            )
            status = {"phase": None, "agent": {"connected": None, "lastSeen": None}}
            # Its group is not theirs to know, either.
            yield Shown(replace(environment, group="", title=""), standing, status, None, len(tallies), whole=False)


def _shown(
    stored: Stored,
    environment: Environment,
    snapshot: Snapshot,
    images: Visible,
    exemptions: Sequence[Exemption],
    now: datetime,
) -> Shown:
    name = environment.name
    status = answered(stored, snapshot, now)["status"]
    policy = snapshot.documents.get(Key("RegistryPolicy", status.get("policy") or ""))
    stage = policy.value.stage if policy is not None and isinstance(policy.value, RegistryPolicy) else None
    tallies = _tallies(images, name)
    row = snapshot.agents.get(name)
    ends = _ends(snapshot, environment)
    standing = Standing(
        name,
        environment.group,
        Enforcement(status["enforcement"]),
        health(
            agent=row is not None and row.seen_at is not None,
            connected=status["agent"]["connected"],
            ends=min(ends, default=None),
            now=now,
        ),
        status.get("policy"),
        stage,
        _total(images, name, tallies) if name in images.found else None,
        min(ends, default=None),
    )
    return Shown(
        environment,
        standing,
        status,
        known_at(name, snapshot),
        len(tallies),
        sum(environment.group in one.groups for one in exemptions),
        sum(standing_ends(at, now) for at in ends),
    )


def standing_ends(at: datetime, now: datetime) -> bool:
    """Whether this end makes an environment one that expires."""
    return health(agent=True, connected=True, ends=at, now=now) is Health.EXPIRING


def _ends(snapshot: Snapshot, environment: Environment) -> list[datetime]:
    """When credentials end that are granted in an environment. Minted tokens are renewed by themselves."""
    if environment.name in snapshot.leaving:
        return []
    rows = (snapshot.credentials.get((registry, PULL)) for registry in reaches(snapshot, environment))
    return [row.expires_at for row in rows if row is not None and row.expires_at is not None]


def _tallies(images: Visible, environment: str) -> Mapping[str, Tally]:
    """Namespace → what runs there, as far as the caller may see it."""
    judged = images.found.get(environment)
    if judged is None:
        return {}
    seen = [name for name in judged.tallies if images.places.admit(environment, name)]
    # Mostly all or nothing: then nothing is made anew.
    return judged.tallies if len(seen) == len(judged.tallies) else {name: judged.tallies[name] for name in seen}


def _total(images: Visible, environment: str, tallies: Mapping[str, Tally]) -> Tally:
    judged = images.found[environment]
    return judged.total if tallies is judged.tallies else sum(tallies.values(), Tally())


def _endings(caller: Caller, snapshot: Snapshot, images: Visible, shown: Sequence[Shown]) -> Iterator[Ending]:
    """Stored credentials that end. What hangs on one is what runs where it is granted, and what it stands for."""
    ending = [one for one in visible(caller, snapshot) if one.lane is Lane.CREDENTIAL and one.expires_at is not None]
    pulled = {one.registry for one in ending if one.purpose == PULL}
    counted: Counter[str] = Counter()
    for one in shown:
        judged = images.found.get(one.environment.name)
        if judged is None or one.environment.name in snapshot.leaving:
            continue
        for registry, reach in reaches(snapshot, one.environment).items():
            if registry in pulled:
                used = judged.used.get(registry, {})
                counted[registry] += sum(
                    used.get(name, 0)
                    for name in reach.namespaces
                    if name in used and images.places.admit(one.environment.name, name)
                )
    for entry in ending:
        assert entry.expires_at is not None
        impact, reached = entry.impact, counted[entry.registry] if entry.purpose == PULL else 0
        yield Ending(entry.registry, entry.purpose, entry.expires_at, reached, impact.namespaces, impact.environments)


def _failing(caller: Caller, snapshot: Snapshot, shown: Sequence[Shown]) -> Iterator[Failing]:
    for one in shown:
        reported = snapshot.reports.get(one.environment.name)
        told = (reported.inventory if reported else None) or {}
        if not any(said.get("pullFailures") for said in told.values()):
            continue
        for namespace, said in spaces(caller, snapshot, one.environment):
            causes: dict[str, set[str]] = {}
            for row in said.get("pullFailures", ()):
                causes.setdefault(row["cause"], set()).add(row["owner"])
            for word, owners in causes.items():
                cause = cause_of(word)
                yield Failing(one.environment.name, namespace, str(cause), ADVICE[cause].meaning, len(owners))


def _alone(exemption: Exemption, images: Visible) -> int:
    """How many running images that the caller sees are allowed by this exemption and by nothing else."""
    return sum(
        count
        for environment, judged in images.found.items()
        for namespace, count in judged.exempted.get(exemption.name, {}).items()
        if images.places.admit(environment, namespace)
    )


@dataclass
class Totals:
    """What several environments are together."""

    environments: int = 0
    reported: int = 0
    tally: Tally = field(default_factory=Tally)
    enforcement: Counter[str] = field(default_factory=Counter)
    health: Counter[str] = field(default_factory=Counter)
    expiring: int = 0
    oldest: datetime | None = None

    def add(self, one: Shown) -> None:
        """One more."""
        self.environments += 1
        self.enforcement[str(one.standing.enforcement)] += 1
        self.health[str(one.standing.health)] += 1
        self.expiring += one.expiring > 0
        if one.standing.tally is not None:
            self.reported += 1
            self.tally += one.standing.tally
        if one.known_at is not None:
            self.oldest = min(one.known_at, self.oldest or one.known_at)


_WORRY: Final = {Health.UNREACHABLE: 0, Health.UNKNOWN: 2, Health.EXPIRING: 3, Health.READY: 5}


def worry(one: Shown) -> tuple[int, int, str]:
    """The order of environments: those first that need somebody."""
    tally, standing = one.standing.tally or Tally(), one.standing
    rank = _WORRY[standing.health]
    if standing.enforcement is Enforcement.GAP:
        rank = 0
    elif tally.refused:
        rank = min(rank, 1)
    elif tally.violations or standing.stage in (None, Stage.OFF):
        rank = min(rank, 4)
    return rank, -tally.images, standing.name
