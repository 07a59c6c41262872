"""The enforcing half of an agent: carries out what `core.enforcement` decides, on one API server.

    enforcing = Enforcing(client, records, namespaces=…, clock=…, monotonic=…, chance=…, changed=…)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(enforcing.serve())
        await enforcing.act(signed.document)      # each time a document comes into force
        report(enforcing.conditions())            # each time `changed` is called

Theory of operation
-------------------
One loop takes events one by one and steps the machine; requests are tasks of their own that come back as events, so
that a slow answer holds up nothing. A request about an object that has one under way takes its place: what a
roll-back supersedes is not waited for. Four watches, one for each name, show drift as it happens; where a watch
fails, the object is read, as often as the watch is tried again.

The UID of an object is stored before the object is changed or removed. While it cannot be stored such a request is not
sent, and counts as lost until it is tried again; what needs no record goes on.

Left out: deciding anything.

Needs: get, list, watch, create, patch and delete of validatingadmissionpolicies and validatingadmissionpolicybindings
with the `resourceNames` of our four objects; create of pods, which is used for dry runs alone.

Sources: kubernetes.md 2.4 (list and watch by `metadata.name`) and 4.5; reliability 3.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any, Final, Protocol

from portreeve.core import enforcement
from portreeve.core.admission_objects import KINDS, Seen
from portreeve.core.agent_messages import Outcome
from portreeve.core.enforcement_messages import (
    ApplyObject,
    Condition,
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
    RemoveObject,
    Report,
    Request,
    Restarted,
    Tick,
    Unseen,
    Vanished,
    VersionAnswer,
)
from portreeve.core.enforcement_state import State
from portreeve.errors import (
    Conflict,
    Denied,
    NotFound,
    PortreeveError,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from portreeve.kube import admission, reflector
from portreeve.kube.admission import RESOURCES, AdmissionObject, Applied, Gone, Raced
from portreeve.kube.client import Client, Selection
from portreeve.kube.errors import RefusedByAdmission
from portreeve.wire.desired_policy import read_wanted

PAUSE_S: Final = 0.5
"""Between two ticks while nothing happens. One takes some 20 µs."""

Answer = ObjectAnswer | ProbeAnswer | VersionAnswer


class Records(Protocol):
    """Where it is kept what is ours: name → UID."""

    def load(self) -> Mapping[str, str]:
        """What was saved last; empty where nothing was, or where it is lost."""
        ...

    def save(self, records: Mapping[str, str]) -> None:
        """Keep this for good before returning.

        Raises:
            OSError, PortreeveError: it is not kept.
        """
        ...


class Enforcing:
    """One cluster. `serve` runs in a task of its own; the rest is called from the same event loop."""

    def __init__(
        self,
        client: Client,
        records: Records,
        *,
        namespaces: Callable[[], Collection[str]],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        chance: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            namespaces: the names of those that exist, as whoever watches them knows them.
            clock: UTC, aware.
            monotonic: seconds of a clock that nobody sets.
            chance: a number in [0, 1), evenly; `random.random` in programs.
            changed: called after `conditions` says something else.
        """
        self._client, self._records, self._namespaces = client, records, namespaces
        self._clock, self._monotonic, self._chance, self._changed = clock, monotonic, chance, changed
        self._saved: Mapping[str, str] = dict(records.load())
        self._known: Mapping[str, str] = self._saved
        self._state, _ = enforcement.step(State(), Restarted(self._saved))
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._condition: Condition | None = None

    async def act(self, document: Mapping[str, Any]) -> None:
        """Have the cluster hold what a document says. It is verified, and it is stored.

        Raises:
            Invalid: `message_invalid`: its policy cannot be read; nothing is changed.
        """
        self._events.put_nowait(DocumentInForce(read_wanted(document)))

    def conditions(self) -> tuple[Mapping[str, Any], ...]:
        """How the policy stands, in the form of the channel; empty before anything is known."""
        return () if self._condition is None else (self._condition.document(),)

    async def serve(self) -> None:
        """Watch, step and carry out until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in KINDS:
                tasks.create_task(self._watch(name))
            try:
                while True:
                    for event in await self._next():
                        self._step(event, tasks)
                    self._look_around(tasks)
            finally:
                for task in self._running.values():
                    task.cancel()

    async def _next(self) -> list[Event]:
        """The events that have come, after a pause at most."""
        found: list[Event] = []
        try:
            async with asyncio.timeout(PAUSE_S):
                found.append(await self._events.get())
        except TimeoutError:
            return found
        while not self._events.empty():
            found.append(self._events.get_nowait())
        return found

    def _look_around(self, tasks: asyncio.TaskGroup) -> None:
        names = frozenset(self._namespaces())
        if names != self._state.namespaces:
            self._step(NamespacesSeen(names), tasks)
        self._step(Tick(self._clock(), self._monotonic(), self._chance()), tasks)

    def _step(self, event: Event, tasks: asyncio.TaskGroup) -> None:
        self._state, effects = enforcement.step(self._state, event)
        self._carry_out(effects, tasks)

    def _carry_out(self, effects: Sequence[Effect], tasks: asyncio.TaskGroup) -> None:
        for effect in effects:
            match effect:
                case Report(condition):
                    self._condition = condition
                    self._changed()
                case PersistRecords(records):
                    self._known = records
                    self._save()
                case ApplyObject(_, uid) | RemoveObject(_, uid) if uid:
                    self._save()
                    if self._saved.get(effect.name) == uid:
                        self._start(effect, tasks)
                case _:
                    self._start(effect, tasks)

    def _save(self) -> None:
        """Have the records stored, if that is possible now."""
        if self._saved != self._known:
            with suppress(OSError, PortreeveError):
                self._records.save(self._known)
                self._saved = self._known

    def _start(self, request: Request, tasks: asyncio.TaskGroup) -> None:
        match request:
            case ProbeScope():
                place = "probe"
            case ReadVersion():
                place = "version"
            case _:
                place = request.name
        before = self._running.get(place)
        if before is not None:
            before.cancel()
        self._running[place] = tasks.create_task(self._ask(request))

    async def _ask(self, request: Request) -> None:
        self._events.put_nowait(await self._answer(request))

    # -- requests

    async def _answer(self, request: Request) -> Answer:
        match request:
            case ProbeScope():
                return await self._probed(request)
            case ReadVersion():
                return await self._versioned(request)
            case _:
                return await self._answered(request)

    async def _answered(self, request: ObjectRequest) -> ObjectAnswer:
        seen: Seen | None = None
        written, retry_after_s = False, None
        try:
            seen, written = await self._carried_out(request)
            outcome = Outcome.DONE
        except PortreeveError as error:
            outcome = _outcome(error, wrote=not isinstance(request, ReadObject))
            retry_after_s = error.retry_after_s
        return ObjectAnswer(
            request.ask, request.name, outcome, self._monotonic(), self._chance(), seen, written, retry_after_s
        )

    async def _carried_out(self, request: ObjectRequest) -> tuple[Seen | None, bool]:
        """The object after it, and whether that took a write."""
        kind = KINDS[request.name]
        match request:
            case ReadObject():
                return await admission.observe(self._client, kind, request.name), False
            case ApplyObject():
                uids = {request.name: request.uid} if request.uid else {}
                (done,) = await admission.apply(self._client, [request.manifest], recorded_uids=uids)
                uid, written = ("", False) if isinstance(done, Raced) else (done.uid, isinstance(done, Applied))
                written = written and isinstance(done, Applied) and done.written
            case _:
                gone = await admission.remove(self._client, kind, request.name, recorded_uid=request.uid)
                if isinstance(gone, Gone):
                    return None, gone.written
                uid, written = "" if isinstance(gone, Raced) else gone.uid, False
        seen = await admission.observe(self._client, kind, request.name)
        if not uid or seen is None or seen.uid != uid:
            raise Conflict("kube_conflict", f"{request.name}: somebody writes it, too", hint="read it again")
        return seen, written

    async def _probed(self, request: ProbeScope) -> ProbeAnswer:
        scope, refused, allowed, retry_after_s = request.scope, None, None, None
        try:
            refused = await admission.ask(self._client, scope.namespace, scope.refused)
            if scope.allowed:
                allowed = await admission.ask(self._client, scope.namespace, scope.allowed)
            outcome = Outcome.DONE
        except PortreeveError as error:
            outcome, retry_after_s = _outcome(error, wrote=False), error.retry_after_s
        return ProbeAnswer(request.ask, outcome, self._monotonic(), self._chance(), refused, allowed, retry_after_s)

    async def _versioned(self, request: ReadVersion) -> VersionAnswer:
        version, retry_after_s = "", None
        try:
            version, outcome = await self._client.version(), Outcome.DONE
        except PortreeveError as error:
            outcome, retry_after_s = _outcome(error, wrote=False), error.retry_after_s
        return VersionAnswer(request.ask, outcome, self._monotonic(), self._chance(), version, retry_after_s)

    # -- watches

    async def _watch(self, name: str) -> None:
        watched = reflector.Reflector(
            self._client,
            RESOURCES[KINDS[name]],
            AdmissionObject,
            Selection(fields=f"metadata.name={name}"),
            uniform=lambda least, most: least + (most - least) * self._chance(),
        )
        there = False
        async with aclosing(watched.events()) as events:
            async for event in events:
                match event:
                    case reflector.Added(found) | reflector.Modified(found):
                        there = True
                        self._events.put_nowait(Observed(admission.seen(found)))
                    case reflector.Deleted(_, uid):
                        there = False
                        self._events.put_nowait(Vanished(name, uid))
                    case reflector.Interrupted():
                        self._events.put_nowait(Unseen(name))
                    case _ if not there:
                        self._events.put_nowait(Vanished(name))


def _outcome(error: PortreeveError, *, wrote: bool) -> Outcome:
    """How a request ended that was not answered as it should. A write without an answer may have been carried out."""
    match error:
        case Throttled():
            return Outcome.THROTTLED
        case Unavailable():
            return Outcome.UNKNOWN if wrote else Outcome.UNAVAILABLE
        case Unauthenticated():
            return Outcome.UNAVAILABLE
        case Conflict():
            return Outcome.CONFLICT
        case NotFound():
            return Outcome.NOT_FOUND
        case Denied() if not isinstance(error, RefusedByAdmission):
            return Outcome.FORBIDDEN
        case _:
            return Outcome.REFUSED
