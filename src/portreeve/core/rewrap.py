"""Moving every wrapped key to another key, one record at a time, so that it can stop anywhere and go on.

Theory of operation
-------------------
`step(state, event) -> (state, effects)`. The state holds key ids, record ids and counts, never a key, and may be stored
after each step. Each effect names one thing for an edge to do, and its answer is the next event; at most one is under
way at a time.

It goes through all records in order of their ids, a page at a time, and moves those that are not under the target. At
the end it counts what is left, as other replicas may have written under the old key meanwhile; if something is, it goes
round again. A round that moves nothing and leaves as much as before ends in STALLED.

Every effect may happen twice without harm: `Move` unwraps with the key that the record names, wraps with the target,
and replaces the record only if it still is what was read. So after a crash `Resume` with the last stored state, or with
a new one, is enough. What a record is bound to comes from its own columns and is no part of any effect: a move cannot
widen what a key opens.

Left out: destroying the old key. DONE says that nothing stored needs it; backups may, until they have aged out. That is
a person's decision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

PAGE = 100
"""Records in one page: one read for many moves, and little memory."""


class Phase(StrEnum):
    """Where it is."""

    READING = "reading"
    MOVING = "moving"
    COUNTING = "counting"
    DONE = "done"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Item:
    """A record and the key that it is wrapped with."""

    record: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that could not be moved, and the code of the reason."""

    record: str
    code: str


@dataclass(frozen=True, slots=True)
class State:
    """How far it came. `after` is the last record of this round that was dealt with, "" at its start.

    `queue` is what is left of the page. `left` is the count at the end of the last round, None in the first. `failures`
    are those of this round.
    """

    target: str
    phase: Phase = Phase.READING
    after: str = ""
    queue: tuple[Item, ...] = ()
    moved: int = 0
    moved_in_round: int = 0
    left: int | None = None
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """Begin, or go on after a crash or a stop."""


@dataclass(frozen=True, slots=True)
class Page:
    """Answer to ReadPage, sorted by record; empty at the end."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Answer to Move: the record is durably under the target."""

    record: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Answer to Move: somebody else has written or removed the record since."""

    record: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Answer to Move: the record stays as it was."""

    record: str
    code: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Answer to Count."""

    left: int


Event = Resume | Page | Moved | Changed | Failed | Counted


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read up to `limit` records after `after` that are not under `target`, sorted by record."""

    after: str
    target: str
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class Move:
    """Wrap one record anew, if it is still under `from_key`."""

    record: str
    from_key: str
    to_key: str


@dataclass(frozen=True, slots=True)
class Count:
    """Count the records that are not under `target`."""

    target: str


Effect = ReadPage | Move | Count


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """The next state and what to do. An answer that nobody waits for changes nothing."""
    match event:
        case Resume():
            return _resume(state)
        case Page(items) if state.phase is Phase.READING:
            return _page(state, items)
        case Moved(record) | Changed(record) | Failed(record) if _awaited(state, record):
            return _dealt_with(state, event)
        case Counted(left) if state.phase is Phase.COUNTING:
            return _counted(state, left)
        case _:
            return state, ()


def _resume(state: State) -> tuple[State, tuple[Effect, ...]]:
    """Read on after the last record dealt with; what stalled begins a round of its own."""
    if state.phase is Phase.DONE:
        return state, ()
    if state.phase is Phase.STALLED:
        return _round(replace(state, left=None))
    return _read(state)


def _page(state: State, items: tuple[Item, ...]) -> tuple[State, tuple[Effect, ...]]:
    if not items:
        return replace(state, phase=Phase.COUNTING), (Count(state.target),)
    return _move(replace(state, queue=items))


def _dealt_with(state: State, event: Moved | Changed | Failed) -> tuple[State, tuple[Effect, ...]]:
    state = replace(state, after=event.record, queue=state.queue[1:])
    if isinstance(event, Moved):
        state = replace(state, moved=state.moved + 1, moved_in_round=state.moved_in_round + 1)
    elif isinstance(event, Failed):
        state = replace(state, failures=(*state.failures, Failure(event.record, event.code)))
    return _move(state)


def _counted(state: State, left: int) -> tuple[State, tuple[Effect, ...]]:
    if left == 0:
        return replace(state, phase=Phase.DONE, left=0, failures=()), ()
    progressed = state.moved_in_round > 0 or state.left is None or left < state.left
    if not progressed:
        return replace(state, phase=Phase.STALLED, left=left), ()
    return _round(replace(state, left=left))


def _round(state: State) -> tuple[State, tuple[Effect, ...]]:
    return _read(replace(state, after="", moved_in_round=0, failures=()))


def _read(state: State) -> tuple[State, tuple[Effect, ...]]:
    return replace(state, phase=Phase.READING, queue=()), (ReadPage(state.after, state.target),)


def _move(state: State) -> tuple[State, tuple[Effect, ...]]:
    """Move the first of the queue, or read on after it."""
    if not state.queue:
        return _read(state)
    first = state.queue[0]
    return replace(state, phase=Phase.MOVING), (Move(first.record, first.key_id, state.target),)


def _awaited(state: State, record: str) -> bool:
    return state.phase is Phase.MOVING and state.queue[0].record == record
