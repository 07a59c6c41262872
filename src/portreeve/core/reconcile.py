"""What an agent does in its cluster, next: documents and observations in, requests out, as one step function.

Theory of operation
-------------------
`step(state, event) -> (state, effects)`. Observations and documents change what is known and mark namespaces; only a
`Tick` acts: it takes the marked namespaces in the order in which they were marked, revoked ones first, compares what
is known with `core.delivery.wanted`, and sends what the API server's share (`core.pacing`) has room for. One request
at a time is under way for an object; its answer marks the namespace again, so that a namespace comes to rest by
finding nothing left to do. At rest nothing is sent.

* **A document** is stored before it counts: `PersistDocument`, then `DocumentPersisted`. An older one, and another one
  of the same generation, are refused. After its end it does nothing at all: it brings nothing, and takes nothing away.
* **A Secret** is read before it is created, because an apply over somebody's equal object would silently share it.
  Later writes name its UID and resourceVersion; nothing is forced, nothing is deleted to be made again.
  What does not carry our marks (`core.observation`) is left alone, with a status. Deletion is by name and marks, not by
  label, wherever a namespace has no grant: also one that could not be reached when its grant ended.
* **Records** of what is ours in a namespace are stored before the request that they are about. One that is lost is made
  again from the marks: the Secret is adopted, and with it the entries of its name in ServiceAccounts. That an entry
  is ours is forgotten no sooner than every patch of it must have been carried out (`SETTLING_S`).
* **ServiceAccounts** get and lose our entry alone, by JSON Patch with a test of the resourceVersion and of the entry.
  They get it as soon as there is a grant, also while the Secret holds nothing: a pod that was started without it
  never gets it.
* **Failures** wait, each object for itself; after a conflict or a lost answer the object is read first. What only a
  person can undo is tried again seldom and told. `Retry-After` quiets all requests.
* **Clocks.** `now` is only held against the ends of credentials and documents; when it was set, everything is looked at
  again. Every wait goes by `at`, the seconds of a clock that nobody sets.

The program around it carries effects out in their order, and stops at a `Persist...` that fails: what follows it is not
carried out. It lists each kind before it watches (`Listed`), and again whenever a watch broke off.

Left out: the admission policy and its probes (`render_digest` is carried only), adopting pull secrets of others,
Events, pods that missed the pull secret, strict mode of a lease, and the modes without a Secret.

Sources: mission rules 1 to 6; reliability I1 to I4, I10, L1, L3, L4, F-01 to F-28; threats AG-04, AG-08, AG-10;
X. Sun et al., "Anvil: Verifying Liveness of Cluster Management Controllers", OSDI 2024 (the shape).
"""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Final

from portreeve.core.agent_messages import (
    Answer,
    Changed,
    Deleted,
    DesiredReceived,
    DocumentPersisted,
    Effect,
    Event,
    Listed,
    PersistDocument,
    ReportDocument,
    Restarted,
    Saved,
    Tick,
    Verdict,
)
from portreeve.core.copies import replace
from portreeve.core.delivery import Document, selecting
from portreeve.core.namespace_decision import look
from portreeve.core.observation import Kind
from portreeve.core.pacing import Bucket, Limits
from portreeve.core.reconcile_state import (
    Line,
    Place,
    State,
    Waiting,
    answered,
    changed,
    deleted,
    due,
    listed,
    marked,
    sent,
    timed,
    waiting_of,
)

NEEDED: Final = frozenset({Kind.NAMESPACE, Kind.SECRET, Kind.ACCOUNT, Kind.WORKLOAD})
"""What has to be listed before anything is done: an absence is only known from a whole list."""

SKEW_S: Final = 2.0
"""How far the two clocks may drift apart between two ticks before one of them was set."""

Stepped = tuple[State, tuple[Effect, ...]]


def step(state: State, event: Event) -> Stepped:
    """The next state and what to do, in this order. An event that says nothing new changes nothing."""
    match event:
        case Restarted(saved, limits):
            return _restarted(saved, limits), ()
        case DesiredReceived(document):
            return _received(state, document)
        case DocumentPersisted(generation):
            return _in_force(state, generation)
        case Listed():
            return listed(state, event), ()
        case Changed(seen):
            return changed(state, seen), ()
        case Deleted():
            return deleted(state, event), ()
        case Answer():
            return answered(state, event), ()
        case Tick():
            return _tick(state, event)


def _restarted(saved: Saved, limits: Limits) -> State:
    lines = {name: Line(name, record=record, queued=0) for name, record in saved.records.items()}
    logins = saved.document.logins() if saved.document else {}
    return State(limits, saved.document, lines=lines, logins=logins, bucket=Bucket(limits.burst))


def _received(state: State, document: Document) -> Stepped:
    known = state.pending or state.document
    if known is not None and document.generation <= known.generation:
        if document.generation == known.generation and document.hash == known.hash:
            # One that was not stored yet is stored again: the first time may have failed.
            return state, ((PersistDocument(document),) if state.pending else ())
        verdict = Verdict.OLDER if document.generation < known.generation else Verdict.DIFFERS
        return state, (ReportDocument(document.generation, document.hash, verdict),)
    return replace(state, pending=document), (PersistDocument(document),)


def _in_force(state: State, generation: int) -> Stepped:
    document = state.pending
    if document is None or document.generation != generation:
        return state, ()
    held = {
        fact.credential
        for line in state.lines.values()
        if line.secret is not None
        for fact in line.secret.entries or ()
        if fact.live
    }
    logins = {credential: login for credential, login in state.logins.items() if credential in held}
    lines = {name: _revisited(line, document, state.turn) for name, line in state.lines.items()}
    report = ReportDocument(document.generation, document.hash, Verdict.APPLIED)
    after = replace(
        state, document=document, pending=None, lines=lines, logins=logins | document.logins(), ended_told=False
    )
    return after, (report,)


def _revisited(line: Line, document: Document, turn: int) -> Line:
    """The line under a new document: to be looked at, and first of all if it is granted nothing any more."""
    revoked = line.record is not None and line.space is not None and not selecting(document, line.space)
    return replace(marked(line, turn), urgent=revoked)


def _tick(state: State, tick: Tick) -> Stepped:
    now, at = tick.now, tick.at
    drift = 0.0 if state.now is None else (now - state.now).total_seconds() - (at - state.at)
    was_set = abs(drift) > SKEW_S
    if was_set or at >= state.due_at:
        lines = {name: timed(line, tick, state.turn, was_set) for name, line in state.lines.items()}
        state = replace(state, lines=lines, due_at=min(map(due, lines.values()), default=inf))
    bucket = state.bucket.filled(at, state.limits)
    state = replace(state, bucket=bucket, now=now, at=at, turn=state.turn + 1)
    document = state.document
    if document is not None and document.ended(now):
        if state.ended_told:
            return state, ()
        report = ReportDocument(document.generation, document.hash, Verdict.ENDED)
        return replace(state, ended_told=True), (report,)
    state = replace(state, ended_told=False)
    return _act(state, now) if state.listed >= NEEDED else (state, ())


def _act(state: State, now: datetime) -> Stepped:
    """Deal with marked namespaces, as far as requests may be sent."""
    bucket, ask, due_at = state.bucket, state.ask, state.due_at
    under_way = {name: state.lines[name].in_flight for name in state.asking if name in state.lines}
    room = 0 if bucket.quiet(state.at) else state.limits.in_flight - sum(under_way.values())
    if room <= 0 or bucket.level < 1:
        return state, ()
    order = waiting_of(state)
    if not order:
        return replace(state, waiting=Waiting(state.lines, order)), ()
    lines = dict(state.lines)
    asking = {name for name, count in under_way.items() if count}
    effects: list[Effect] = []
    still: list[Place] = []
    looked, level = 0, bucket.level
    while looked < len(order) and room > 0 and level >= 1:
        place, looked = order[looked], looked + 1
        line = lines[place[-1]]
        after, told, requests = look(state, line, now)
        effects += told
        for request in requests[: min(room, int(level))]:
            ask, room, level = ask + 1, room - 1, level - 1
            numbered = replace(request, ask=ask)
            effects.append(numbered)
            after = sent(after, numbered, state.at)
            asking.add(line.namespace)
            requests = requests[1:]
        if requests:
            # What found no room stays marked where it was, and so comes before all that were marked later.
            still.append(place)
        else:
            after = replace(after, queued=None, urgent=False)
        lines[line.namespace] = after
        due_at = min(due_at, due(after))
    after_all = replace(
        state,
        lines=lines,
        bucket=replace(bucket, level=level),
        ask=ask,
        due_at=due_at,
        asking=frozenset(asking),
        waiting=Waiting(lines, (*still, *order[looked:])),
    )
    return after_all, tuple(effects)
