"""What the enforcing half of an agent knows: its four objects, the proof, and what it may ask for now.

Theory of operation
-------------------
A `Line` is one object: whether it is known, how it fits what is wanted, and its waiting. `held` remembers that it was
as wanted under the present document, so that a change by somebody (a drift) is told from a change that is under way.

What a watch shows may be older than an answer. A version that goes back is therefore not believed: the object is read
from the server itself, and that answer is what it is, also after a cluster was restored from a backup.

A `Proof` is about what is wanted now: whatever is written, changed or found changed begins it anew.

Left out: deciding what to do (`core.enforcement`) and what to tell (`core.enforcement_status`).

Sources: reliability I3, L3, F-07 to F-09, F-11, F-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from portreeve.core.admission_objects import KINDS, Seen, holds, same_spec
from portreeve.core.agent_messages import Outcome
from portreeve.core.enforcement_messages import (
    Condition,
    DocumentInForce,
    ObjectAnswer,
    Observed,
    Reason,
    Vanished,
    Wanted,
)
from portreeve.core.enforcement_probes import Scope
from portreeve.core.pacing import FRESH, Bucket, Limits, Pace
from portreeve.core.sources import ResolvedSources

LIMITS: Final = Limits(rate=5.0, burst=30.0, in_flight=8)
"""Of the API server: four objects and a round of probes at once, and then five requests a second whatever happens."""

FULL: Final = Bucket(LIMITS.burst)

CALM_S: Final = 300.0
"""How long nobody may have changed an object until setting it back is quick again."""


class Fit(StrEnum):
    """How an object is, beside what is wanted of it."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    FOREIGN = "foreign"
    """There is one that does not carry our marks."""
    SAME = "same"
    MARKS = "marks"
    """It does what is wanted, and its labels or annotations say otherwise."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Line:
    """One object. `read` asks for it to be read; `failed_at` is when a request about it failed last."""

    name: str
    fit: Fit = Fit.UNKNOWN
    seen: Seen | None = None
    read: bool = True
    pace: Pace = FRESH
    repairs: Pace = FRESH
    """How often it may be set back, if somebody changes it again and again."""
    held: bool = False
    trouble: Outcome | None = None
    failed_at: float = 0.0

    @property
    def ours(self) -> bool:
        """Whether there is one, with our marks."""
        return self.fit in {Fit.SAME, Fit.MARKS, Fit.OTHER}

    @property
    def gone(self) -> bool:
        """Whether it is known that there is none of ours."""
        return self.fit in {Fit.ABSENT, Fit.FOREIGN}


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a scope is not proved, and since when the answers say so."""

    since: float
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Of what is wanted now. `queue` is what is left of the round; `next_at` is when the next one begins."""

    begun_at: float = 0.0
    queue: tuple[Scope, ...] = ()
    pace: Pace = FRESH
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    proven_at: float | None = None
    next_at: float = 0.0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything. `before` are the sources that were wanted until now; `records` is name → UID of what we made."""

    records: Mapping[str, str] = field(default_factory=dict)
    wanted: Wanted | None = None
    before: ResolvedSources | None = None
    namespaces: frozenset[str] = frozenset()
    lines: Mapping[str, Line] = field(default_factory=lambda: {name: Line(name) for name in KINDS})
    proof: Proof = Proof()
    version: str = ""
    version_pace: Pace = FRESH
    version_at: float = 0.0
    bucket: Bucket = FULL
    throttled_at: float = 0.0
    ask: int = 0
    at: float = 0.0
    now: datetime | None = None
    changed_at: float = 0.0
    looked_at: float = 0.0
    """When all objects were read last."""
    told: Condition | None = None


def received(state: State, event: DocumentInForce) -> State:
    """Under a new document. One that wants the same leaves the proof as it is; an older one changes nothing."""
    old, new = state.wanted, event.wanted
    if old is not None and new.generation < old.generation:
        return state
    if old is not None and (old.manifests, old.fault, old.stage) == (new.manifests, new.fault, new.stage):
        return replace(state, wanted=new)
    lines = {
        name: replace(
            line,
            fit=_fit(new, line.seen) if line.fit is not Fit.UNKNOWN else Fit.UNKNOWN,
            # What is under way is for the old document: it is not waited for, and may still come about.
            read=line.read or bool(line.pace.ask),
            pace=FRESH,
            repairs=FRESH,
            held=False,
            trouble=None,
        )
        for name, line in state.lines.items()
    }
    before = old.sources if old is not None else None
    state = replace(state, wanted=new, before=before, lines=lines, version_pace=FRESH, changed_at=state.at)
    return begun_anew(_noted(state))


def begun_anew(state: State) -> State:
    """With nothing proved."""
    return replace(state, proof=Proof(begun_at=state.at, next_at=state.at, turn=state.proof.turn))


def observed(state: State, event: Observed) -> State:
    """What a list or a watch shows."""
    line = state.lines.get(event.seen.name)
    if line is None or line.seen == event.seen:
        return state
    if line.seen is not None and 0 <= event.seen.number < line.seen.number:
        return with_line(state, replace(line, read=True))
    return took(state, line, event.seen)


def vanished(state: State, event: Vanished) -> State:
    """What a list or a watch does not show any more."""
    line = state.lines.get(event.name)
    if line is None or (line.seen is None and line.fit is Fit.ABSENT):
        return state
    if line.seen is not None and line.seen.uid != event.uid:
        # A list that is older than our writing, or the end of one that was there before.
        return with_line(state, replace(line, read=True))
    return took(state, line, None)


def answered(state: State, event: ObjectAnswer) -> tuple[State, bool]:
    """After the answer to a request, and whether the records have changed."""
    line = state.lines[event.name]
    if line.pace.ask != event.ask:
        return state, False
    if event.outcome is not Outcome.DONE:
        return _failed(state, line, event), False
    newer = line.seen is not None and event.seen is not None and 0 <= event.seen.number < line.seen.number
    line = replace(line, pace=FRESH, read=False, trouble=None)
    if event.written and line.held:
        line = replace(line, repairs=line.repairs.failed(event.at, event.chance))
    records = dict(state.records)
    if event.seen is None:
        records.pop(event.name, None)
    elif event.written:
        records[event.name] = event.seen.uid
    changed = records != state.records
    state = took(replace(state, records=records), line, event.seen)
    if newer:
        state = with_line(state, replace(state.lines[event.name], read=True))
    if event.written:
        state = begun_anew(replace(state, changed_at=event.at))
    return state, changed


def _failed(state: State, line: Line, event: ObjectAnswer) -> State:
    line = replace(line, trouble=event.outcome, failed_at=event.at)
    match event.outcome:
        case Outcome.FORBIDDEN | Outcome.REFUSED | Outcome.NOT_FOUND | Outcome.GONE:
            line = replace(line, pace=line.pace.stuck(event.at, event.chance))
        case _:
            unsure = event.outcome in {Outcome.CONFLICT, Outcome.UNKNOWN}
            pace = line.pace.failed(event.at, event.chance, event.retry_after_s)
            line = replace(line, pace=pace, read=line.read or unsure)
    return quieted(with_line(state, line), event.outcome, event.at, event.retry_after_s)


def quieted(state: State, outcome: Outcome, at: float, retry_after_s: float | None) -> State:
    """After an answer of a busy server, which is left alone as a whole."""
    if outcome is not Outcome.THROTTLED:
        return state
    until = FRESH.failed(at, 0.0, retry_after_s).due_at
    bucket = replace(state.bucket, quiet_until=max(until, state.bucket.quiet_until))
    return replace(state, bucket=bucket, throttled_at=at)


def timed(state: State, now: datetime, at: float, chance: float) -> State:
    """After time has passed: requests that are lost are known as such, and calm is rewarded."""
    lines = {name: _later(line, at, chance) for name, line in state.lines.items()}
    proof, version = state.proof, state.version_pace
    if proof.pace.lost(at):
        proof = replace(proof, pace=proof.pace.failed(at, chance))
    if version.lost(at):
        version = version.failed(at, chance)
    bucket = state.bucket.filled(at, LIMITS)
    if state.now is None:
        # Until now there was no time: what has happened since the beginning happens now.
        state, proof = replace(state, changed_at=at, looked_at=at), replace(proof, begun_at=at, next_at=at)
    return replace(state, lines=lines, proof=proof, version_pace=version, bucket=bucket, now=now, at=at)


def _later(line: Line, at: float, chance: float) -> Line:
    if line.pace.lost(at):
        pace = line.pace.failed(at, chance)
        line = replace(line, pace=pace, read=True, trouble=Outcome.UNKNOWN, failed_at=at)
    if line.repairs.wait_s and line.fit is Fit.SAME and at >= line.repairs.due_at + CALM_S:
        line = replace(line, repairs=FRESH)
    return line


def took(state: State, line: Line, seen: Seen | None) -> State:
    """With the object as it is. One that is no longer as wanted ends the proof."""
    fit = _fit(state.wanted, seen)
    drifted = line.held and line.fit is Fit.SAME and fit is not Fit.SAME
    state = _noted(with_line(state, replace(line, seen=seen, fit=fit)))
    return begun_anew(state) if drifted else state


def _noted(state: State) -> State:
    """With `held` of every object that is as wanted."""
    lines = {
        name: replace(line, held=True, trouble=None) if line.fit is Fit.SAME and not line.held else line
        for name, line in state.lines.items()
    }
    return replace(state, lines=lines)


def with_line(state: State, line: Line) -> State:
    """With this line in place of the one of its name."""
    return replace(state, lines={**state.lines, line.name: line})


def _fit(wanted: Wanted | None, seen: Seen | None) -> Fit:
    if seen is None:
        return Fit.ABSENT
    if not seen.marked:
        return Fit.FOREIGN
    manifest = wanted.manifest(seen.name) if wanted else None
    if manifest is None or not same_spec(seen, manifest):
        return Fit.OTHER
    return Fit.SAME if holds(seen, manifest) else Fit.MARKS
