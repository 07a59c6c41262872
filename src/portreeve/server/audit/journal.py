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
from typing import Any, Final

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import Action, Actor, Agent, Event, Outcome, Target, encode
from portreeve.core.merkle import HASH_BYTES, Frontier, leaf_hash
from portreeve.errors import Invalid, Stalled
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
    agent: Agent | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The tree's head, and the revision of the documents that goes with it."""

    frontier: Frontier
    revision: int


async def locked(connection: AsyncConnection) -> Head:
    """The head, held until the transaction ends: no one else writes meanwhile."""
    held = (AUDIT_HEAD.c.size, AUDIT_HEAD.c.peaks, AUDIT_HEAD.c.revision)
    # SQLite has no row locks and needs none: BEGIN IMMEDIATE has locked the database. The clause is left out there.
    query = select(*held).where(AUDIT_HEAD.c.id == _ROW).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        # Two replicas may both begin a new log: whoever inserts second waits for the first, and then finds its row.
        add = "INSERT INTO audit_head (id, size, peaks, revision) VALUES (1, 0, :none, 0) ON CONFLICT DO NOTHING"
        await connection.execute(text(add), {"none": b""})
        row = (await connection.execute(query)).one()
    return Head(_frontier(row), row.revision)


async def tree(connection: AsyncConnection) -> Frontier:
    """The tree's head that is committed now."""
    query = select(AUDIT_HEAD.c.size, AUDIT_HEAD.c.peaks).where(AUDIT_HEAD.c.id == _ROW)
    row = (await connection.execute(query)).one_or_none()
    return Frontier() if row is None else _frontier(row)


def _frontier(row: Any) -> Frontier:
    peaks = bytes(row.peaks)
    try:
        return Frontier(row.size, tuple(peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)))
    except Invalid:
        raise damaged("its head is that of no tree") from None


def damaged(what: str) -> Stalled:
    """The stored log is not what was written."""
    return Stalled(
        "audit_damaged",
        f"the audit log in the database was changed: {what}",
        hint="take an export, keep it as evidence, and verify it with a checkpoint that was kept elsewhere",
    )


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
        made = event(entry, frontier.size, now)
        leaf = encode(made)
        added = frontier.added(leaf_hash(leaf))
        nodes += ({"level": one.level, "position": one.index, "hash": one.hash} for one in added)
        events.append({"sequence": made.sequence, "leaf": leaf, **columns(made)})
        frontier = frontier.append(added[0].hash)
    if events:
        await connection.execute(insert(AUDIT_EVENTS), events)
        await connection.execute(insert(AUDIT_NODES), nodes)
    values = {"size": frontier.size, "peaks": b"".join(frontier.peaks), "revision": head.revision}
    await connection.execute(update(AUDIT_HEAD).where(AUDIT_HEAD.c.id == _ROW).values(**values))
    return Head(frontier, head.revision)


def event(entry: Entry, sequence: int, now: datetime) -> Event:
    """The event of an entry.

    Raises:
        Invalid: `audit_event`.
    """
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
        agent=entry.agent,
    )


def columns(made: Event) -> dict[str, object]:
    """Column → what of the leaf it copies."""
    target = made.target
    return {
        "time": made.time,
        "principal": made.actor.principal,
        "action": str(made.action),
        "kind": str(target.kind),
        "name": target.name,
        "environment": target.environment or "",
        "project": target.project or "",
        "outcome": str(made.outcome),
        "request": made.request,
    }
