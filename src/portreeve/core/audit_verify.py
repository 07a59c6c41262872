"""Offline verification of an audit export: is this what was logged, all of it, in this order?

Theory of operation. Line by line the tree is built again; its state is one hash for each level, so memory does not
grow with the log. Every event must have the next sequence number. A checkpoint must be signed by a trusted key, cover
exactly the events in front of it, and have the root of the tree as built; as all roots are of the one growing tree,
every checkpoint is then consistent with every earlier one. What stands behind the last checkpoint is covered by
nothing, and is counted.

An export alone cannot show that its end was cut off at a checkpoint, or that somebody with the key wrote a new log. A
checkpoint that was kept elsewhere does: at its size the tree must have its root.

Each step is a function of a frozen state, so that a test can try every changed byte from the line that it is in.
Left out: exports that begin later than the first event.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from portreeve.core.audit_export import Entry, parse_line
from portreeve.core.checkpoint import Checkpoint, Note, VerifierKey, Verify, opened
from portreeve.core.merkle import Frontier, leaf_hash
from portreeve.errors import Invalid


class Result(StrEnum):
    """What an export turned out to be."""

    INTACT = "intact"
    TAMPERED = "tampered"
    INCOMPLETE = "incomplete"


class Fault(StrEnum):
    """Why an export is not what was logged; codes of docs/errors.md beside those of the line itself."""

    SEQUENCE = "audit_sequence"
    ORDER = "audit_checkpoint_order"
    ROOT = "audit_root"
    KEPT = "audit_rewritten"
    CUT = "audit_truncated"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first line that is wrong, and why. What caused it lies behind line `after`, the last one that is proven."""

    line: int
    code: str
    message: str
    after: int


@dataclass(frozen=True, slots=True)
class Trust:
    """What is believed beforehand: the log's keys, and a checkpoint of it that was kept elsewhere and is verified."""

    keys: tuple[VerifierKey, ...]
    verify: Verify
    kept: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class State:
    """How far an export was followed: lines read, the tree, the last checkpoint, and what is proven.

    `covered` counts the events that a checkpoint covers, `proven` is the line up to which they stand.
    """

    line: int = 0
    tree: Frontier = field(default_factory=Frontier)
    checkpoints: int = 0
    last: Checkpoint | None = None
    covered: int = 0
    proven: int = 0
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. `kept` says whether a checkpoint kept elsewhere was compared."""

    events: int
    checkpoints: int
    covered: int
    kept: bool
    root: bytes
    finding: Finding | None

    @property
    def uncovered(self) -> int:
        """Events that nothing signed covers."""
        return self.events - self.covered

    @property
    def result(self) -> Result:
        """TAMPERED goes first; an export without any checkpoint is INCOMPLETE."""
        if self.finding:
            return Result.TAMPERED
        return Result.INCOMPLETE if self.uncovered or not (self.checkpoints or self.kept) else Result.INTACT


def verify(lines: Iterable[bytes], trust: Trust) -> Report:
    """Follow an export to its end or to the first line that is wrong. Lines keep their line breaks.

    Reads of each line at most what is given; who cuts lines off at `audit_export.MAX_LINE_BYTES` bounds memory.
    """
    state = begin(trust)
    for line in lines:
        state = step(state, line, trust)
        if state.finding:
            break
    return end(state, trust)


def begin(trust: Trust) -> State:
    """The state before the first line."""
    return _against_kept(State(), trust)


def step(state: State, line: bytes, trust: Trust) -> State:
    """The state behind one line more; with a finding when it is wrong."""
    at = replace(state, line=state.line + 1)
    try:
        item = parse_line(line)
        return _event(at, item, trust) if isinstance(item, Entry) else _checkpoint(at, item, trust)
    except Invalid as wrong:
        return _found(at, wrong.code, wrong.message)


def end(state: State, trust: Trust) -> Report:
    """The answer behind the last line."""
    size, kept = state.tree.size, trust.kept
    if kept and size < kept.size and not state.finding:
        why = f"the export ends with {size} events; the kept checkpoint covers {kept.size}"
        state = _found(replace(state, line=state.line + 1), Fault.CUT, why)
    return Report(
        events=size,
        checkpoints=state.checkpoints,
        covered=state.covered,
        kept=kept is not None and size >= kept.size,
        root=state.tree.root,
        finding=state.finding,
    )


def _event(state: State, entry: Entry, trust: Trust) -> State:
    expected, found = state.tree.size, entry.event.sequence
    if found != expected:
        what = "was dropped or moved" if found > expected else "stands there again or was moved"
        return _found(state, Fault.SEQUENCE, f"event {found} instead of {expected}: an event {what}")
    return _against_kept(replace(state, tree=state.tree.append(leaf_hash(entry.leaf))), trust)


def _checkpoint(state: State, note: Note, trust: Trust) -> State:
    checkpoint = opened(note, trust.keys, trust.verify)
    size = state.tree.size
    if checkpoint.size != size:
        return _found(
            state, Fault.ORDER, f"the checkpoint covers {checkpoint.size} events; {size} stand in front of it"
        )
    if state.last and checkpoint.size <= state.last.size:
        return _found(state, Fault.ORDER, "the checkpoint covers no more events than the one before it")
    if checkpoint.root != state.tree.root:
        return _found(state, Fault.ROOT, f"the {size} events in front do not have the root that was signed")
    return replace(
        state, checkpoints=state.checkpoints + 1, last=checkpoint, covered=max(size, state.covered), proven=state.line
    )


def _against_kept(state: State, trust: Trust) -> State:
    """At the size of the kept checkpoint the tree must have its root."""
    kept = trust.kept
    if kept is None or kept.size != state.tree.size:
        return state
    if kept.root != state.tree.root:
        return _found(state, Fault.KEPT, f"the first {kept.size} events do not have the root of the kept checkpoint")
    return replace(state, covered=kept.size, proven=state.line)


def _found(state: State, code: str, message: str) -> State:
    return replace(state, finding=Finding(state.line, str(code), message, state.proven))
