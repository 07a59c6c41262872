"""How one cluster comes to enforce a policy, and how that is known: documents and observations in, requests out.

Theory of operation
-------------------
`step(state, event) -> (state, effects)`, in the shape of `core.reconcile`. Observations change what is known; only a
`Tick` acts: it compares the four objects with what is wanted, asks for what differs, and then for proof.

* **Order.** The policy comes first; bindings follow when it is as wanted, so that none is bound to nothing. To
  remove, bindings go first and the policy last. A binding that is to act less than it does (a roll-back) waits for
  nothing: it is the first request, and neither waiting after failures nor a busy server's wish delays it by more than
  a few seconds. No change of stage waits for a proof.
* **What differs** is written, and nothing else; at rest there are no writes. A drift is set back at once, and if it
  comes again and again ever more slowly, up to once a minute: somebody's controller is not fought at full speed.
* **Whose.** An object of our name without our marks is left alone and told. One with our marks and no record is
  adopted: its UID is stored before anything is done to it. Nothing is bound to a policy that is not ours.
* **Nothing is weakened by an error.** A document that has ended, one whose objects this agent renders otherwise, and
  a cluster whose version is not known change nothing. Only a document removes, and only one that says so.
* **Proof.** A round is two dry runs in each of a few scopes (`core.enforcement_probes`). It begins once the objects
  are as wanted and the server has had time to take them up, is repeated with growing waits until every scope is
  proved, and then comes once an hour, at a minute of its own, and when the cluster's version changes. Each hourly
  round reads the objects and the version from the server, too, so that what a watch has missed is found out.

The program around it carries effects out in their order. An object is not changed or removed by its UID before a
`PersistRecords` that names it has succeeded. A new request about an object takes the place of one that is under way.

Left out: clusters with several API servers, of which a dry run asks one; admission at the nodes; other engines.

Sources: mission rules 1, 4, 10, 15; kubernetes.md 4.1 to 4.5; reliability I3, I4, I8, L1, L3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from portreeve.core.admission_objects import severity
from portreeve.core.agent_messages import Outcome
from portreeve.core.cluster import restriction_problem
from portreeve.core.enforcement_messages import (
    ApplyObject,
    DocumentInForce,
    Effect,
    Event,
    NamespacesSeen,
    ObjectAnswer,
    ObjectRequest,
    Observed,
    PersistRecords,
    ProbeAnswer,
    ProbeScope,
    ReadObject,
    ReadVersion,
    Reason,
    RemoveObject,
    Restarted,
    Tick,
    Unseen,
    Vanished,
    VersionAnswer,
    Wanted,
)
from portreeve.core.enforcement_probes import scopes
from portreeve.core.enforcement_state import (
    Doubt,
    Fit,
    Line,
    Proof,
    State,
    answered,
    begun_anew,
    observed,
    quieted,
    received,
    timed,
    vanished,
    with_line,
)
from portreeve.core.enforcement_status import GRACE_S, Told, judge, reported
from portreeve.core.pacing import FRESH, SLOW_S
from portreeve.core.render import POLICY_NAME

SETTLE_S: Final = 1.2
"""Between a write and the first dry run about it. The API server takes policies up once a second: sooner it would be
judged by what was there before, which may look the same."""

PROBE_S: Final = 3600.0
"""Between two rounds at rest."""

URGENT_S: Final = 5.0
"""The longest that a roll-back waits before it is tried again."""

Stepped = tuple[State, tuple[Effect, ...]]


def step(state: State, event: Event) -> Stepped:
    """The next state and what to do, in this order."""
    effects: tuple[Effect, ...] = ()
    match event:
        case Restarted(records):
            state = State(records=dict(records))
        case DocumentInForce():
            state = received(state, event)
        case NamespacesSeen(names):
            state = replace(state, namespaces=names)
        case Observed():
            state = observed(state, event)
        case Vanished():
            state = vanished(state, event)
        case Unseen(name):
            # An API server that was upgraded has been restarted, and that ended the watch.
            state = with_line(state, replace(state.lines[name], read=True))
            state = replace(state, version_at=min(state.version_at, state.at))
        case ObjectAnswer():
            state, changed = answered(state, event)
            effects = (PersistRecords(state.records),) if changed else ()
        case ProbeAnswer():
            state = _probed(state, event)
        case VersionAnswer():
            state = _versioned(state, event)
        case Tick():
            state, effects = _act(timed(state, event.now, event.at, event.chance))
    state, reports = reported(state)
    return state, (*effects, *reports)


def _act(state: State) -> Stepped:
    """Ask for what is needed, as far as requests may be sent: roll-backs, objects, the version, the proof."""
    if state.wanted is None:
        return state, ()
    state = _looked_again(state)
    effects: list[Effect] = []
    needed = [(line, _needed(state, line)) for line in state.lines.values()]
    for line, request in sorted(needed, key=lambda one: not _urgent(state, one[0], one[1])):
        if request is None or not _may(state, line, request):
            continue
        uid = line.seen.uid if line.seen else ""
        if not isinstance(request, ReadObject) and uid and state.records.get(line.name) != uid:
            state = replace(state, records={**state.records, line.name: uid})
            effects.append(PersistRecords(state.records))
        state = _spent(state)
        effects.append(replace(request, ask=state.ask))
        state = with_line(state, replace(line, pace=line.pace.asked(state.ask, state.at)))
    state, asked = _version(state)
    state, proving = _prove(state)
    return state, (*effects, *asked, *proving)


def _looked_again(state: State) -> State:
    """With all objects to be read, if that is due: by the hour, and sooner while something is not as wanted. What a
    watch has missed is found out."""
    policy = state.lines[POLICY_NAME].seen
    settled = all(line.fit in {Fit.SAME, Fit.ABSENT} for line in state.lines.values())
    settled = settled and (policy is None or policy.compiled)
    if state.at < state.looked_at + (PROBE_S if settled else SLOW_S):
        return state
    lines = {name: replace(line, read=True) for name, line in state.lines.items()}
    return replace(state, lines=lines, looked_at=state.at)


def _needed(state: State, line: Line) -> ObjectRequest | None:
    """The next request about an object; None when there is nothing to do, or it is another one's turn."""
    wanted = state.wanted
    if wanted is None:
        return None
    if line.fit is Fit.UNKNOWN or line.read:
        return ReadObject(line.name)
    if state.now is None or wanted.ended(state.now) or wanted.manifests is None:
        return None
    if not wanted.manifests:
        return _removal(state, line)
    manifest = wanted.manifest(line.name)
    capable = bool(state.version) and restriction_problem(state.version) is None
    if manifest is None or line.fit in {Fit.SAME, Fit.FOREIGN}:
        return None
    ready = line.name == POLICY_NAME or state.lines[POLICY_NAME].fit is Fit.SAME
    if not (ready and capable) and not _loosened(line, wanted):
        return None
    return ApplyObject(manifest, line.seen.uid if line.seen else "")


def _removal(state: State, line: Line) -> ObjectRequest | None:
    if not line.ours or line.seen is None:
        return None
    if line.name == POLICY_NAME and not all(one.gone for one in state.lines.values() if one is not line):
        return None
    return RemoveObject(line.name, line.seen.uid)


def _loosened(line: Line, wanted: Wanted) -> bool:
    """Whether it is a binding that acts more than it should."""
    manifest = wanted.manifest(line.name)
    if line.name == POLICY_NAME or manifest is None or line.seen is None:
        return False
    return severity(manifest["spec"]) < severity(line.seen.spec)


def _urgent(state: State, line: Line, request: ObjectRequest | None) -> bool:
    """Whether the cluster refuses more than is wanted until this is done."""
    wanted = state.wanted
    if request is None or wanted is None or line.held:
        return False
    return wanted.manifests == () or _loosened(line, wanted)


def _may(state: State, line: Line, request: ObjectRequest) -> bool:
    if line.pace.ask or state.bucket.level < 1:
        return False
    if _urgent(state, line, request):
        waited = state.at >= line.failed_at + URGENT_S or line.pace.free(state.at)
        return waited and (not state.bucket.quiet(state.at) or state.at >= state.throttled_at + URGENT_S)
    if isinstance(request, ApplyObject) and line.held and state.at < line.repairs.due_at:
        return False
    return line.pace.free(state.at) and not state.bucket.quiet(state.at)


def _spent(state: State) -> State:
    """With the next number, and one request less."""
    return replace(state, ask=state.ask + 1, bucket=replace(state.bucket, level=state.bucket.level - 1))


def _idle(state: State) -> bool:
    """Whether something else may be asked now."""
    return state.bucket.level >= 1 and not state.bucket.quiet(state.at)


# -- the version


def _version(state: State) -> Stepped:
    if not state.version_pace.free(state.at) or state.at < state.version_at or not _idle(state):
        return state, ()
    state = _spent(state)
    return replace(state, version_pace=FRESH.asked(state.ask, state.at)), (ReadVersion(state.ask),)


def _versioned(state: State, event: VersionAnswer) -> State:
    if state.version_pace.ask != event.ask:
        return state
    if event.outcome is not Outcome.DONE:
        pace = state.version_pace.failed(event.at, event.chance, event.retry_after_s)
        return quieted(replace(state, version_pace=pace), event.outcome, event.at, event.retry_after_s)
    other = bool(state.version) and state.version != event.version
    wait_s = PROBE_S if restriction_problem(event.version) is None else SLOW_S
    state = replace(state, version=event.version, version_pace=FRESH, version_at=event.at + wait_s)
    return begun_anew(state) if other else state


# -- the proof


def _prove(state: State) -> Stepped:
    wanted, proof, effects = state.wanted, state.proof, ()
    if wanted is None or wanted.sources is None or not wanted.manifests:
        return state, effects
    if not state.version or any(line.fit is not Fit.SAME for line in state.lines.values()):
        return state, effects
    if not proof.queue and state.at >= max(proof.next_at, state.changed_at + SETTLE_S):
        state = _round(state, wanted)
    elif any(scope.namespace not in state.namespaces for scope in proof.queue):
        # A namespace of the round has gone.
        state = _round(replace(state, proof=replace(proof, doubts={})), wanted)
    proof = state.proof
    if not proof.queue or not proof.pace.free(state.at) or not _idle(state):
        return state, effects
    state = _spent(state)
    proof = replace(proof, pace=proof.pace.asked(state.ask, state.at))
    return replace(state, proof=proof), (ProbeScope(proof.queue[0], state.ask),)


def _round(state: State, wanted: Wanted) -> State:
    """At the beginning of a round. One that comes by the hour reads the objects and the version, too."""
    assert wanted.sources is not None
    proof = state.proof
    queue = scopes(wanted.sources, state.namespaces, state.before, turn=proof.turn)
    state = replace(state, proof=replace(proof, queue=queue, pace=replace(proof.pace, ask=0, lost_at=None)))
    if proof.proven_at is None:
        return state
    return _looked_again(replace(state, looked_at=state.at - PROBE_S, version_at=min(state.version_at, state.at)))


def _probed(state: State, event: ProbeAnswer) -> State:
    proof, wanted = state.proof, state.wanted
    if proof.pace.ask != event.ask or not proof.queue or wanted is None:
        return state
    scope, rest = proof.queue[0], proof.queue[1:]
    if event.outcome is not Outcome.DONE:
        pace = proof.pace.failed(event.at, event.chance, event.retry_after_s)
        said: Told = (Reason.PROBE_FAILED, f"dry runs are not answered ({event.outcome})")
        proof = replace(proof, pace=pace, doubts=_doubted(proof, scope.name, said, event.at))
        return quieted(replace(state, proof=proof), event.outcome, event.at, event.retry_after_s)
    against = judge(event, scope, wanted)
    if against is None:
        doubts = {name: one for name, one in proof.doubts.items() if name != scope.name}
        proof = replace(proof, queue=rest, pace=FRESH, doubts=doubts)
        return replace(state, proof=proof if rest else _proved(proof, event.at, event.chance))
    failed = against[0] is Reason.PROBE_FAILED
    tiring = failed and event.at >= max(proof.begun_at, state.changed_at) + GRACE_S
    pace = proof.pace.stuck(event.at, event.chance) if tiring else proof.pace.failed(event.at, event.chance)
    doubts = _doubted(proof, scope.name, against, event.at)
    proven_at = proof.proven_at if failed else None
    begun_at = proof.begun_at if failed or proof.proven_at is None else event.at
    proof = replace(proof, queue=(*rest, scope), pace=pace, doubts=doubts, proven_at=proven_at, begun_at=begun_at)
    return replace(state, proof=proof)


def _doubted(proof: Proof, name: str, said: Told, at: float) -> dict[str, Doubt]:
    """With what is said against a scope. What contradicts does so since the first time, also if silence follows."""
    old = proof.doubts.get(name)
    if old is not None and said[0] is Reason.PROBE_FAILED and old.reason is not Reason.PROBE_FAILED:
        return dict(proof.doubts)
    since = old.since if old is not None and old.reason is said[0] else at
    return {**proof.doubts, name: Doubt(since, *said)}


def _proved(proof: Proof, at: float, chance: float) -> Proof:
    """After a whole round. The first hour is shortened by chance, so that a fleet does not ask in one minute."""
    first = proof.proven_at is None
    next_at = at + PROBE_S * (0.5 + 0.5 * chance) if first else max(proof.next_at + PROBE_S, at)
    return replace(proof, proven_at=at, next_at=next_at, doubts={}, turn=proof.turn + 1)
