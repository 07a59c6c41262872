"""Rows of the audit log: events, nodes of the tree, checkpoints and how far each sink has come. SQL in, values out.

Events and nodes are only ever added, and their order is their number. So a reader that begins with the size of the tree
sees one log, however many connections and transactions it takes to read it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, and_, false, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.merkle import HASH_BYTES, Read
from portreeve.server.audit.journal import damaged
from portreeve.server.database.engine import Database
from portreeve.server.database.tables import AUDIT_CHECKPOINTS, AUDIT_EVENTS, AUDIT_NODES, AUDIT_SINKS

BATCH: Final = 500
"""Events read at once: at most 8 MB, and usually 300 KB."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as it is stored: its leaf, and the columns that copy parts of it."""

    sequence: int
    leaf: bytes
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a sink has come: `sequence` is the next event for it; `failed_at` the last of so many failures."""

    name: str
    sequence: int = 0
    failures: int = 0
    failed_at: datetime | None = None


async def event(connection: AsyncConnection, visible: ColumnElement[bool], sequence: int) -> Stored | None:
    """The event of this number, if it is there and visible."""
    query = select(AUDIT_EVENTS).where(visible, AUDIT_EVENTS.c.sequence == sequence)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else stored(row)


async def batches(database: Database, start: int, end: int) -> AsyncGenerator[list[Stored], None]:
    """The events from `start` to before `end` in their order, in batches; what is missing is left out.

    No connection is held between two batches, so that a slow reader holds up nobody.
    """
    number = AUDIT_EVENTS.c.sequence
    for first in range(start, end, BATCH):
        query = select(AUDIT_EVENTS).where(number >= first, number < min(first + BATCH, end)).order_by(number)
        async with database.reader.connect() as connection:
            rows = (await connection.execute(query)).all()
        yield [stored(row) for row in rows]


def stored(row: Any) -> Stored:
    """A row of it as a value."""
    columns = dict(row._mapping)
    return Stored(columns.pop("sequence"), bytes(columns.pop("leaf")), columns)


async def nodes(connection: AsyncConnection, start: int, end: int) -> dict[tuple[int, int], bytes]:
    """(level, index) → hash of the subtrees that became full with the leaves from `start` to before `end`."""
    level, position = AUDIT_NODES.c.level, AUDIT_NODES.c.position
    ranges = [
        and_(level == height, position >= start >> height, position < end >> height)
        for height in range(end.bit_length())
    ]
    query = select(level, position, AUDIT_NODES.c.hash).where(or_(false(), *ranges))
    return {(row.level, row.position): bytes(row.hash) for row in (await connection.execute(query)).all()}


async def proven(connection: AsyncConnection, make: Callable[[Read], Result]) -> Result:
    """What `make` makes of stored nodes. It is called twice: once to see which ones it reads.

    Raises:
        Stalled: `audit_damaged`: one is missing.
    """
    asked: list[tuple[int, int]] = []

    def note(level: int, index: int) -> bytes:
        asked.append((level, index))
        return bytes(HASH_BYTES)

    make(note)
    place = tuple_(AUDIT_NODES.c.level, AUDIT_NODES.c.position)
    query = select(AUDIT_NODES).where(place.in_(asked) if asked else false())
    found = {(row.level, row.position): bytes(row.hash) for row in (await connection.execute(query)).all()}
    if missing := sorted(set(asked) - found.keys()):
        raise damaged(f"the node at level {missing[0][0]}, position {missing[0][1]} is missing")
    return make(lambda level, index: found[level, index])


async def last_checkpoint(connection: AsyncConnection) -> tuple[bytes, datetime] | None:
    """The note of the last checkpoint, and when it was signed."""
    table = AUDIT_CHECKPOINTS
    query = select(table.c.note, table.c.signed_at).order_by(table.c.size.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (bytes(row.note), row.signed_at)


async def checkpoints(connection: AsyncConnection, start: int, end: int) -> dict[int, bytes]:
    """Size → note of the checkpoints of more than `start` and at most `end` events."""
    table = AUDIT_CHECKPOINTS
    query = select(table.c.size, table.c.note).where(table.c.size > start, table.c.size <= end)
    return {row.size: bytes(row.note) for row in (await connection.execute(query)).all()}


async def add_checkpoint(connection: AsyncConnection, size: int, note: bytes, now: datetime) -> None:
    """Store a checkpoint, unless another replica has stored one of this size."""
    table = AUDIT_CHECKPOINTS
    if await connection.scalar(select(table.c.size).where(table.c.size == size)) is None:
        await connection.execute(insert(table).values(size=size, note=note, signed_at=now))


async def cursor(connection: AsyncConnection, name: str) -> Cursor:
    """How far the sink has come; a new one begins with the first event."""
    row = (await connection.execute(select(AUDIT_SINKS).where(AUDIT_SINKS.c.name == name))).one_or_none()
    return Cursor(name) if row is None else Cursor(name, row.sequence, row.failures, row.failed_at)


async def set_cursor(connection: AsyncConnection, found: Cursor, now: datetime) -> None:
    """Store how far the sink has come."""
    values = {
        "sequence": found.sequence,
        "failures": found.failures,
        "failed_at": found.failed_at,
        "updated_at": now,
    }
    done = await connection.execute(update(AUDIT_SINKS).where(AUDIT_SINKS.c.name == found.name).values(**values))
    if not done.rowcount:
        await connection.execute(insert(AUDIT_SINKS).values(name=found.name, **values))
