"""The fleet at a glance: how each environment stands on two axes, and the few things that are worth doing first.

Theory of operation. *Enforcement* says whether the policy stands there, as far as that is proved; *health* whether
pulls go on working: `Expiring` is a credential in use that the calendar already alerts about. What nobody has told is
`Unknown` on either axis and is never counted as good.

What may be done is ranked by its blast radius: first by how many running images *stop*, that is could not be pulled or
started again, then by how many are *exposed*, that is governed by nothing, or by nobody knows what. Equal ones keep the
order of the functions below, which goes from what is broken to what is untidy. Running images are counted because that
is the one number that every kind of trouble can be told in; it is never an estimate: where nothing is known of how many
images hang on it, the number is 0 and the reason says so.

Left out: who may see what (the caller passes in only that), and how any of it is drawn.
Source: console.md 2.1 (1, 2) and 2.2, screen 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from portreeve.core.calendar import DAYS
from portreeve.core.enforcement_messages import Enforcement
from portreeve.core.policy import Stage
from portreeve.core.verdict import Decision

EXPIRING: Final = timedelta(days=max(DAYS))
"""How near the end of a credential makes its environments `Expiring`: from the calendar's first alert on."""

SOON: Final = timedelta(days=14)
"""From when a credential that ends is something to do, and no more only something to know."""

RENEWED: Final = timedelta(days=30)
"""How much later the end is that a renewed exemption is proposed to have."""

Pipeline = tuple[tuple[str, ...], ...]
"""Commands that read one another, each by its words: whoever shows them quotes them for a shell."""

STARTER: Final[Pipeline] = (
    ("portreeve", "suggest", ".", "--name", "starter"),
    ("portreeve", "apply", "-f", "-"),
)
"""What makes a first policy out of files, where there is none to begin with."""

NAMED: Final = 3
"""Names that a sentence holds; the others are counted."""


class Health(StrEnum):
    """Whether pulls go on working in an environment."""

    READY = "Ready"
    EXPIRING = "Expiring"
    UNREACHABLE = "Unreachable"
    UNKNOWN = "Unknown"


class Word(StrEnum):
    """What a verdict is called where none is one of the answers, the worst first."""

    DENY = "DENY"
    UNKNOWN = "UNKNOWN"
    NOT_JUDGED = "NOT_JUDGED"
    ALLOW = "ALLOW"


RANK: Final[Mapping[Word, int]] = {word: rank for rank, word in enumerate(Word)}


def word(decision: Decision | None) -> Word:
    """A verdict as a word."""
    return Word.NOT_JUDGED if decision is None else Word(decision.value)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many running images have which verdict.

    `violations` are those outside of system namespaces that the policy does not allow; `refused` are those of them
    that it would refuse, so that they could not start again.
    """

    allow: int = 0
    deny: int = 0
    unknown: int = 0
    not_judged: int = 0
    violations: int = 0
    refused: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.allow + other.allow,
            self.deny + other.deny,
            self.unknown + other.unknown,
            self.not_judged + other.not_judged,
            self.violations + other.violations,
            self.refused + other.refused,
        )

    @property
    def images(self) -> int:
        """All of them."""
        return self.allow + self.deny + self.unknown + self.not_judged

    @property
    def coverage(self) -> float | None:
        """The share that a policy has judged; None where nothing runs."""
        return None if not self.images else (self.images - self.not_judged) / self.images

    @property
    def worst(self) -> Word | None:
        """The worst verdict that there is; None where nothing runs."""
        held = ((self.deny, Word.DENY), (self.unknown, Word.UNKNOWN), (self.not_judged, Word.NOT_JUDGED))
        found = next((name for count, name in held if count), None)
        return found or (Word.ALLOW if self.allow else None)


@dataclass(frozen=True, slots=True)
class Standing:
    """One environment. `tally` is None if nobody has told what runs there. `stage` is that of `policy`.

    `ends` is when the first of the credentials that are granted there ends; None: none of them does.
    """

    name: str
    group: str
    enforcement: Enforcement
    health: Health
    policy: str | None = None
    stage: Stage | None = None
    tally: Tally | None = None
    ends: datetime | None = None

    @property
    def images(self) -> int:
        """How many run there, as far as it is known."""
        return self.tally.images if self.tally is not None else 0


def health(*, agent: bool, connected: bool, ends: datetime | None, now: datetime) -> Health:
    """How an environment stands.

    Args:
        agent: one was enrolled and has come at least once.
        connected: it has come lately.
        ends: when the first credential that is in use there ends.
    """
    if not agent:
        return Health.UNKNOWN
    if not connected:
        return Health.UNREACHABLE
    return Health.EXPIRING if ends is not None and ends - now <= EXPIRING else Health.READY


@dataclass(frozen=True, slots=True)
class Ending:
    """A stored credential that ends, and what hangs on it."""

    registry: str
    purpose: str
    expires_at: datetime
    images: int
    namespaces: int
    environments: int


@dataclass(frozen=True, slots=True)
class Ungranted:
    """A registry that workloads of a namespace use without a grant; `uses` is how many do."""

    environment: str
    namespace: str
    registry: str
    uses: int


@dataclass(frozen=True, slots=True)
class Failing:
    """Workloads of a namespace whose images are not pulled, for one cause."""

    environment: str
    namespace: str
    cause: str
    meaning: str
    workloads: int


@dataclass(frozen=True, slots=True)
class Lapse:
    """An exemption in force that ends, and how many running images it alone allows."""

    name: str
    expires_at: datetime
    images: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A registry that a namespace asks for, and that nobody has decided on."""

    environment: str
    namespace: str
    name: str
    registry: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that may be something to do, as far as whoever asks may see it."""

    standings: Sequence[Standing] = ()
    endings: Sequence[Ending] = ()
    ungranted: Sequence[Ungranted] = ()
    failing: Sequence[Failing] = ()
    lapses: Sequence[Lapse] = ()
    asked: Sequence[Asked] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the console, with what is chosen there."""

    page: str
    search: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing to do. `stops` and `exposed` are running images; `why` is a sentence, `command` one line of shell."""

    code: str
    title: str
    why: str
    command: Pipeline
    link: Link
    stops: int = 0
    exposed: int = 0
    environments: tuple[str, ...] = ()


def things(facts: Facts, now: datetime) -> tuple[Thing, ...]:
    """What may be done, that with the largest blast radius first."""
    found = (
        *_failing(facts.failing),
        *_refused(facts.standings),
        *_endings(facts.endings, now),
        *_gaps(facts.standings),
        *_ungranted(facts.ungranted),
        *_lapses(facts.lapses, now),
        *_unreachable(facts.standings),
        *_untold(facts.standings),
        *_ungoverned(facts.standings),
        *_unjudged(facts.standings),
        *_asked(facts.asked),
    )
    return tuple(sorted(found, key=lambda one: (-one.stops, -one.exposed)))


def _failing(rows: Iterable[Failing]) -> Iterator[Thing]:
    held: dict[str, list[Failing]] = defaultdict(list)
    for one in rows:
        held[one.cause].append(one)
    for cause, ones in sorted(held.items()):
        total, places = sum(one.workloads for one in ones), sorted({one.environment for one in ones})
        first = max(ones, key=lambda one: (one.workloads, one.environment, one.namespace))
        yield Thing(
            "pulls_fail",
            f"{counted(total, 'workload')} cannot pull: {ones[0].meaning}",
            f"The nodes of {listed(places)} say so now ({cause}).",
            _command("inventory", first.environment, "-n", first.namespace),
            Link(f"environments/{first.environment}"),
            stops=total,
            environments=tuple(places),
        )


def _refused(standings: Iterable[Standing]) -> Iterator[Thing]:
    for policy, ones in _by_policy(one for one in standings if one.tally is not None and one.tally.refused):
        stops = sum(one.tally.refused for one in ones if one.tally is not None)
        names = tuple(sorted(one.name for one in ones))
        yield Thing(
            "refused_when_restarted",
            f"{counted(stops, 'running image')} would be refused by {policy} when started again",
            f"The policy is at deny in {listed(names)} and does not allow what runs there: the next reschedule fails.",
            _command("describe", "policy", policy),
            Link("images", {"verdict": "DENY", "stage": "deny"}),
            stops=stops,
            environments=names,
        )


def _endings(rows: Iterable[Ending], now: datetime) -> Iterator[Thing]:
    for one in sorted(rows, key=lambda one: (one.expires_at, one.registry, one.purpose)):
        left = one.expires_at - now
        if left > SOON:
            continue
        reach = f"{counted(one.namespaces, 'namespace')} of {counted(one.environments, 'environment')}"
        ends = "has ended" if left <= timedelta() else f"ends in {counted(max(1, left.days), 'day')}"
        purpose = () if one.purpose == "pull" else ("--purpose", one.purpose)
        yield Thing(
            "credential_ends",
            f"The {one.purpose} credential of {one.registry} {ends}",
            f"{reach} pull with it; {counted(one.images, 'running image')} could not be pulled again.",
            _command("rotate", "registry", one.registry, *purpose, "--from-env", "NEW_SECRET"),
            Link("credentials", {"registry": one.registry}),
            stops=one.images,
        )


def _gaps(standings: Iterable[Standing]) -> Iterator[Thing]:
    for policy, ones in _by_policy(one for one in standings if one.enforcement is Enforcement.GAP):
        names = tuple(sorted(one.name for one in ones))
        yield Thing(
            "enforcement_gap",
            f"{policy} does not stand in {counted(len(names), 'environment')}",
            f"Agents of {listed(names)} have proved that what should hold there does not.",
            _command("attachments", "--environment", names[0]),
            Link("fleet", {"enforcement": "Gap"}),
            exposed=sum(one.images for one in ones),
            environments=names,
        )


def _ungranted(rows: Iterable[Ungranted]) -> Iterator[Thing]:
    held: dict[str, list[Ungranted]] = defaultdict(list)
    for one in rows:
        held[one.registry].append(one)
    for registry, ones in sorted(held.items()):
        total, places = sum(one.uses for one in ones), sorted({one.environment for one in ones})
        first = max(ones, key=lambda one: (one.uses, one.environment, one.namespace))
        yield Thing(
            "not_granted",
            f"{registry} is used in {counted(len(ones), 'namespace')} without a grant",
            f"{counted(total, 'workload')} of {listed(places)} pull from it by a credential of their own, or none.",
            _command("grant", registry, "--environment", first.environment, "-n", first.namespace),
            Link("access", {"view": "needed", "registry": registry}),
            exposed=total,
            environments=tuple(places),
        )


def _lapses(rows: Iterable[Lapse], now: datetime) -> Iterator[Thing]:
    for one in sorted(rows, key=lambda one: (one.expires_at, one.name)):
        left = one.expires_at - now
        if left > SOON:
            continue
        yield Thing(
            "exemption_ends",
            f"Exemption {one.name} ends in {counted(max(1, left.days), 'day')}",
            f"{counted(one.images, 'running image')} are allowed by it and by nothing else."
            if one.images
            else "Nothing that runs needs it as far as is known: it may simply end.",
            _command("exempt", "renew", one.name, "--expires-at", f"{one.expires_at + RENEWED:%Y-%m-%dT%H:%M:%SZ}")
            if one.images
            else _command("exempt", "revoke", one.name),
            Link(f"exemptions/{one.name}"),
            stops=one.images,
        )


def _unreachable(standings: Iterable[Standing]) -> Iterator[Thing]:
    ones = [one for one in standings if one.health is Health.UNREACHABLE]
    if ones:
        names = tuple(sorted(one.name for one in ones))
        yield Thing(
            "environment_silent",
            f"{counted(len(names), 'environment')} {'does' if len(names) == 1 else 'do'} not answer",
            f"The agent of {listed(names)} has not come lately: whatever is told of it is old.",
            _command("describe", "environment", names[0]),
            Link("fleet", {"health": "Unreachable"}),
            exposed=sum(one.images for one in ones),
            environments=names,
        )


def _untold(standings: Iterable[Standing]) -> Iterator[Thing]:
    ones = [one for one in standings if one.health is Health.UNKNOWN]
    if ones:
        names = tuple(sorted(one.name for one in ones))
        yield Thing(
            "environment_unknown",
            f"Nothing is known of {counted(len(names), 'environment')}",
            f"No agent has come from {listed(names)} yet: what runs there is not known.",
            _command("add", "environment", names[0]),
            Link("fleet", {"health": "Unknown"}),
            environments=names,
        )


def _ungoverned(standings: Iterable[Standing]) -> Iterator[Thing]:
    ones = [one for one in standings if one.stage in (None, Stage.OFF)]
    if ones:
        names = tuple(sorted(one.name for one in ones))
        policy = next((one.policy for one in sorted(ones, key=lambda one: one.name) if one.policy is not None), None)
        yield Thing(
            "not_governed",
            f"No policy judges what runs in {counted(len(names), 'environment')}",
            f"{listed(names)}: begin with audit, which only tells and refuses nothing.",
            _command("promote", policy) if policy else STARTER,
            Link("policies/new", {"type": "kubernetes", "template": "from-inventory"}),
            exposed=sum(one.images for one in ones),
            environments=names,
        )


def _unjudged(standings: Iterable[Standing]) -> Iterator[Thing]:
    ones = [one for one in standings if one.tally is not None and one.tally.unknown]
    if ones:
        names = tuple(sorted(one.name for one in ones))
        total = sum(one.tally.unknown for one in ones if one.tally is not None)
        yield Thing(
            "verdict_unknown",
            f"Of {counted(total, 'running image')} it cannot be said whether they are allowed",
            f"A grant in scope could not be resolved in {listed(names)}: the environment has not told enough.",
            _command("describe", "environment", names[0]),
            Link("images", {"verdict": "UNKNOWN"}),
            exposed=total,
            environments=names,
        )


def _asked(rows: Iterable[Asked]) -> Iterator[Thing]:
    ones = sorted(rows, key=lambda one: (one.environment, one.namespace, one.name))
    if ones:
        first = ones[0]
        yield Thing(
            "requests_wait",
            f"{counted(len(ones), 'request')} for a registry {'waits' if len(ones) == 1 else 'wait'} for an answer",
            f"{first.namespace} in {first.environment} asks for {first.registry}"
            + (f", and {len(ones) - 1} more." if len(ones) > 1 else "."),
            _command("approve", "request", f"{first.environment}/{first.namespace}/{first.name}"),
            Link("access", {"view": "requests"}),
            environments=tuple(sorted({one.environment for one in ones})),
        )


def _by_policy(standings: Iterable[Standing]) -> list[tuple[str, list[Standing]]]:
    held: dict[str, list[Standing]] = defaultdict(list)
    for one in standings:
        held[one.policy or ""].append(one)
    return sorted(held.items())


def _command(*words: str) -> Pipeline:
    return (("portreeve", *words),)


def counted(number: int, noun: str) -> str:
    """A number with its noun, "1 image" or "2 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence holds them: the first few, and how many more there are."""
    shown = [*names[:NAMED]]
    if len(names) > NAMED:
        shown.append(f"{len(names) - NAMED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "nowhere"


@dataclass(frozen=True, slots=True)
class Place:
    """A square of the map: a namespace of an environment. `stale` is that what is told of it is old."""

    group: str
    environment: str
    namespace: str
    tally: Tally
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """What an environment has besides the squares that are shown."""

    group: str
    environment: str
    namespaces: int
    tally: Tally
    stale: bool = False


def largest(places: Iterable[Place], most: int) -> tuple[tuple[Place, ...], tuple[Rest, ...]]:
    """The largest squares, at most so many, and what is left of each environment, so that areas add up.

    Of equal ones that with the worse verdict is shown: what is wrong should not vanish in a rest.
    """
    every = sorted(places, key=_size)
    rest: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for one in every[most:]:
        rest[one.group, one.environment].append(one)
    kept = sorted(every[:most], key=lambda one: (one.group, one.environment, *_size(one)))
    return tuple(kept), tuple(
        Rest(*at, len(ones), sum((one.tally for one in ones), Tally()), ones[0].stale)
        for at, ones in sorted(rest.items())
    )


def _size(one: Place) -> tuple[int, int, str, str]:
    worst = one.tally.worst
    return -one.tally.images, len(RANK) if worst is None else RANK[worst], one.environment, one.namespace
