"""What ends when, what hangs on it, and what has to be told of it by now.

An entry is one thing that ends, or that should and does not: a stored credential, a token that was minted from one, an
exemption. Tokens are renewed by themselves and are told of by `core.refresh`; an alert of the calendar is for what a
person has to renew: at 30, 14, 7 and 1 days, and once it has ended. Each is told once for each end; who comes late, as
for a credential that is stored with five days left, hears the one that counts now and not those before it.

Left out: who may see an entry, and the forms that it is written in. Source: mission rule 13; requirement U-06.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DAYS: Final = (30, 14, 7, 1)
"""Days before the end on which it is told. Source: mission rule 13."""

OVERDUE_DAYS: Final = 0
"""What stands for "it has ended" among the days."""


class Lane(StrEnum):
    """What ends."""

    CREDENTIAL = "credential"
    TOKEN = "token"  # noqa: S105 -- the name of a lane
    EXEMPTION = "exemption"


class Level(StrEnum):
    """How near the end is."""

    OK = "ok"
    DAYS_30 = "30"
    DAYS_14 = "14"
    DAYS_7 = "7"
    DAYS_1 = "1"
    OVERDUE = "overdue"
    NEVER = "never"
    """It has no end."""


@dataclass(frozen=True, slots=True)
class Impact:
    """What stands still when it has ended: grants, the namespaces that they reach, and the environments of those."""

    grants: int = 0
    namespaces: int = 0
    environments: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the calendar. `key` tells entries of a lane apart for good; `name` is for people.

    `can_end` is whether the provider lets such a credential end. `expires_at` is UTC; None means never.
    """

    lane: Lane
    key: str
    name: str
    expires_at: datetime | None
    registry: str = ""
    purpose: str = ""
    project: str = ""
    can_end: bool = True
    impact: Impact = Impact()

    @property
    def order(self) -> str:
        """What ends first comes first, and what never ends last."""
        at = self.expires_at.strftime("%Y-%m-%dT%H:%M:%S") if self.expires_at else "9999"
        return f"{at}\n{self.lane}\n{self.name}\n{self.key}"

    def days_left(self, now: datetime) -> int | None:
        """Whole days until the end, below zero once it has ended, None for never."""
        return None if self.expires_at is None else (self.expires_at - now) // timedelta(days=1)

    def level(self, now: datetime) -> Level:
        """How near the end is. A token is overdue or not: it is renewed long before the last day, by itself."""
        if self.expires_at is None:
            return Level.NEVER
        days = due(self.expires_at, now)
        if days == OVERDUE_DAYS:
            return Level.OVERDUE
        return Level.OK if days is None or self.lane is Lane.TOKEN else Level(str(days))


def due(expires_at: datetime, now: datetime) -> int | None:
    """Which of DAYS counts now, OVERDUE_DAYS once it has ended, None while it is further away than all."""
    left = expires_at - now
    if left <= timedelta():
        return OVERDUE_DAYS
    return min((days for days in DAYS if left <= timedelta(days=days)), default=None)


def alert(expires_at: datetime | None, now: datetime, told: tuple[datetime, int] | None) -> int | None:
    """Which of DAYS, or OVERDUE_DAYS, has to be told now. `told` is the end and the day that were told last."""
    if expires_at is None:
        return None
    days = due(expires_at, now)
    if days is None or (told is not None and told[0] == expires_at and told[1] <= days):
        return None
    return days


def selected(
    entries: Iterable[Entry],
    now: datetime,
    *,
    lane: str | None = None,
    level: str | None = None,
    registry: str | None = None,
    within_days: int | None = None,
) -> list[Entry]:
    """The entries that match all filters, in their order. `within_days` leaves out what never ends."""
    until = None if within_days is None else now + timedelta(days=within_days)
    found = [
        one
        for one in entries
        if lane in {None, one.lane}
        and level in {None, one.level(now)}
        and registry in {None, one.registry}
        and (until is None or (one.expires_at is not None and one.expires_at <= until))
    ]
    return sorted(found, key=lambda one: one.order)
