"""How much may still be pulled from a registry that counts, and when nothing will be left.

Theory of operation. A registry that counts pulls says, with each answer, how many it allows in a window and how many
are left, and for whom it counts: an address that many clusters may share, or an account. Readings are kept for each of
those. Between two of them the number goes down by what was pulled by everybody behind the same address, and up by what
has left the window; the forecast follows the fall of the last hours, so it errs towards too early.

Source: Docker Hub, "Pull usage and limits": `ratelimit-limit: 100;w=21600`, `docker-ratelimit-source`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

LOOK_BACK: Final = timedelta(hours=6)
"""What a forecast is made from: one window of Docker Hub."""

LOW: Final = 0.2
"""Less than this share left is worth a warning: an ordinary rollout takes as much."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading. `at` is UTC; `source` is whom the registry counts for, "" where it does not say."""

    at: datetime
    limit: int
    remaining: int
    window_s: int
    source: str = ""


class Level(StrEnum):
    """How bad it is."""

    FINE = "fine"
    LOW = "low"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the readings of one source say. `per_hour` are pulls that were counted an hour, None from one reading alone.

    `empty_at` is when nothing will be left if it goes on so, None if it does not.
    """

    source: str
    latest: Reading
    level: Level
    per_hour: float | None = None
    empty_at: datetime | None = None
    advice: str = ""


def forecasts(readings: Iterable[Reading]) -> tuple[Forecast, ...]:
    """One forecast for each source, sorted by source."""
    by_source: dict[str, list[Reading]] = {}
    for reading in sorted(readings, key=lambda one: one.at):
        by_source.setdefault(reading.source, []).append(reading)
    return tuple(_forecast(source, by_source[source]) for source in sorted(by_source))


def _forecast(source: str, readings: Sequence[Reading]) -> Forecast:
    latest = readings[-1]
    recent = [one for one in readings if latest.at - one.at <= LOOK_BACK and one.limit == latest.limit]
    hours = (latest.at - recent[0].at) / timedelta(hours=1)
    rate = None
    if hours > 0:
        fallen = sum(max(0, before.remaining - then.remaining) for before, then in pairwise(recent))
        rate = fallen / hours
    # Where it does not go down altogether, what leaves the window makes up for what is pulled.
    shrinks = recent[0].remaining > latest.remaining
    empty_at = None
    if latest.remaining <= 0:
        empty_at = latest.at
    elif rate and shrinks:
        empty_at = latest.at + timedelta(hours=latest.remaining / rate)
    level = _level(latest, empty_at)
    return Forecast(source, latest, level, rate, empty_at, _advice(level))


def _level(latest: Reading, empty_at: datetime | None) -> Level:
    if latest.remaining <= 0:
        return Level.EXHAUSTED
    soon = empty_at is not None and empty_at - latest.at <= timedelta(hours=1)
    return Level.LOW if soon or latest.remaining < latest.limit * LOW else Level.FINE


def _advice(level: Level) -> str:
    if level is Level.FINE:
        return ""
    return "pull through a mirror or a pull-through cache, and sign in: whoever shares the address shares the limit"
