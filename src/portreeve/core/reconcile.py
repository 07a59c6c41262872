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
Events, pods that missed the pull secret, the hard cap and strict mode of a lease, and the modes without a Secret.

Sources: mission rules 1 to 6; reliability I1 to I4, I10, L1, L3, L4, F-01 to F-28; threats AG-04, AG-08, AG-10;
X. Sun et al., "Anvil: Verifying Liveness of Cluster Management Controllers", OSDI 2024 (the shape).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from portreeve.core.credential import AuthEntry, CredentialRef, Login
from portreeve.core.delivery import (
    QUIET_S,
    Document,
    DocumentGrant,
    Logins,
    Wanted,
    attaches,
    keys_of,
    selecting,
    used,
    wanted,
)
from portreeve.core.observation import (
    OWNER_LABEL,
    PULL_SECRET,
    AccountSeen,
    EntryFact,
    Kind,
    NamespaceSeen,
    Record,
    SecretSeen,
    Seen,
    WorkloadSeen,
    supersedes,
)
from portreeve.core.pacing import ANSWER_S, FRESH, RETRY_AFTER_S, USUAL, Bucket, Limits, Pace
from portreeve.core.policy import DeliveryMode

NEEDED: Final = frozenset({Kind.NAMESPACE, Kind.SECRET, Kind.ACCOUNT, Kind.WORKLOAD})
"""What has to be listed before anything is done: an absence is only known from a whole list."""

SKEW_S: Final = 2.0
"""How far the two clocks may drift apart between two ticks before one of them was set."""

SETTLING_S: Final = 2 * ANSWER_S
"""A request that was sent longer ago is dead: the edge and the API server break it off after a minute."""

FULL: Final = Bucket(USUAL.burst)


class Outcome(StrEnum):
    """How a request ended, by what to do about it."""

    DONE = "done"
    CONFLICT = "conflict"
    """409, or 422 of a JSON Patch test: the object is not as we knew it, or a field is somebody else's."""
    FORBIDDEN = "forbidden"
    GONE = "gone"
    """The namespace is being deleted."""
    NOT_FOUND = "not found"
    REFUSED = "refused"
    """422, or a quota, or somebody's admission webhook."""
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    """There was no answer: carried out or not."""


class Phase(StrEnum):
    """Where a namespace stands, as people are told."""

    DELIVERED = "delivered"
    NOTHING = "nothing to deliver"
    """It is granted something, and there is nothing that could be delivered."""
    PENDING = "pending"
    KEPT = "kept"
    """Something older stays, as what the document brings is of no use."""
    DISAGREEING = "grants disagree"
    TAKEN = "name taken"
    """There is a Secret of our name that is not ours, or that somebody has taken over."""
    IMMUTABLE = "immutable"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    REMOVED = "removed"


class Verdict(StrEnum):
    """What became of a document."""

    APPLIED = "applied"
    OLDER = "older"
    DIFFERS = "differs"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Status:
    """What is told of a namespace. `accounts` are those that could not be given our entry, sorted."""

    namespace: str
    phase: Phase
    secret_uid: str = ""
    entries: tuple[EntryFact, ...] = ()
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """What is stored: the last document as it was received, and namespace → record."""

    document: Document | None = None
    records: Mapping[str, Record] = field(default_factory=dict)


# -- events


@dataclass(frozen=True, slots=True)
class Restarted:
    """The program begins, with what was stored."""

    saved: Saved
    limits: Limits = USUAL


@dataclass(frozen=True, slots=True)
class DesiredReceived:
    """A verified document; its order is not."""

    document: Document


@dataclass(frozen=True, slots=True)
class DocumentPersisted:
    """Answer to PersistDocument."""

    generation: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything of one kind, in place of all that was known of it."""

    kind: Kind
    items: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A watch says that an object is there, and how."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class Deleted:
    """A watch says that an object is gone. `name` is that of the namespace for a Namespace and our Secret."""

    kind: Kind
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended. `account` is "" for the Secret; `seen` is the object after it, where there is one."""

    ask: int
    namespace: str
    account: str
    outcome: Outcome
    at: float
    chance: float
    seen: SecretSeen | AccountSeen | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `now` is UTC and aware, `at` monotonic seconds; `chance` is in [0, 1)."""

    now: datetime
    at: float
    chance: float = 0.5


Event = Restarted | DesiredReceived | DocumentPersisted | Listed | Changed | Deleted | Answer | Tick


# -- effects


@dataclass(frozen=True, slots=True)
class PersistDocument:
    """Store the document as it was received; answered by DocumentPersisted."""

    document: Document


@dataclass(frozen=True, slots=True)
class PersistRecord:
    """Store what is ours in a namespace; None when nothing is."""

    namespace: str
    record: Record | None


@dataclass(frozen=True, slots=True)
class ReadSecret:
    """Get our Secret from the API server itself, not from a cache."""

    namespace: str
    ask: int = 0


@dataclass(frozen=True, slots=True)
class ApplySecret:
    """Server-side apply, not forced, of the whole Secret with these labels.

    `uid` and `resource_version` are preconditions, and "" when it is to be created.
    """

    namespace: str
    uid: str
    resource_version: str
    entries: tuple[AuthEntry, ...]
    labels: tuple[tuple[str, str], ...] = (OWNER_LABEL,)
    ask: int = 0


@dataclass(frozen=True, slots=True)
class DeleteSecret:
    """Delete, with both as preconditions."""

    namespace: str
    uid: str
    resource_version: str
    ask: int = 0


@dataclass(frozen=True, slots=True)
class ReadServiceAccount:
    """Get a ServiceAccount from the API server itself."""

    namespace: str
    name: str
    ask: int = 0


@dataclass(frozen=True, slots=True)
class PatchServiceAccount:
    """Add or remove our entry. `pull_secrets` are those that were seen at `resource_version`."""

    namespace: str
    name: str
    attach: bool
    resource_version: str
    pull_secrets: tuple[str, ...]
    ask: int = 0

    def operations(self) -> list[dict[str, Any]]:
        """The JSON Patch (RFC 6902). The list is atomic in server-side apply, so that any other way loses entries."""
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": self.resource_version}
        if self.attach:
            if self.pull_secrets:
                return [test, {"op": "add", "path": "/imagePullSecrets/-", "value": {"name": PULL_SECRET}}]
            return [test, {"op": "add", "path": "/imagePullSecrets", "value": [{"name": PULL_SECRET}]}]
        at = f"/imagePullSecrets/{self.pull_secrets.index(PULL_SECRET)}"
        ours = {"op": "test", "path": f"{at}/name", "value": PULL_SECRET}
        return [test, ours, {"op": "remove", "path": at}]


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the control plane how a namespace stands."""

    status: Status


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """Tell the control plane what became of a document."""

    generation: int
    hash: str
    verdict: Verdict


Request = ReadSecret | ApplySecret | DeleteSecret | ReadServiceAccount | PatchServiceAccount
Effect = Request | PersistDocument | PersistRecord | Report | ReportDocument


# -- state


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of one namespace, and what is under way there.

    `sent` is the last request about the Secret, and `sent_uid` the one that was known then. `absent`: it was read, and
    was not there. `reread` and `stale`: the Secret, or these ServiceAccounts, are not as they are known. `gone` holds
    UIDs of objects that were deleted, so that a late event does not bring them back. `dropping` is UID of a recorded
    ServiceAccount without our entry → when it may be forgotten. `leased` is registry → until when its lease is live.
    `overtaken` are requests under way that are older than a list. `queued` is the turn in which the namespace was
    marked, None at rest.
    """

    namespace: str
    space: NamespaceSeen | None = None
    secret: SecretSeen | None = None
    accounts: Mapping[str, AccountSeen] = field(default_factory=lambda: MappingProxyType({}))
    workloads: Mapping[str, WorkloadSeen] = field(default_factory=lambda: MappingProxyType({}))
    record: Record | None = None
    sent: Request | None = None
    absent: bool = False
    reread: bool = False
    trouble: Outcome = Outcome.DONE
    pace: Pace = FRESH
    stale: frozenset[str] = frozenset()
    account_paces: Mapping[str, Pace] = field(default_factory=lambda: MappingProxyType({}))
    sent_uid: str = ""
    overtaken: frozenset[int] = frozenset()
    dropping: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    gone: Mapping[tuple[Kind, str], str] = field(default_factory=lambda: MappingProxyType({}))
    leased: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    queued: int | None = None
    urgent: bool = False
    wake_at: float | None = None
    told: Status | None = None

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return (self.pace.ask > 0) + sum(pace.ask > 0 for pace in self.account_paces.values())


@dataclass(frozen=True, slots=True)
class State:
    """Namespace → line, the document in force, and one that is not stored yet.

    `logins` are those of the document, and of what was delivered before it and stays somewhere.
    """

    limits: Limits = USUAL
    document: Document | None = None
    pending: Document | None = None
    lines: Mapping[str, Line] = field(default_factory=lambda: MappingProxyType({}))
    listed: frozenset[Kind] = frozenset()
    logins: Mapping[CredentialRef, Login] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )
    bucket: Bucket = FULL
    turn: int = 0
    ask: int = 0
    now: datetime | None = None
    at: float = 0.0
    ended_told: bool = False


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
            return _listed(state, event), ()
        case Changed(seen):
            return _changed(state, seen), ()
        case Deleted():
            return _deleted(state, event), ()
        case Answer():
            return _answered(state, event), ()
        case Tick():
            return _tick(state, event)


def _restarted(saved: Saved, limits: Limits) -> State:
    lines = {name: Line(name, record=record, queued=0) for name, record in saved.records.items()}
    logins = saved.document.logins() if saved.document else {}
    return State(limits, saved.document, lines=lines, logins=logins, bucket=Bucket(limits.burst))


# -- documents


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
    return replace(_marked(line, turn), urgent=revoked)


# -- observations


def _marked(line: Line, turn: int) -> Line:
    return line if line.queued is not None else replace(line, queued=turn)


def _with(state: State, line: Line) -> State:
    """The state with a line that has changed."""
    return replace(state, lines={**state.lines, line.namespace: _marked(line, state.turn)})


def _line(state: State, namespace: str) -> Line:
    return state.lines.get(namespace) or Line(namespace)


def _kind(seen: Seen) -> Kind:
    match seen:
        case NamespaceSeen():
            return Kind.NAMESPACE
        case SecretSeen():
            return Kind.SECRET
        case AccountSeen():
            return Kind.ACCOUNT
        case WorkloadSeen():
            return Kind.WORKLOAD


def _place(seen: Seen) -> tuple[str, str]:
    """Namespace and name."""
    match seen:
        case NamespaceSeen(name):
            return name, name
        case SecretSeen(namespace):
            return namespace, PULL_SECRET
        case AccountSeen(namespace, name) | WorkloadSeen(namespace, name):
            return namespace, name


def _known(line: Line, kind: Kind, name: str) -> Seen | None:
    match kind:
        case Kind.NAMESPACE:
            return line.space
        case Kind.SECRET:
            return line.secret
        case Kind.ACCOUNT:
            return line.accounts.get(name)
        case Kind.WORKLOAD:
            return line.workloads.get(name)


def _put(line: Line, seen: Seen) -> Line:
    """The line with an object as it is now. What stood in the way of the Secret may be gone with what changed."""
    match seen:
        case NamespaceSeen():
            return replace(line, space=seen)
        case SecretSeen():
            return replace(line, secret=seen, absent=False)
        case AccountSeen(_, name):
            return replace(line, accounts={**line.accounts, name: seen}, stale=line.stale - {name})
        case WorkloadSeen(_, name):
            return replace(line, workloads={**line.workloads, name: seen})


def _removed(line: Line, kind: Kind, name: str, uid: str) -> Line:
    line = replace(line, gone={**line.gone, (kind, name): uid})
    match kind:
        case Kind.NAMESPACE:
            return replace(line, space=None)
        case Kind.SECRET:
            return replace(line, secret=None, absent=False)
        case Kind.ACCOUNT:
            return replace(line, accounts=_without(line.accounts, name), stale=line.stale - {name})
        case Kind.WORKLOAD:
            return replace(line, workloads=_without(line.workloads, name))


def _without(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one: value for one, value in held.items() if one != name}


def _changed(state: State, seen: Seen) -> State:
    namespace, name = _place(seen)
    line, kind = _line(state, namespace), _kind(seen)
    known = _known(line, kind, name)
    if line.gone.get((kind, name)) == seen.uid or (known is not None and not supersedes(seen, known)):
        return state
    return _with(state, _put(line, seen))


def _deleted(state: State, event: Deleted) -> State:
    name = PULL_SECRET if event.kind is Kind.SECRET else event.name
    line = _line(state, event.namespace)
    known = _known(line, event.kind, name)
    if known is not None and known.uid != event.uid:
        return state
    return _with(state, _removed(line, event.kind, name, event.uid))


def _listed(state: State, event: Listed) -> State:
    """A list counts whatever the versions say: after a restore of etcd they begin anew, lower."""
    by_place = {_place(seen): seen for seen in event.items}
    lines = dict(state.lines)
    for namespace in {place[0] for place in by_place} - lines.keys():
        lines[namespace] = Line(namespace)
    items: dict[str, dict[str, Any]] = {}
    for (namespace, name), seen in by_place.items():
        items.setdefault(namespace, {})[name] = seen
    for namespace, line in tuple(lines.items()):
        after = _listed_line(line, event.kind, items.get(namespace, {}))
        if after is not line:
            lines[namespace] = _marked(after, state.turn)
        elif event.kind is Kind.NAMESPACE and _empty(line):
            del lines[namespace]
    return replace(state, lines=lines, listed=state.listed | {event.kind})


def _listed_line(line: Line, kind: Kind, here: Mapping[str, Any]) -> Line:
    gone = {place: uid for place, uid in line.gone.items() if place[0] is not kind}
    match kind:
        case Kind.NAMESPACE:
            space = here.get(line.namespace)
            return line if space == line.space else replace(line, space=space, gone=gone)
        case Kind.SECRET:
            secret = here.get(PULL_SECRET)
            asked = line.overtaken | ({line.pace.ask} - {0})
            if secret == line.secret and asked == line.overtaken:
                return line
            return replace(line, secret=secret, absent=False, gone=gone, overtaken=asked)
        case Kind.ACCOUNT:
            asked = line.overtaken | ({pace.ask for pace in line.account_paces.values()} - {0})
            if here == line.accounts and asked == line.overtaken:
                return line
            return replace(line, accounts=here, gone=gone, overtaken=asked)
        case Kind.WORKLOAD:
            return line if here == line.workloads else replace(line, workloads=here, gone=gone)


def _empty(line: Line) -> bool:
    """Whether nothing is known of the namespace any more."""
    known = line.space, line.secret, line.record, line.queued
    return all(one is None for one in known) and not line.accounts and not line.workloads and not line.in_flight


# -- answers


def _answered(state: State, answer: Answer) -> State:
    line = state.lines.get(answer.namespace)
    if line is None:
        return state
    pace = _pace_of(line, answer.account) if answer.account else line.pace
    if not pace.ask or pace.ask != answer.ask:
        return state
    if _overtaken(line, answer):
        # What it says was so before what is known by now: whether it is still so has to be asked.
        answer = replace(answer, outcome=Outcome.UNKNOWN, seen=None)
    if answer.outcome in {Outcome.THROTTLED, Outcome.UNAVAILABLE} and answer.retry_after_s:
        until = answer.at + min(answer.retry_after_s, RETRY_AFTER_S)
        state = replace(state, bucket=replace(state.bucket, quiet_until=until))
    if answer.outcome is Outcome.GONE and line.space is not None:
        line = replace(line, space=replace(line.space, terminating=True))
    line = replace(line, overtaken=line.overtaken - {answer.ask})
    if answer.account:
        line = _account_answered(line, answer, pace)
    else:
        line = _secret_answered(line, answer)
        if isinstance(answer.seen, SecretSeen):
            state = replace(state, logins={**_read_logins(answer.seen), **state.logins})
    return _with(state, line)


def _overtaken(line: Line, answer: Answer) -> bool:
    """Whether a list, or a deletion, has come between a request and its answer."""
    if answer.outcome not in {Outcome.DONE, Outcome.NOT_FOUND}:
        return False
    place = (Kind.ACCOUNT, answer.account) if answer.account else (Kind.SECRET, PULL_SECRET)
    return answer.ask in line.overtaken or (answer.seen is not None and line.gone.get(place) == answer.seen.uid)


def _read_logins(seen: SecretSeen) -> dict[CredentialRef, Login]:
    """What a Secret of ours says of logins that nothing else has any more."""
    if not seen.marked or seen.logins is None:
        return {}
    return {fact.credential: seen.logins[fact.key] for fact in seen.entries or () if fact.key in seen.logins}


def _paced(pace: Pace, answer: Answer) -> Pace:
    if answer.outcome in {Outcome.FORBIDDEN, Outcome.REFUSED}:
        return pace.stuck(answer.at, answer.chance)
    return pace.failed(answer.at, answer.chance, answer.retry_after_s)


def _secret_answered(line: Line, answer: Answer) -> Line:
    sent, seen, known = line.sent, answer.seen, line.secret
    reading = isinstance(sent, ReadSecret)
    if answer.outcome is Outcome.DONE:
        # A read says nothing about whether a write would work now: its wait goes on from where it was.
        pace = Pace(wait_s=line.pace.wait_s) if reading else line.pace.answered()
        line = replace(line, pace=pace, reread=False, trouble=line.trouble if reading else Outcome.DONE)
        if isinstance(seen, SecretSeen):
            return _put(line, seen) if known is None or seen == known or supersedes(seen, known) else line
        gone = known is not None and known.uid == line.sent_uid
        return _removed(line, Kind.SECRET, PULL_SECRET, line.sent_uid) if gone else line
    if answer.outcome is Outcome.NOT_FOUND and not isinstance(sent, ApplySecret):
        pace = Pace(wait_s=line.pace.wait_s)
        line = replace(line, pace=pace, reread=False)
        if known is None or known.uid == line.sent_uid:
            return replace(line, secret=None, absent=True)
        return line
    reread = answer.outcome in {Outcome.CONFLICT, Outcome.UNKNOWN, Outcome.NOT_FOUND, Outcome.UNAVAILABLE}
    pace = _paced(line.pace, answer)
    return replace(line, pace=pace, reread=line.reread or reread, absent=False, trouble=answer.outcome)


def _account_answered(line: Line, answer: Answer, pace: Pace) -> Line:
    name, seen = answer.account, answer.seen
    if answer.outcome is Outcome.NOT_FOUND:
        line = replace(line, accounts=_without(line.accounts, name), stale=line.stale - {name})
        return replace(line, account_paces=_without(line.account_paces, name))
    if answer.outcome is Outcome.DONE:
        known = line.accounts.get(name)
        if isinstance(seen, AccountSeen) and (known is None or supersedes(seen, known)):
            line = _put(line, seen)
        # Somebody who takes our entry away each time is not fought at full speed.
        pace = pace.failed(answer.at, answer.chance)
        line = replace(line, stale=line.stale - {name})
    else:
        pace = _paced(pace, answer)
        if answer.outcome in {Outcome.CONFLICT, Outcome.UNKNOWN, Outcome.UNAVAILABLE}:
            line = replace(line, stale=line.stale | {name})
    return replace(line, account_paces={**line.account_paces, name: pace})


# -- time


def _tick(state: State, tick: Tick) -> Stepped:
    now, at = tick.now, tick.at
    drift = 0.0 if state.now is None else (now - state.now).total_seconds() - (at - state.at)
    lines = {name: _timed(line, tick, state.turn, abs(drift) > SKEW_S) for name, line in state.lines.items()}
    bucket = state.bucket.filled(at, state.limits)
    state = replace(state, lines=lines, bucket=bucket, now=now, at=at, turn=state.turn + 1)
    document = state.document
    if document is not None and document.ended(now):
        if state.ended_told:
            return state, ()
        report = ReportDocument(document.generation, document.hash, Verdict.ENDED)
        return replace(state, ended_told=True), (report,)
    state = replace(state, ended_told=False)
    return _act(state, now) if state.listed >= NEEDED else (state, ())


def _timed(line: Line, tick: Tick, turn: int, was_set: bool) -> Line:
    """The line at a time: requests that were lost, waits that have ended; `was_set`: the clock was."""
    at = tick.at
    if line.pace.lost(at):
        lost = Answer(line.pace.ask, line.namespace, "", Outcome.UNKNOWN, at, tick.chance)
        line = _marked(_secret_answered(line, lost), turn)
    for name, pace in line.account_paces.items():
        if pace.lost(at):
            lost = Answer(pace.ask, line.namespace, name, Outcome.UNKNOWN, at, tick.chance)
            line = _marked(_account_answered(line, lost, pace), turn)
    if line.wake_at is not None and at >= line.wake_at:
        line = replace(_marked(line, turn), wake_at=None)
    return _marked(line, turn) if was_set else line


def _act(state: State, now: datetime) -> Stepped:
    """Deal with marked namespaces, as far as requests may be sent."""
    lines, bucket, ask = dict(state.lines), state.bucket, state.ask
    room = 0 if bucket.quiet(state.at) else state.limits.in_flight - sum(line.in_flight for line in lines.values())
    marked = [line for line in lines.values() if line.queued is not None]
    effects: list[Effect] = []
    for line in sorted(marked, key=lambda one: (not one.urgent, one.queued, one.namespace)):
        if room <= 0 or bucket.level < 1:
            break
        after, told, requests = _look(state, line, now)
        effects += told
        for request in requests[: min(room, int(bucket.level))]:
            ask, room = ask + 1, room - 1
            bucket = replace(bucket, level=bucket.level - 1)
            numbered = replace(request, ask=ask)
            effects.append(numbered)
            after = _sent(after, numbered, state.at)
            requests = requests[1:]
        # What found no room stays marked where it was, and so comes before all that were marked later.
        after = after if requests else replace(after, queued=None, urgent=False)
        lines[line.namespace] = after
    return replace(state, lines=lines, bucket=bucket, ask=ask), tuple(effects)


def _sent(line: Line, request: Request, at: float) -> Line:
    if isinstance(request, ReadServiceAccount | PatchServiceAccount):
        pace = _pace_of(line, request.name).asked(request.ask, at)
        return replace(line, account_paces={**line.account_paces, request.name: pace})
    uid = line.secret.uid if line.secret is not None else ""
    return replace(line, sent=request, sent_uid=uid, pace=line.pace.asked(request.ask, at))


# -- decisions on one namespace


def _look(state: State, line: Line, now: datetime) -> tuple[Line, list[Effect], list[Request]]:
    """What is to be stored and told of a namespace, and what to ask for, in the order of their weight."""
    space, document, at = line.space, state.document, state.at
    record = line.record or Record("")
    if space is not None and record.namespace_uid != space.uid:
        # Entries that are recorded are not forgotten at once: a list that is behind may name an earlier namespace.
        record = replace(record, namespace_uid=space.uid)
        line = replace(line, leased={}, told=None)
    record = _adopted(line, record)
    due: list[Request] = []
    requests: list[Request] = []
    status: Status | None = None
    if space is not None and document is not None and not space.terminating:
        grants = selecting(document, space)
        line = _leasing(line, grants, at)
        want = _wanted(line, grants, state.logins, now, at)
        request, phase = _about_secret(line, record, want)
        attaching, record = _about_accounts(line, record, grants)
        due = [*([request] if request else []), *attaching]
        requests = [one for one in due if _pace(line, one).free(at)]
        status = _status(line, record, want, phase)
    line, record = _forgotten(line, record, due, at)
    line = replace(line, wake_at=_wake(line, due, at))
    kept = record if record.secret_uid or record.attached else None
    effects: list[Effect] = []
    if kept != line.record:
        effects.append(PersistRecord(line.namespace, kept))
        line = replace(line, record=kept)
    if status is not None and status != line.told:
        effects.append(Report(status))
        line = replace(line, told=None if status.phase is Phase.REMOVED else status)
    return line, effects, requests


def _adopted(line: Line, record: Record) -> Record:
    """The record as what is seen says: ours is what carries our marks, and gone is what is not there."""
    secret = line.secret
    if secret is None or not secret.marked:
        return replace(record, secret_uid="")
    if line.record is None:
        # The record was lost, or never stored: with the Secret come the entries of its name.
        entries = {account.uid for account in line.accounts.values() if PULL_SECRET in account.pull_secrets}
        record = replace(record, attached=record.attached | entries)
    return replace(record, secret_uid=secret.uid)


def _forgotten(line: Line, record: Record, due: Iterable[Request], at: float) -> tuple[Line, Record]:
    """Without recorded ServiceAccounts that have not had our entry for as long as a patch may be under way."""
    asked = {request.name for request in due if isinstance(request, ReadServiceAccount | PatchServiceAccount)}
    there = {
        account.uid
        for name, account in line.accounts.items()
        if PULL_SECRET in account.pull_secrets or name in asked or _pace_of(line, name).ask
    }
    dropping = {uid: line.dropping.get(uid, at + SETTLING_S) for uid in record.attached - there}
    over = {uid for uid, until in dropping.items() if at >= until}
    record = replace(record, attached=record.attached - over)
    return replace(line, dropping={uid: until for uid, until in dropping.items() if uid not in over}), record


def _leasing(line: Line, grants: tuple[DocumentGrant, ...], at: float) -> Line:
    """Until when leases are live: extended while somebody has to pull, and once for what is found live."""
    leased: dict[str, float] = {}
    live = {fact.key for fact in _held(line) if fact.live}
    workloads = tuple(line.workloads.values())
    for grant in grants:
        if grant.delivery.mode is not DeliveryMode.LEASE:
            continue
        found = grant.registry not in line.leased and live & set(keys_of(grant))
        if found or used(grant, workloads, pulling=True):
            leased[grant.registry] = at + QUIET_S
        elif grant.registry in line.leased:
            leased[grant.registry] = line.leased[grant.registry]
    return replace(line, leased=leased)


def _held(line: Line) -> tuple[EntryFact, ...]:
    secret = line.secret
    return secret.entries or () if secret is not None and secret.marked else ()


def _wanted(line: Line, grants: tuple[DocumentGrant, ...], logins: Logins, now: datetime, at: float) -> Wanted:
    live = frozenset(registry for registry, until in line.leased.items() if at < until)
    return wanted(grants, tuple(line.workloads.values()), live, _held(line), logins, now)


def _about_secret(line: Line, record: Record, want: Wanted) -> tuple[Request | None, Phase]:
    """What to ask about the Secret, None when it is as it should be or is not ours to change."""
    secret = line.secret
    if line.reread:
        return ReadSecret(line.namespace), Phase.PENDING
    if secret is None:
        if not want.entries:
            return None, Phase.NOTHING if want.granted else Phase.REMOVED
        # The record says nothing here: what was ours under this name is gone.
        creating = ApplySecret(line.namespace, "", "", want.entries)
        return (creating if line.absent else ReadSecret(line.namespace)), Phase.PENDING
    if not secret.marked:
        return None, Phase.TAKEN if want.granted else Phase.REMOVED
    if secret.terminating:
        return None, Phase.PENDING
    if not want.entries:
        return DeleteSecret(line.namespace, record.secret_uid, secret.resource_version), Phase.PENDING
    if want.facts() == secret.entries:
        return None, _resting(want)
    if secret.immutable:
        return None, Phase.IMMUTABLE
    if want.unread and not _was_read(line):
        return ReadSecret(line.namespace), Phase.PENDING
    return ApplySecret(line.namespace, record.secret_uid, secret.resource_version, _writable(want)), Phase.PENDING


def _resting(want: Wanted) -> Phase:
    if want.conflicts:
        return Phase.DISAGREEING
    return Phase.KEPT if want.kept else Phase.DELIVERED


def _was_read(line: Line) -> bool:
    """Whether the Secret as it is known came with its content."""
    return line.secret is not None and line.secret.logins is not None


def _writable(want: Wanted) -> tuple[AuthEntry, ...]:
    """The entries without those whose login was not even in the Secret: they are not written hollow."""
    return tuple(entry for entry in want.entries if entry.key not in want.unread)


def _about_accounts(line: Line, record: Record, grants: tuple[DocumentGrant, ...]) -> tuple[list[Request], Record]:
    """What to ask about ServiceAccounts, and the record that has to be stored before."""
    taken = line.secret is not None and not line.secret.marked
    attached = set(record.attached)
    requests: list[Request] = []
    for name, account in sorted(line.accounts.items()):
        has, should = PULL_SECRET in account.pull_secrets, attaches(grants, account)
        adding = should and not has and not taken
        removing = not should and has and account.uid in attached
        if adding:
            attached.add(account.uid)
        if name in line.stale:
            requests.append(ReadServiceAccount(line.namespace, name))
        elif adding or removing:
            requests.append(
                PatchServiceAccount(line.namespace, name, adding, account.resource_version, account.pull_secrets)
            )
    return requests, replace(record, attached=frozenset(attached))


def _pace(line: Line, request: Request) -> Pace:
    if isinstance(request, ReadServiceAccount | PatchServiceAccount):
        return _pace_of(line, request.name)
    return line.pace


def _pace_of(line: Line, account: str) -> Pace:
    return line.account_paces.get(account, FRESH)


def _wake(line: Line, due: Iterable[Request], at: float) -> float | None:
    """When to look at the namespace again if nothing happens."""
    times = [until for until in line.leased.values() if until > at] + list(line.dropping.values())
    paces = [_pace(line, request) for request in due]
    times += [pace.due_at for pace in paces if not pace.ask and pace.due_at > at]
    return min(times, default=None)


def _status(line: Line, record: Record, want: Wanted, phase: Phase) -> Status | None:
    """What is told; None if nothing is to be said of the namespace."""
    troubles = {Outcome.FORBIDDEN: Phase.FORBIDDEN, Outcome.REFUSED: Phase.REFUSED}
    if phase is Phase.PENDING and line.trouble in troubles:
        phase = troubles[line.trouble]
    if line.told is None and phase is Phase.REMOVED:
        return None
    if line.told is not None and phase is Phase.PENDING:
        # What was told holds until it is done; its entries say how far it is.
        return None
    missing = tuple(
        sorted(
            name
            for name, account in line.accounts.items()
            if account.uid in record.attached and want.granted and PULL_SECRET not in account.pull_secrets
        )
    )
    return Status(line.namespace, phase, record.secret_uid, _held(line), missing)
