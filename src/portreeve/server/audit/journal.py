"""Appending to the audit log, in the transaction of what it records.

Theory of operation. A job notes what it does as `Entry`s. When its transaction ends, all entries of all jobs in it get
their sequence numbers, their leaves and the tree's new nodes in one go, under the lock on the one row that holds the
tree's head. So there is no change without its event and no event without its change, whatever kills the process.

Source: RFC 6962, section 2.1; threats AU-01 and AU-03.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import Action, Actor, Event, Outcome, Target, encode
from portreeve.core.merkle import HASH_BYTES, Frontier, leaf_hash
from portreeve.server.database.tables import AUDIT_EVENTS, AUDIT_HEAD, AUDIT_NODES

_ROW: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An event before it has a number and a time."""

    actor: Actor
    action: Action
    target: Target
    request: str
    outcome: Outcome = Outcome.DONE
    reason: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The tree's head, and the revision of the documents that goes with it."""

    frontier: Frontier
    revision: int


async def locked(connection: AsyncConnection) -> Head:
    """The head, held until the transaction ends: no one else writes meanwhile."""
    columns = (AUDIT_HEAD.c.size, AUDIT_HEAD.c.peaks, AUDIT_HEAD.c.revision)
    # SQLite has no row locks and needs none: BEGIN IMMEDIATE has locked the database. The clause is left out there.
    row = (await connection.execute(select(*columns).where(AUDIT_HEAD.c.id == _ROW).with_for_update())).one_or_none()
    if row is None:
        await connection.execute(insert(AUDIT_HEAD).values(id=_ROW, size=0, peaks=b"", revision=0))
        return Head(Frontier(), 0)
    peaks = tuple(row.peaks[at : at + HASH_BYTES] for at in range(0, len(row.peaks), HASH_BYTES))
    return Head(Frontier(row.size, peaks), row.revision)


async def revision(connection: AsyncConnection) -> int:
    """The revision that is committed now."""
    found = await connection.scalar(select(AUDIT_HEAD.c.revision).where(AUDIT_HEAD.c.id == _ROW))
    return int(found or 0)


async def append(connection: AsyncConnection, head: Head, entries: Sequence[Entry], now: datetime) -> Head:
    """Write the entries behind the head, and the head itself. The head must have been `locked` in this transaction."""
    frontier = head.frontier
    events: list[dict[str, object]] = []
    nodes: list[dict[str, object]] = []
    for entry in entries:
        event = _event(entry, frontier.size, now)
        leaf = encode(event)
        added = frontier.added(leaf_hash(leaf))
        nodes += ({"level": one.level, "position": one.index, "hash": one.hash} for one in added)
        events.append(_row(event, leaf))
        frontier = frontier.append(added[0].hash)
    if events:
        await connection.execute(insert(AUDIT_EVENTS), events)
        await connection.execute(insert(AUDIT_NODES), nodes)
    values = {"size": frontier.size, "peaks": b"".join(frontier.peaks), "revision": head.revision}
    await connection.execute(update(AUDIT_HEAD).where(AUDIT_HEAD.c.id == _ROW).values(**values))
    return Head(frontier, head.revision)


def _event(entry: Entry, sequence: int, now: datetime) -> Event:
    return Event(
        sequence=sequence,
        time=now,
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        outcome=entry.outcome,
        request=entry.request,
        reason=entry.reason,
        before=entry.before,
        after=entry.after,
    )


def _row(event: Event, leaf: bytes) -> dict[str, object]:
    target = event.target
    return {
        "sequence": event.sequence,
        "leaf": leaf,
        "time": event.time,
        "principal": event.actor.principal,
        "action": str(event.action),
        "kind": str(target.kind),
        "name": target.name,
        "environment": target.environment or "",
        "project": target.project or "",
        "outcome": str(event.outcome),
        "request": event.request,
    }
