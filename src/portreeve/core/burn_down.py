"""A roll-out day by day: how much a policy would deny, which days nobody knows, and since when it is safe to enforce.

Theory of operation. Each look at an environment (`core.stages.Look`) goes into the row of its day: the most violations
that any look of that day has found, so that what came and went within a day still counts, and whether all of them knew
what they spoke of. A day without a row, or with a look that did not know, is *unknown* and never 0. Days are those of
UTC.

A marker stands on a day on which the policy judged by another text or stood at another stage than on the day before.

Left out: who may see which environment. Source: console.md 2.3, "Rollout burn-down"; requirement U-14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from portreeve.core.policy import Stage
from portreeve.core.stages import QUIET, Look, Watch

KEPT_DAYS: Final = 180
"""Days that are remembered: two of the longest quiet periods that can be asked for."""


@dataclass(frozen=True, slots=True)
class Day:
    """What was seen of one policy in one environment on a day.

    Args:
        version: of the policy's document at the last look.
        text: tells what it judged by at the last look from another text.
        violations: at the last look.
        most: at any look.
        known: every look knew all that runs and could run.
    """

    day: date
    stage: Stage
    version: int
    text: str
    violations: int
    most: int
    known: bool


def seen(before: Day | None, look: Look, stage: Stage, version: int, *, known: bool) -> Day:
    """The row of a day after another look. `before` is that of the same place, of whatever day, None: there is none.

    A day that begins with a text of its own forgets what the text before would have denied on that day.
    """
    day = look.at.date()
    now = Day(day, stage, version, look.text, look.count, look.count, known)
    if before is None or before.day != day:
        return now
    most = max(before.most, look.count) if before.text == look.text else look.count
    return replace(now, most=most, known=before.known and known)


@dataclass(frozen=True, slots=True)
class Point:
    """One day over several environments. `violations` is None if nothing is known of any of them.

    `unknown` counts environments of which nothing, or not all, is known on that day.
    """

    day: date
    violations: int | None
    known: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Marker:
    """On this day the policy changed. `what` is "begun", "sources" or "stage"."""

    day: date
    version: int
    stage: Stage
    what: str


def points(rows: Mapping[str, Sequence[Day]], first: date, last: date, present: Iterable[str]) -> tuple[Point, ...]:
    """A point for each day from the first to the last.

    Args:
        rows: environment → its days, sorted.
        present: the environments that the policy is in force in now; without rows they are unknown.
    """
    here = set(present)
    held = {name: {one.day: one for one in days} for name, days in rows.items()}
    begin = {name: days[0].day for name, days in rows.items() if days}
    end = {name: last if name in here else days[-1].day for name, days in rows.items() if days}
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        there = [name for name in begin if begin[name] <= day <= end[name]]
        told = [one for name in there if (one := held[name].get(day)) is not None]
        known = [one for one in told if one.known]
        silent = len(there) - len(known) + (len(here - begin.keys()) if day == last else 0)
        counted = sum(one.most for one in told) if told else None
        found.append(Point(day, counted, len(known), silent))
    return tuple(found)


def markers(rows: Mapping[str, Sequence[Day]], first: date) -> tuple[Marker, ...]:
    """Where the policy changed, from the first day on."""
    days: dict[date, Day] = {}
    for one in sorted((one for held in rows.values() for one in held), key=lambda one: (one.day, one.version)):
        days[one.day] = one
    return tuple(one for one in _markers([days[day] for day in sorted(days)]) if one.day >= first)


def _markers(days: Sequence[Day]) -> Iterator[Marker]:
    before: Day | None = None
    for one in days:
        if before is None:
            yield Marker(one.day, one.version, one.stage, "begun")
        elif one.stage is not before.stage:
            yield Marker(one.day, one.version, one.stage, "stage")
        elif one.text != before.text:
            yield Marker(one.day, one.version, one.stage, "sources")
        before = one


def quiet_since(watches: Iterable[Watch | None]) -> datetime | None:
    """Since when nothing would be denied anywhere, without a gap; None if something would, or nobody knows.

    Args:
        watches: what is remembered of each environment of the policy's groups, None where nothing is.
    """
    found = []
    for one in watches:
        if one is None or one.since is None or one.violations:
            return None
        found.append(one.since if one.violation_at is None else max(one.since, one.violation_at))
    return max(found, default=None)


def safe_since(quiet: datetime | None, now: datetime, period: timedelta = QUIET) -> datetime | None:
    """Since when the policy may be enforced without refusing what runs; None: not yet."""
    safe = None if quiet is None else quiet + period
    return safe if safe is not None and safe <= now else None
