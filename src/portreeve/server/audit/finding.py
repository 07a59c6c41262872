"""Finding events in a log of millions: which index leads, and how far one question looks.

Theory of operation. Pages are in the order of the log, so a condition that many events meet is answered by walking it
from the right end, and one that few meet by its index. Which is which nobody knows beforehand, and no statistics tell
about the values of one filter, so each is counted up to `FEW`: that reads its index alone and takes a few milliseconds.
The one with the fewest leads. Where none has few, or there is none, as for text in the middle of a name, one question
looks at `WINDOW` events; if that does not fill the page, the answer says how far it came, and the next one goes on from
there. So no question takes long, and whoever asks on misses nothing.

A span of times is turned into a span of numbers first. Clocks of replicas differ, so both ends are looked for exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import escaped
from portreeve.server.audit.store import Stored, stored
from portreeve.server.database.tables import AUDIT_EVENTS

FEW: Final = 20_000
"""Events that one question fetches by an index at most: 50 ms."""

WINDOW: Final = 100_000
"""Events that one question looks at where no index leads: 0.2 s."""

FILTERS: Final[Mapping[str, Any]] = {
    name: AUDIT_EVENTS.c[name]
    for name in ("principal", "action", "kind", "name", "environment", "project", "outcome", "request")
}
"""What events are found by, beside their time and a text: the closed list (threat API-02)."""

_LOOKED_IN: Final = ("name", "principal", "action", "environment", "project", "request", "kind")
_NUMBER: Final = AUDIT_EVENTS.c.sequence


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for. `equal` is a filter → its value; `since` is included, `until` is not.

    `text` stands somewhere in one of the fields, in whatever case.
    """

    equal: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What one question found. `looked_to` is the number of the last event that it looked at; None if that was all."""

    rows: list[Stored]
    looked_to: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from `first` to `last`, both included."""

    first: int
    last: int

    def window(self, oldest_first: bool) -> Span:
        """The part of it that one question looks at."""
        if oldest_first:
            return Span(self.first, min(self.last, self.first + WINDOW - 1))
        return Span(max(self.first, self.last - WINDOW + 1), self.last)

    def condition(self) -> ColumnElement[bool]:
        """As SQL."""
        return _NUMBER.between(self.first, self.last)


async def find(
    connection: AsyncConnection,
    visible: ColumnElement[bool],
    wanted: Wanted,
    *,
    size: int,
    oldest_first: bool,
    after: int | None,
    limit: int,
) -> Found:
    """Events that are visible and wanted, behind number `after` in that order, out of the first `size`."""
    span = Span(0, size - 1)
    if after is not None:
        span = Span(after + 1, size - 1) if oldest_first else Span(0, min(size, after) - 1)
    if wanted.since is not None or wanted.until is not None:
        span = await _narrowed(connection, span, wanted)
    leader = await _leader(connection, span, wanted)
    part = span if leader is not None else span.window(oldest_first)
    conditions = [visible, part.condition(), *_times(wanted), *_texts(wanted)]
    for name, value in wanted.equal.items():
        conditions.append((FILTERS[name] if name == leader else _led(FILTERS[name])) == escaped(value))
    query = select(AUDIT_EVENTS).where(*conditions)
    query = query.order_by(_NUMBER.asc() if oldest_first else _NUMBER.desc()).limit(limit)
    rows = [stored(row) for row in (await connection.execute(query)).all()]
    if len(rows) == limit or part == span:
        return Found(rows)
    return Found(rows, part.last if oldest_first else part.first)


async def _narrowed(connection: AsyncConnection, span: Span, wanted: Wanted) -> Span:
    """The numbers of what happened in the time that is asked for; an index of times alone is read."""
    query = select(func.min(_NUMBER), func.max(_NUMBER)).where(*_times(wanted, led=False))
    first, last = (await connection.execute(query)).one()
    return Span(0, -1) if first is None else Span(max(span.first, first), min(span.last, last))


async def _leader(connection: AsyncConnection, span: Span, wanted: Wanted) -> str | None:
    """The filter that the fewest events meet, if they are few."""
    counts = {}
    for name, value in wanted.equal.items():
        here = select(_NUMBER).where(FILTERS[name] == escaped(value), span.condition()).limit(FEW).subquery()
        counts[name] = int(await connection.scalar(select(func.count()).select_from(here)) or 0)
    least = min(counts, key=lambda name: counts[name], default=None)
    return least if least is not None and counts[least] < FEW else None


def _times(wanted: Wanted, *, led: bool = True) -> list[ColumnElement[bool]]:
    time = _led(AUDIT_EVENTS.c.time) if led else AUDIT_EVENTS.c.time
    since = [] if wanted.since is None else [time >= wanted.since]
    return since if wanted.until is None else [*since, time < wanted.until]


def _texts(wanted: Wanted) -> list[ColumnElement[bool]]:
    if not wanted.text:
        return []
    # Events hold names escaped, and people ask for them as they know them.
    text = escaped(wanted.text)
    return [or_(*(FILTERS[name].icontains(text, autoescape=True) for name in _LOOKED_IN))]


def _led(column: Any) -> Any:
    """The column in a form that no index is taken for."""
    return func.coalesce(column, literal_column("NULL"))
