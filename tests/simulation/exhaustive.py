"""Every order in which a small world can happen: breadth first, each state once.

Theory of operation. Two namespaces, two registries. What may happen next is a list of `choices`: a message of a watch,
a request at the API server, an answer, a tick, time until the agent looks again, the next document; and once each a
crash, a list that is a version behind, a message told twice, an answer that never comes, and what a person does.
`after` gives the world after a choice. Two worlds are one when `key` says so: numbers of requests, absolute times and
turns are left out, as nothing hangs on them. Each namespace counts its own versions, so that what happens in one does
not tell the orders of the other apart; a watch of its own for each is an order more than a real server has, and none
less.

Invariants are looked at after every choice; from every so many worlds it is lived on without faults to the end, where
everything must be as the last document says.

Left out: what grows without end (rotations, people who come back), credentials that end, leases. The drawn clusters
have them.

Source: reliability 3.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from portreeve.core.agent_messages import (
    Answer,
    ApplySecret,
    Changed,
    Deleted,
    DeleteSecret,
    DesiredReceived,
    DocumentPersisted,
    Event,
    Listed,
    Outcome,
    PersistDocument,
    PersistRecord,
    Report,
    ReportDocument,
    Request,
    Restarted,
    Saved,
    Tick,
)
from portreeve.core.cluster import NamespaceSelection
from portreeve.core.credential import CredentialRef, auth_key
from portreeve.core.delivery import Document, DocumentGrant
from portreeve.core.observation import MANAGER, PULL_SECRET, Kind, Record, Seen
from portreeve.core.pacing import ANSWER_S, Limits, Pace
from portreeve.core.reconcile import step
from portreeve.core.reconcile_state import Line, State
from portreeve.core.reference import parse_prefix
from tests.simulation.cluster import FOREIGN, Api, Broken, login

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SPACES = ("a", "b")
SOURCES = {"r1": parse_prefix("r1.example.com"), "r2": parse_prefix("r2.example.com/team")}
LIMITS = Limits(1e9, 1e9, 100)
ONCE = ("crash", "stale", "twice", "lost", "people")
Choice = tuple[str, Any]


def granted(registry: str, version: int, *spaces: str) -> DocumentGrant:
    name = f"c-{registry}"
    reference, secret = CredentialRef(name, version), login(name, version)
    return DocumentGrant(registry, SOURCES[registry], NamespaceSelection(spaces), credential=reference, login=secret)


FIRST = Document("prod", 1, "h1", (granted("r1", 1, "a", "b"), granted("r2", 1, "a")))
SECOND = Document("prod", 2, "h2", (granted("r1", 2, "a"),))
"""A rotation and a revocation in `a`, and all of `b` is revoked."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything there is. `servers` are (rv, uids, contents) of each namespace, `before` the same one write earlier.

    `watched` holds what the watches have not told yet, `last` what the last write made them tell.
    """

    state: State
    saved: Saved
    servers: dict[str, Any]
    before: dict[str, Any]
    watched: dict[tuple[str, Kind], tuple[Event, ...]]
    last: dict[str, tuple[tuple[Kind, Event], ...]]
    requests: tuple[tuple[int, float, Request], ...] = ()
    """Whose, since when, and what."""
    answers: tuple[Answer, ...] = ()
    document: Document | None = None
    left: frozenset[str] = frozenset(ONCE)
    life: int = 0
    at: float = 1000.0
    people: str = ""


class Servers:
    """The API servers of a world, as objects that are changed."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Kind, Event]] = []
        self.apis = {name: Api(self._emit) for name in SPACES}

    def _emit(self, kind: Kind, namespace: str, name: str, uid: str, seen: Seen | None) -> None:
        event: Event = Changed(seen) if seen is not None else Deleted(kind, namespace, name, uid)
        self.told.append((namespace, kind, event))

    def load(self, namespace: str, held: Any) -> Api:
        self.told.clear()
        api = self.apis[namespace]
        (api.rv, namespaces, secrets, accounts, _), api.uids = held
        api.namespaces, api.secrets, api.accounts = dict(namespaces), dict(secrets), dict(accounts)
        api.history = []
        return api


SERVERS = Servers()


def _items(held: Any, kind: Kind) -> tuple[Seen, ...]:
    return SERVERS.apis["a"].items(kind, held[0])


def begun() -> World:
    """Two namespaces in which there is nothing, and an agent that has the first document and has listed everything."""
    servers, saved = {}, Saved(FIRST)
    for name in SPACES:
        api = SERVERS.apis[name] = Api(SERVERS._emit)
        api.put_namespace(name, {})
        servers[name] = api.snapshot(), api.uids * 100
    watched: dict[tuple[str, Kind], tuple[Event, ...]] = {}
    world = World(State(), saved, servers, servers, watched, dict.fromkeys(SPACES, ()))
    return _restarted(world)


def rotating() -> World:
    """At rest under the first document, with the second one on its way."""
    world = lived(replace(begun(), left=frozenset()))
    return replace(world, document=SECOND, left=frozenset(ONCE), at=world.at + 1000)


# -- what may happen


def choices(world: World) -> Iterator[Choice]:
    """Everything that may happen next."""
    for place, events in world.watched.items():
        if events:
            yield "watch", place
    yield from (("request", at) for at in range(len(world.requests)))
    yield from (("answer", at) for at in range(len(world.answers)))
    if any(line.queued is not None for line in world.state.lines.values()):
        yield "tick", None
    elif _woken(world) is not None:
        yield "time", None
    if world.document is not None:
        yield "document", None
    yield from _faults(world)


def _faults(world: World) -> Iterator[Choice]:
    """What may happen once."""
    if "crash" in world.left:
        yield "crash", None
    if "twice" in world.left:
        yield from (("twice", place) for place, events in world.watched.items() if events)
    if "lost" in world.left:
        yield from (("lost", at) for at in range(len(world.answers)))
    if "stale" in world.left:
        written = [name for name in SPACES if world.before[name] is not world.servers[name]]
        yield from (("stale", (name, kind)) for name in written for kind in (Kind.SECRET, Kind.ACCOUNT))
    if "people" in world.left and world.servers["a"][0][2]:
        yield from (("people", what) for what in ("delete", "edit"))


def _woken(world: World) -> float | None:
    """When the agent looks again by itself; nothing is under way for longer than a minute."""
    times = [line.wake_at for line in world.state.lines.values() if line.wake_at is not None]
    ends = [sent + ANSWER_S for _, sent, _ in world.requests]
    ends += [pace.lost_at for pace in _paces(world) if pace.ask and pace.lost_at is not None]
    woken = min(times, default=None)
    return woken if woken is None or not ends or woken < min(ends) else None


def _paces(world: World) -> Iterator[Pace]:
    for line in world.state.lines.values():
        yield line.pace
        yield from line.account_paces.values()


def after(world: World, choice: Choice) -> World:
    """The world after a choice. Raises: Broken."""
    what, value = choice
    world = replace(world, left=world.left - {what})
    match what:
        case "watch" | "twice":
            event, *rest = world.watched[value]
            waiting = world.watched[value] if what == "twice" else tuple(rest)
            world = _told(replace(world, watched={**world.watched, value: waiting}), event)
        case "request":
            world = _carried_out(world, value)
        case "answer" | "lost":
            answer = replace(world.answers[value], at=world.at)
            world = replace(world, answers=world.answers[:value] + world.answers[value + 1 :])
            if what == "lost":
                answer = replace(answer, outcome=Outcome.UNKNOWN, seen=None)
            world = _told(world, answer)
        case "tick":
            world = _told(world, Tick(NOW, world.at, 0.5))
        case "time":
            world = replace(world, at=max(world.at, _woken(world) or 0.0))
            world = _told(world, Tick(NOW, world.at, 0.5))
        case "document":
            assert world.document is not None
            world = _told(replace(world, document=None), DesiredReceived(world.document))
        case "crash":
            world = _restarted(replace(world, life=world.life + 1))
        case "stale":
            world = _listed_behind(world, *value)
        case "people":
            world = _meddled(world, value)
    return world


def _told(world: World, event: Event) -> World:
    before = world.state
    state, effects = step(before, event)
    world = replace(world, state=state)
    if before.document and (state.document is None or state.document.generation < before.document.generation):
        raise Broken("I4: an older document is in force")
    for effect in effects:
        match effect:
            case PersistDocument(document):
                world = replace(world, saved=replace(world.saved, document=document))
                world = _told(world, DocumentPersisted(document.generation))
            case PersistRecord(namespace, record):
                records = {name: one for name, one in world.saved.records.items() if name != namespace}
                records |= {namespace: record} if record is not None else {}
                world = replace(world, saved=replace(world.saved, records=records))
            case Report() | ReportDocument():
                pass
            case _:
                _check_sent(world, effect)
                world = replace(world, requests=(*world.requests, (world.life, world.at, effect)))
    in_force = world.state.document
    if in_force is not None and in_force != world.saved.document:
        raise Broken("I4: what is in force is not stored")
    return world


def _carried_out(world: World, at: int) -> World:
    life, _, request = world.requests[at]
    world = replace(world, requests=world.requests[:at] + world.requests[at + 1 :])
    name = request.namespace
    api = SERVERS.load(name, world.servers[name])
    api.late = life != world.life
    outcome, seen = api.carry_out(request)
    world = _written(world, name)
    if life != world.life:
        return world
    account = getattr(request, "name", "")
    answer = Answer(request.ask, name, account, outcome, world.at, 0.5, seen)
    return replace(world, answers=(*world.answers, answer))


def _written(world: World, name: str) -> World:
    """With what the API server of a namespace holds now, and tells its watches."""
    if not SERVERS.told:
        return world
    api = SERVERS.apis[name]
    last = tuple((kind, event) for _, kind, event in SERVERS.told)
    watched = dict(world.watched)
    for kind, event in last:
        watched[name, kind] = (*watched.get((name, kind), ()), event)
    held = api.snapshot(), api.uids
    before = {**world.before, name: world.servers[name]}
    world = replace(
        world, servers={**world.servers, name: held}, before=before, watched=watched, last={**world.last, name: last}
    )
    _check_kept(world, name)
    return world


def _restarted(world: World) -> World:
    """Only what was stored is left; requests that were sent are carried out all the same."""
    state, _ = step(State(), Restarted(world.saved, LIMITS))
    world = replace(world, state=state, watched={}, answers=())
    for kind in Kind:
        listed = Listed(kind, tuple(seen for name in SPACES for seen in _items(world.servers[name], kind)))
        world = _told(world, listed)
    return world


def _listed_behind(world: World, name: str, kind: Kind) -> World:
    """A list that is one write behind in a namespace; the watch that follows it tells the rest."""
    held = {**world.servers, name: world.before[name]}
    listed = Listed(kind, tuple(seen for one in SPACES for seen in _items(held[one], kind)))
    watched = {place: events for place, events in world.watched.items() if place[1] is not kind}
    watched[name, kind] = tuple(event for of, event in world.last[name] if of is kind)
    return _told(replace(world, watched=watched), listed)


def _meddled(world: World, what: str) -> World:
    api = SERVERS.load("a", world.servers["a"])
    if what == "delete":
        api.drop_secret("a")
    else:
        secret = api.secrets["a"]
        api.put_secret(replace(secret, managers=frozenset({MANAGER, "kubectl"}), edited=True, data=FOREIGN))
    return _written(replace(world, people=what), "a")


# -- what must hold


def _check_sent(world: World, request: Request) -> None:
    place = request.namespace, getattr(request, "name", "")
    for life, _, other in world.requests:
        if life == world.life and (other.namespace, getattr(other, "name", "")) == place:
            raise Broken(f"L3: two requests about {place} are under way")
    document = world.state.document
    wanted = [one for one in document.grants if place[0] in one.namespaces.names] if document else []
    if isinstance(request, DeleteSecret) and wanted:
        raise Broken(f"I10: what is granted in {place[0]} is deleted")
    if isinstance(request, ApplySecret):
        if any(entry.login is None for entry in request.entries):
            raise Broken(f"I10: nothing usable is written to {place[0]}")
        if {entry.key for entry in request.entries} != {auth_key(one.source) for one in wanted}:
            raise Broken(f"I10: {place[0]} is given something else than it is granted")


def _check_kept(world: World, name: str) -> None:
    record = world.saved.records.get(name)
    attached = record.attached if record is not None else {}
    for account in world.servers[name][0][3].values():
        if account.ours and PULL_SECRET in account.pull_secrets and account.uid not in attached:
            raise Broken(f"I2: the entry in {name}/{account.name} is in no record")


def check_rest(world: World) -> None:
    """L1, I1 and I2 at the end."""
    document = world.saved.document
    assert document is not None
    for name in SPACES:
        _, _, secrets, accounts, _ = world.servers[name][0]
        secret, account = secrets.get(name), accounts[name, "default"]
        if name == "a" and world.people == "edit" and secret is not None and secret.edited:
            continue
        wanted = {auth_key(one.source): one.credential for one in document.grants if name in one.namespaces.names}
        there = {entry.key: entry.credential for entry in secret.data} if secret is not None else {}
        if there != wanted:
            raise Broken(f"L1: {name} holds {there}")
        if (PULL_SECRET in account.pull_secrets) != bool(wanted):
            raise Broken(f"I1: {name}/default has {account.pull_secrets}")
        record = world.saved.records.get(name)
        if (record.secret_uid if record else "") != (secret.uid if secret is not None else ""):
            raise Broken(f"I2: the record of {name} is {record}")


ORDER = ("document", "request", "answer", "watch", "tick", "time")


def lived(world: World) -> World:
    """Without faults to the end. Raises: Broken, if there is none or it is not as it should be."""
    world = replace(world, left=frozenset())
    for _ in range(400):
        possible = sorted(choices(world), key=lambda choice: ORDER.index(choice[0]))
        if not possible:
            check_rest(world)
            return world
        world = after(world, possible[0])
    raise Broken("L1: it does not come to rest")


# -- which worlds are one


def key(world: World) -> int:
    """The same for worlds between which nothing can tell; 64 bits of a hash stand for the rest."""
    state, at = world.state, world.at
    parts = (
        tuple(_line(line, at) for _, line in sorted(state.lines.items())),
        state.document and state.document.generation,
        state.pending and state.pending.generation,
        state.listed,
        frozenset(state.logins),
        world.saved.document and world.saved.document.generation,
        frozenset((name, _record(one)) for name, one in world.saved.records.items()),
        tuple(_held(world.servers[name]) for name in SPACES),
        tuple(_held(world.before[name]) for name in SPACES) if "stale" in world.left else None,
        frozenset((place, tuple(map(_event, events))) for place, events in world.watched.items() if events),
        frozenset((life == world.life, at - sent, _request(request)) for life, sent, request in world.requests),
        frozenset((one.namespace, one.account, one.outcome, _seen(one.seen)) for one in world.answers),
        world.document is None,
        world.left,
        world.people,
    )
    return hash(parts)


def _line(line: Line, at: float) -> Any:
    paces = {line.pace.ask, *(pace.ask for pace in line.account_paces.values())}
    return (
        line.namespace, _seen(line.space), _seen(line.secret),
        frozenset(_seen(one) for one in line.accounts.values()),
        line.record and _record(line.record), frozenset(line.noted.items()), frozenset(line.leaving.items()),
        type(line.sent), line.sent_uid, line.absent, line.reread, line.trouble, line.stale,
        _pace(line.pace, at), frozenset((name, _pace(pace, at)) for name, pace in line.account_paces.items()),
        len(line.overtaken & paces), frozenset((uid, until - at) for uid, until in line.dropping.items()),
        frozenset(line.gone.items()), line.queued is None, line.urgent,
        None if line.wake_at is None else line.wake_at - at, line.looked_at, line.told,
    )  # fmt: skip


def _record(record: Record) -> Any:
    return record.namespace_uid, record.secret_uid, frozenset(record.attached.items())


def _pace(pace: Pace, at: float) -> Any:
    lost = pace.lost_at - at if pace.ask and pace.lost_at is not None else None
    return pace.ask > 0, lost, max(0.0, pace.due_at - at), pace.wait_s, at - pace.due_at >= 60


def _seen(seen: Any) -> Any:
    if seen is None:
        return None
    more: tuple[Any, ...] = ()
    if hasattr(seen, "entries"):
        more = (seen.entries, seen.managers, seen.logins is None)
    return (
        type(seen),
        seen.uid,
        seen.resource_version,
        getattr(seen, "pull_secrets", None),
        getattr(seen, "held", None),
        more,
    )


def _held(held: Any) -> Any:
    (rv, _, secrets, accounts, _), _ = held
    return (
        rv,
        frozenset((one.uid, one.rv, one.told, one.data, one.managers, one.edited) for one in secrets.values()),
        frozenset((one.uid, one.rv, one.pull_secrets, one.ours, one.managers) for one in accounts.values()),
    )


def _event(event: Any) -> Any:
    return _seen(event.seen) if isinstance(event, Changed) else (event.kind, event.uid)


def _request(request: Any) -> Any:
    entries = tuple((one.key, one.credential) for one in getattr(request, "entries", ()))
    fields = (getattr(request, name, None) for name in ("name", "uid", "resource_version", "attach", "pull_secrets"))
    return type(request), request.namespace, entries, tuple(fields)


# -- the search


@dataclass
class Found:
    """What a search has seen: everything up to `depth` choices, and whether that is everything."""

    states: int = 0
    steps: int = 0
    lived: int = 0
    depth: int = 0
    finished: bool = False


def search(root: World, *, states: int, live_each: int = 200, clock: Callable[[], float] = time.process_time,
           seconds: float = 1e9) -> Found:  # fmt: skip
    """Breadth first to so many states, or for so long.

    Raises:
        Broken: with the choices that led there.
    """
    found = Found()
    seen, level = {key(root)}, [(root, ())]
    ends = clock() + seconds
    while level:
        following: list[tuple[World, Any]] = []
        for world, path in level:
            for choice in choices(world):
                found.steps += 1
                trace = (path, choice)
                try:
                    then = after(world, choice)
                    name = key(then)
                    if name in seen:
                        continue
                    seen.add(name)
                    if len(seen) % live_each == 0:
                        found.lived += 1
                        lived(then)
                except Broken as broken:
                    raise Broken(f"{broken}; after {_told_path(trace)}") from broken
                following.append((then, trace))
            found.states = len(seen)
            if found.states >= states or clock() > ends:
                return found
        found.depth += 1
        level = following
    found.finished = True
    return found


def _told_path(trace: Any) -> list[Choice]:
    path: list[Choice] = []
    while trace:
        trace, choice = trace
        path.append(choice)
    return path[::-1]
