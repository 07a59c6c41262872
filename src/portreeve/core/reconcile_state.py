"""What an agent knows of its cluster, as one value, and how observations, answers and time change it.

Nothing here sends anything: each change of what is known marks the namespace, and `core.reconcile` looks at marked
ones. Versions and UIDs keep late and doubled events from undoing what is known; a list counts whatever it says, and
overtakes the answers of requests that were under way. A request whose answer does not come counts as lost: carried out
or not.

Sources: reliability F-06 to F-11, F-21.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from types import MappingProxyType
from typing import Any, Final

from portreeve.core.agent_messages import (
    Answer,
    ApplySecret,
    Deleted,
    Listed,
    Outcome,
    PatchServiceAccount,
    ReadSecret,
    ReadServiceAccount,
    Request,
    Status,
    Tick,
)
from portreeve.core.copies import replace
from portreeve.core.credential import CredentialRef, Login
from portreeve.core.delivery import Document
from portreeve.core.leases import Lease
from portreeve.core.observation import (
    PULL_SECRET,
    AccountSeen,
    Attachment,
    Kind,
    NamespaceSeen,
    Record,
    SecretSeen,
    Seen,
    WorkloadSeen,
    later,
    supersedes,
)
from portreeve.core.pacing import FRESH, RETRY_AFTER_S, USUAL, Bucket, Limits, Pace

FULL: Final = Bucket(USUAL.burst)

_STUCK: Final = frozenset({Outcome.FORBIDDEN, Outcome.REFUSED, Outcome.TOO_LARGE, Outcome.UNFIT})
"""What only a person undoes."""

_NOT_DONE: Final = frozenset({Outcome.CONFLICT, Outcome.FORBIDDEN, Outcome.REFUSED, Outcome.THROTTLED})
"""Of a request that was certainly not carried out."""

MOST_GONE: Final = 200
"""UIDs of deleted workloads and ServiceAccounts that are remembered of one namespace: pods come and go for years."""


@dataclass(frozen=True)  # no slots: see `core.copies`
class Line:
    """What is known of one namespace, and what is under way there.

    `sent` is the last request about the Secret, `sent_uid` the one that was known then, `sent_space` the namespace.
    `absent`: it was read, and was not there. `reread` and `stale`: the Secret, or these ServiceAccounts, are not as
    they are known. `gone` holds UIDs of objects that were deleted, so that a late event does not bring them back.
    `noted` is UID of a recorded ServiceAccount → what was seen of our entry there and is not recorded yet; `leaving` is
    what was recorded before we began to take it away: it holds again if that was not sent, or was refused.
    `dropping` is UID of a recorded ServiceAccount without our entry → when it may be forgotten. `leased` is registry →
    its lease. `overtaken` are requests under way that are older than a list. `queued` is the turn in
    which the namespace was marked, None at rest; `wrote_under` is the generation under which the Secret was written
    last; `looked_at` is the UID of the namespace that was looked at last, `told` what was told of it.
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
    sent_space: str = ""
    wrote_under: int = 0
    overtaken: frozenset[int] = frozenset()
    noted: Mapping[str, Attachment] = field(default_factory=lambda: MappingProxyType({}))
    leaving: Mapping[str, Attachment] = field(default_factory=lambda: MappingProxyType({}))
    dropping: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    gone: Mapping[tuple[Kind, str], str] = field(default_factory=lambda: MappingProxyType({}))
    leased: Mapping[str, Lease] = field(default_factory=lambda: MappingProxyType({}))
    queued: int | None = None
    urgent: bool = False
    wake_at: float | None = None
    looked_at: str = ""
    told: Status | None = None

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        count = 1 if self.pace.ask else 0
        for pace in self.account_paces.values():
            if pace.ask:
                count += 1
        return count


Place = tuple[bool, int, str]
"""Where a marked namespace stands among others: revoked ones first, then by turn, then by name."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Marked namespaces in the order in which they are looked at.

    It says so of these very lines. Of any others nothing is known, and they are looked through (`waiting_of`).
    """

    lines: Mapping[str, Line]
    order: tuple[Place, ...]


@dataclass(frozen=True)  # no slots: see `core.copies`
class State:
    """Namespace → line, the document in force, and one that is not stored yet.

    `logins` are those of the document, and of what was delivered before it and stays somewhere. Before `due_at` time
    alone changes no line; only lines of `asking` have requests under way: so a tick need not look at every line.
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
    due_at: float = 0.0
    asking: frozenset[str] = frozenset()
    ended_told: bool = False
    waiting: Waiting | None = field(default=None, compare=False, repr=False)


# -- observations


def marked(line: Line, turn: int) -> Line:
    """The line, to be looked at; one that was marked before keeps its turn."""
    return line if line.queued is not None else replace(line, queued=turn)


def place_of(line: Line) -> Place | None:
    """Where the line stands among those that are marked; None at rest."""
    return None if line.queued is None else (not line.urgent, line.queued, line.namespace)


def waiting_of(state: State) -> tuple[Place, ...]:
    """The marked namespaces in the order in which they are looked at.

    To look through a thousand namespaces, and to put them in order, takes as long as to deal with two of them.
    """
    known = state.waiting
    if known is not None and known.lines is state.lines:
        return known.order
    places = (place_of(line) for line in state.lines.values())
    return tuple(sorted(place for place in places if place is not None))


def _with(state: State, line: Line) -> State:
    """The state with a line that has changed."""
    after = marked(line, state.turn)
    lines = {**state.lines, line.namespace: after}
    return replace(state, lines=lines, waiting=_still_waiting(state, after, lines))


def _still_waiting(state: State, after: Line, lines: Mapping[str, Line]) -> Waiting | None:
    """What is known of the order, with one line that is now marked; None: not worth the trouble."""
    known, before = state.waiting, state.lines.get(after.namespace)
    if known is None or known.lines is not state.lines:
        return None
    was, now = None if before is None else place_of(before), place_of(after)
    if was == now:
        return Waiting(lines, known.order)
    if was is not None or now is None:
        return None
    at = bisect(known.order, now)
    return Waiting(lines, (*known.order[:at], now, *known.order[at:]))


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
    line = replace(line, gone=_remembered({**line.gone, (kind, name): uid}))
    match kind:
        case Kind.NAMESPACE:
            return replace(line, space=None)
        case Kind.SECRET:
            return replace(line, secret=None, absent=False)
        case Kind.ACCOUNT:
            return replace(line, accounts=_without(line.accounts, name), stale=line.stale - {name})
        case Kind.WORKLOAD:
            return replace(line, workloads=_without(line.workloads, name))


def _remembered(gone: dict[tuple[Kind, str], str]) -> dict[tuple[Kind, str], str]:
    """Without the oldest of many; the Secret's and the namespace's stay, as answers about them may be late."""
    many = [place for place in gone if place[0] in {Kind.WORKLOAD, Kind.ACCOUNT}]
    over = set(many[: max(0, len(many) - MOST_GONE)])
    return {place: uid for place, uid in gone.items() if place not in over}


def _without(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one: value for one, value in held.items() if one != name}


def changed(state: State, seen: Seen) -> State:
    """After a watch has said that an object is there, and how."""
    namespace, name = _place(seen)
    line, kind = _line(state, namespace), _kind(seen)
    known = _known(line, kind, name)
    if line.gone.get((kind, name)) == seen.uid or (known is not None and not supersedes(seen, known)):
        noted = _noted(line, seen)
        return state if noted is line else _with(state, noted)
    return _with(state, _put(_noted(line, seen), seen))


def _noted(line: Line, seen: Seen | None) -> Line:
    """With what an object shows about our entry in it: that it is ours, or that it is gone. That holds for good, also
    where something later is known by now.
    """
    if not isinstance(seen, AccountSeen) or line.record is None:
        return line
    known = line.noted.get(seen.uid) or line.record.attached.get(seen.uid)
    if known is None or not later(seen.resource_version, known.version):
        return line
    if (not known.shown and seen.shows_ours) or not seen.attached:
        found = Attachment(seen.resource_version, shown=seen.attached)
        return replace(line, noted={**line.noted, seen.uid: found})
    return line


def deleted(state: State, event: Deleted) -> State:
    """After a watch has said that an object is gone."""
    name = PULL_SECRET if event.kind is Kind.SECRET else event.name
    line = _line(state, event.namespace)
    known = _known(line, event.kind, name)
    if known is not None and known.uid != event.uid:
        return state
    line = _removed(line, event.kind, name, event.uid)
    if event.kind is Kind.ACCOUNT:
        # Waits that have ended, of those that went: of each the name is a new one, where jobs bring their own.
        paces = line.account_paces.items()
        kept = {one: pace for one, pace in paces if one in line.accounts or pace.ask or pace.due_at > state.at}
        line = replace(line, account_paces=kept)
    after = _with(state, line)
    return _without_past(after) if event.kind is Kind.NAMESPACE else after


def _without_past(state: State) -> State:
    """Without namespaces that went earlier, which nothing is known of or waited for: they come and go for years."""
    past = {name for name, line in state.lines.items() if _empty(line) and _at_rest(line, state.at)}
    return replace(state, lines={name: line for name, line in state.lines.items() if name not in past})


def _at_rest(line: Line, at: float) -> bool:
    """Whether every wait of it has ended: a namespace of the same name may come, and is not asked for sooner then."""
    return all(pace.due_at <= at for pace in (line.pace, *line.account_paces.values()))


def listed(state: State, event: Listed) -> State:
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
            lines[namespace] = marked(after, state.turn)
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
            for account in here.values():
                line = _noted(line, account)
            return replace(line, accounts=here, gone=gone, overtaken=asked)
        case Kind.WORKLOAD:
            return line if here == line.workloads else replace(line, workloads=here, gone=gone)


def _empty(line: Line) -> bool:
    """Whether nothing is known of the namespace any more."""
    known = line.space, line.secret, line.record, line.queued
    return all(one is None for one in known) and not line.accounts and not line.workloads and not line.in_flight


# -- requests and their answers


def pace_of(line: Line, account: str) -> Pace:
    """The waiting of a ServiceAccount."""
    return line.account_paces.get(account, FRESH)


def sent(line: Line, request: Request, at: float) -> Line:
    """The line with a request under way."""
    if isinstance(request, ReadServiceAccount | PatchServiceAccount):
        pace = pace_of(line, request.name).asked(request.ask, at)
        return replace(line, account_paces={**line.account_paces, request.name: pace})
    uid = line.secret.uid if line.secret is not None else ""
    space = line.space.uid if line.space is not None else ""
    return replace(line, sent=request, sent_uid=uid, sent_space=space, pace=line.pace.asked(request.ask, at))


def answered(state: State, answer: Answer) -> State:
    """After a request has ended; an answer that nobody waits for changes nothing."""
    line = state.lines.get(answer.namespace)
    if line is None:
        return state
    pace = pace_of(line, answer.account) if answer.account else line.pace
    if not pace.ask or pace.ask != answer.ask:
        return state
    line = _noted(line, answer.seen)
    if _overtaken(line, answer):
        # What it says was so before what is known by now: whether it is still so has to be asked.
        answer = replace(answer, outcome=Outcome.UNKNOWN, seen=None)
    if answer.outcome in {Outcome.THROTTLED, Outcome.UNAVAILABLE} and answer.retry_after_s:
        until = answer.at + min(answer.retry_after_s, RETRY_AFTER_S)
        state = replace(state, bucket=replace(state.bucket, quiet_until=until))
    if answer.outcome is Outcome.DONE:
        bucket = state.bucket.taken_gladly(state.limits)
        state = state if bucket is state.bucket else replace(state, bucket=bucket)
    elif answer.outcome in {Outcome.THROTTLED, Outcome.UNAVAILABLE}:
        state = replace(state, bucket=state.bucket.refused(state.limits))
    late = not answer.account and line.space is not None and line.space.uid != line.sent_space
    if answer.outcome is Outcome.GONE and line.space is not None and not late:
        line = replace(line, space=replace(line.space, terminating=True))
    if answer.ask in line.overtaken:
        line = replace(line, overtaken=line.overtaken - {answer.ask})
    if answer.account:
        line = _account_answered(line, answer, pace)
    else:
        line = _secret_answered(line, answer, state.document.generation if state.document else 0)
    return _with(state, line)


def _overtaken(line: Line, answer: Answer) -> bool:
    """Whether a list, or a deletion, has come between a request and its answer."""
    if answer.outcome not in {Outcome.DONE, Outcome.NOT_FOUND}:
        return False
    place = (Kind.ACCOUNT, answer.account) if answer.account else (Kind.SECRET, PULL_SECRET)
    return answer.ask in line.overtaken or (answer.seen is not None and line.gone.get(place) == answer.seen.uid)


def _paced(pace: Pace, answer: Answer) -> Pace:
    if answer.outcome in _STUCK:
        return pace.stuck(answer.at, answer.chance)
    return pace.failed(answer.at, answer.chance, answer.retry_after_s)


def _secret_answered(line: Line, answer: Answer, generation: int) -> Line:
    sent, seen, known = line.sent, answer.seen, line.secret
    reading = isinstance(sent, ReadSecret)
    if answer.outcome is Outcome.DONE:
        if reading:
            pace = line.pace.read()
        elif line.wrote_under == generation:
            pace = line.pace.repeated(answer.at, answer.chance)
        else:
            pace = line.pace.answered()
            line = replace(line, wrote_under=generation)
        line = replace(line, pace=pace, reread=False, trouble=line.trouble if reading else Outcome.DONE)
        if isinstance(seen, SecretSeen):
            # One that was read says more than the same one that was watched: what it holds, and that it is immutable.
            same = known is not None and (seen.uid, seen.resource_version) == (known.uid, known.resource_version)
            return _put(line, seen) if known is None or same or supersedes(seen, known) else line
        gone = known is not None and known.uid == line.sent_uid
        return _removed(line, Kind.SECRET, PULL_SECRET, line.sent_uid) if gone else line
    if answer.outcome is Outcome.NOT_FOUND and not isinstance(sent, ApplySecret):
        line = replace(line, pace=line.pace.read(), reread=False)
        if known is None or known.uid == line.sent_uid:
            return replace(line, secret=None, absent=True)
        return line
    reread = answer.outcome in {Outcome.CONFLICT, Outcome.UNKNOWN, Outcome.NOT_FOUND, Outcome.UNAVAILABLE}
    pace = _paced(line.pace, answer)
    return replace(line, pace=pace, reread=line.reread or reread, absent=False, trouble=answer.outcome)


def _account_answered(line: Line, answer: Answer, pace: Pace) -> Line:
    if answer.outcome not in _NOT_DONE and line.leaving and answer.account in line.accounts:
        line = replace(line, leaving=_without(line.leaving, line.accounts[answer.account].uid))
    name, seen, read = answer.account, answer.seen, answer.account in line.stale
    if answer.outcome is Outcome.NOT_FOUND:
        line = replace(line, accounts=_without(line.accounts, name), stale=line.stale - {name})
        return replace(line, account_paces=_without(line.account_paces, name))
    if answer.outcome is Outcome.DONE:
        known = line.accounts.get(name)
        if isinstance(seen, AccountSeen) and (known is None or supersedes(seen, known)):
            line = _put(line, seen)
        # Somebody who takes our entry away each time is not fought at full speed. What is stale was read.
        pace = pace.read() if read else pace.repeated(answer.at, answer.chance)
        line = replace(line, stale=line.stale - {name})
    else:
        pace = _paced(pace, answer)
        if answer.outcome in {Outcome.CONFLICT, Outcome.UNKNOWN, Outcome.UNAVAILABLE}:
            line = replace(line, stale=line.stale | {name})
    return replace(line, account_paces={**line.account_paces, name: pace})


def due(line: Line) -> float:
    """When time alone changes something here: a wait ends, or a request counts as lost."""
    times = [pace.lost_at for pace in line.account_paces.values() if pace.lost_at is not None]
    if line.wake_at is not None:
        times.append(line.wake_at)
    if line.pace.lost_at is not None:
        times.append(line.pace.lost_at)
    return min(times, default=inf)


def timed(line: Line, tick: Tick, turn: int, was_set: bool) -> Line:
    """The line at a time: requests that were lost, waits that have ended; `was_set`: the clock was."""
    at = tick.at
    if not was_set and at < due(line):
        return line
    if line.pace.lost(at):
        lost = Answer(line.pace.ask, line.namespace, "", Outcome.UNKNOWN, at, tick.chance)
        line = marked(_secret_answered(line, lost, 0), turn)
    for name, pace in line.account_paces.items():
        if pace.lost(at):
            lost = Answer(pace.ask, line.namespace, name, Outcome.UNKNOWN, at, tick.chance)
            line = marked(_account_answered(line, lost, pace), turn)
    if line.wake_at is not None and at >= line.wake_at:
        line = replace(marked(line, turn), wake_at=None)
    return marked(line, turn) if was_set else line
