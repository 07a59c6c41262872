"""Runs `core.reconcile` in a cluster: news and documents in, requests out, one step after the other.

Theory of operation. Everything that happens is an event in one queue; one task takes all of them, steps the machine,
lets time pass by a `Tick`, and carries the effects out in their order. Records are on the disk before a request that
follows them is begun; one that cannot be stored ends all that would follow, and the machine begins anew from what is
stored, after a pause. Requests run beside each other; each answer is an event.

It ticks at once after events, often while something is waited for, and once a second at rest: a tick at rest costs half
a millisecond for a thousand namespaces and asks nobody anything. What a watch says while requests are under way waits
for the next answer, or for the next tick: most of it is what they have done.

The machine is told a kind as a whole when its list is complete, from the objects that are kept here; what differs only
in its version and status is not told again.

Source: the obligations of the program around the machine, `core.reconcile`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from portreeve.core import reconcile
from portreeve.core.agent_messages import (
    Changed,
    Deleted,
    DesiredReceived,
    DocumentPersisted,
    Effect,
    Event,
    Listed,
    PersistDocument,
    PersistRecord,
    ReadSecret,
    Report,
    ReportDocument,
    Request,
    Restarted,
    Saved,
    Tick,
)
from portreeve.core.delivery import Document
from portreeve.core.observation import Attachment, Kind, Record, Seen, WorkloadSeen
from portreeve.core.pacing import USUAL, Limits
from portreeve.core.reconcile_state import State
from portreeve.errors import PortreeveError
from portreeve.kube.resources import NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS, WORKLOADS, Resource
from portreeve.reconciler import seen
from portreeve.reconciler.records import Journal
from portreeve.reconciler.requests import Requests

RECORDS: Final = "namespace"
"""The kind of our records in the journal."""

BUSY_S: Final = 0.05
REST_S: Final = 1.0
AGAIN_S: Final = 5.0
"""Seconds between ticks while something is waited for, and at rest; and before a new beginning."""

_KINDS: Final[Mapping[str, Kind]] = {
    NAMESPACES.plural: Kind.NAMESPACE,
    SECRETS.plural: Kind.SECRET,
    SERVICE_ACCOUNTS.plural: Kind.ACCOUNT,
    PODS.plural: Kind.WORKLOAD,
    **{one.plural: Kind.WORKLOAD for one in WORKLOADS},
}

log = logging.getLogger("portreeve.agent")

Told = Report | ReportDocument


class Delivering:
    """The machine in a cluster. As a `watching.Taker` it takes all kinds.

    Args:
        told: takes what the machine reports.
        clock, monotonic: UTC, and seconds that nobody sets; chance: [0, 1).
    """

    def __init__(
        self,
        requests: Requests,
        journal: Journal,
        told: Callable[[Told], None],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        chance: Callable[[], float],
        limits: Limits = USUAL,
    ) -> None:
        self._requests = requests
        self._journal = journal
        self._told = told
        self._clock, self._monotonic, self._chance = clock, monotonic, chance
        self._limits = limits
        self._kept: dict[str, dict[tuple[str, str], Seen]] = {plural: {} for plural in _KINDS}
        self._complete: set[str] = set()
        self._immutable: dict[str, str] = {}
        self._document: Document | None = None
        self._events: list[Event] = []
        self._awake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.state = State()
        self.ticks = self.sent = 0
        """How often time has passed, and how many requests were begun."""
        self.counted = requests.counted
        self.beat: float | None = None
        """When it looked last, by `monotonic`: far back, it hangs."""

    @property
    def resting(self) -> bool:
        """Whether nothing is under way, waited for or held back: whatever is less urgent may ask the API server."""
        waiting = bool(self._tasks or self._events) or any(
            line.queued is not None for line in self.state.lines.values()
        )
        return not waiting and not self.state.bucket.quiet(self._monotonic())

    # What comes in

    def want(self, document: Document) -> None:
        """From now this is wanted; it is believed, and on the disk."""
        self._document = document
        self._happened(DesiredReceived(document))

    def namespaces(self) -> frozenset[str]:
        """Those that are there and are not being deleted."""
        return frozenset(
            name for name, line in self.state.lines.items() if line.space is not None and not line.space.terminating
        )

    def seen(self, resource: Resource, found: Any) -> None:
        """As `watching.Taker`."""
        if resource.plural not in _KINDS:
            return
        metadata = found.metadata
        place = metadata.namespace, metadata.name
        made = self._made(resource, found)
        kept = self._kept[resource.plural]
        before = kept.get(place)
        if made is None:
            if before is not None:
                self.gone(resource, *place, metadata.uid)
            return
        kept[place] = made
        if resource.plural not in self._complete or (isinstance(made, WorkloadSeen) and _same(made, before)):
            return
        self._happened(Changed(made))

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """As `watching.Taker`."""
        before = self._kept.get(resource.plural, {}).pop((namespace, name), None)
        if resource == SECRETS:
            self._immutable.pop(namespace, None)
        if before is None or resource.plural not in self._complete:
            return
        kind = _KINDS[resource.plural]
        named = {Kind.NAMESPACE: name, Kind.SECRET: namespace, Kind.ACCOUNT: name}.get(kind, "")
        if isinstance(before, WorkloadSeen):
            named = before.name
        self._happened(Deleted(kind, name if kind is Kind.NAMESPACE else namespace, named, uid))

    def complete(self, resource: Resource, *, went_back: bool) -> None:  # noqa: ARG002 -- a list counts in any case
        """As `watching.Taker`."""
        if resource.plural in _KINDS:
            self._complete.add(resource.plural)
            self._list(_KINDS[resource.plural])

    def _list(self, kind: Kind) -> None:
        plurals = [plural for plural, one in _KINDS.items() if one is kind]
        if set(plurals) <= self._complete:
            items = tuple(item for plural in plurals for item in self._kept[plural].values())
            self._happened(Listed(kind, items))

    def _made(self, resource: Resource, found: Any) -> Seen | None:
        match _KINDS[resource.plural]:
            case Kind.NAMESPACE:
                return seen.namespace(found)
            case Kind.SECRET:
                metadata = found.metadata
                immutable = self._immutable.get(metadata.namespace) == metadata.uid
                return seen.secret(metadata, immutable=immutable)
            case Kind.ACCOUNT:
                return seen.account(found)
            case Kind.WORKLOAD:
                return seen.pod(found) if resource == PODS else seen.workload(resource.kind, found)

    def _happened(self, event: Event) -> None:
        self._events.append(event)
        if not (self._tasks and isinstance(event, Changed)):
            self._awake.set()

    # What goes out

    async def serve(self) -> None:
        """Until cancelled."""
        try:
            self._begin()
            while True:
                self.beat = self._monotonic()
                try:
                    busy = self._turn()
                except PortreeveError as error:
                    log.warning("%s: %s", error.code, error.message)
                    await self._end_requests()
                    await asyncio.sleep(AGAIN_S)
                    self._begin()
                    continue
                await self._wait(BUSY_S if busy else REST_S)
        finally:
            await self._end_requests()

    def _begin(self) -> None:
        """A machine from what is stored, told all that is known."""
        records = {name: _record(found) for name, found in self._journal.held(RECORDS).items()}
        self.state, _ = reconcile.step(State(), Restarted(Saved(None, records), self._limits))
        self._events.clear()
        if self._document is not None:
            self._happened(DesiredReceived(self._document))
        for kind in Kind:
            self._list(kind)

    def _turn(self) -> bool:
        """Take everything that has happened, let time pass, carry out what follows; whether something is awaited."""
        while self._events:
            events, self._events = self._events, []
            for event in events:
                self._step(event)
        self._step(Tick(self._clock(), self._monotonic(), self._chance()))
        self.ticks += 1
        return bool(self._tasks) or any(line.queued is not None for line in self.state.lines.values())

    def _step(self, event: Event) -> None:
        self.state, effects = reconcile.step(self.state, event)
        if effects:
            self._carry_out(effects)

    def _carry_out(self, effects: tuple[Effect, ...]) -> None:
        """Raises: Unavailable: what has to be stored before the rest was not."""
        records = {one.namespace: _plain(one.record) for one in effects if isinstance(one, PersistRecord)}
        if records:
            # All of them before anything else: earlier is always right.
            self._journal.write(RECORDS, records)
        for effect in effects:
            match effect:
                case PersistDocument(document):
                    # The channel keeps what it believes before it hands it on.
                    self._happened(DocumentPersisted(document.generation))
                case Report() | ReportDocument():
                    self._told(effect)
                case PersistRecord():
                    pass
                case _:
                    self._ask(effect)

    def _ask(self, request: Request) -> None:
        self.sent += 1
        task = asyncio.create_task(self._asked(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _asked(self, request: Request) -> None:
        answer = await self._requests.carried_out(request)
        found = answer.seen
        if isinstance(request, ReadSecret) and found is not None and getattr(found, "immutable", False):
            self._immutable[request.namespace] = found.uid
        self._happened(answer)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            pass
        self._awake.clear()

    async def _end_requests(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _same(one: WorkloadSeen, other: Seen | None) -> bool:
    """Whether nothing differs that counts: nodes write a pod's status again and again."""
    return isinstance(other, WorkloadSeen) and replace(one, resource_version="") == replace(other, resource_version="")


def _record(found: Mapping[str, Any]) -> Record:
    attached = found["attached"]
    # Earlier agents wrote no versions: UIDs alone.
    shown = attached if isinstance(attached, Mapping) else dict.fromkeys(attached, "")
    every = {str(uid): Attachment(str(version)) for uid, version in found.get("intended", {}).items()}
    every |= {str(uid): Attachment(str(version), shown=True) for uid, version in shown.items()}
    return Record(str(found["namespace"]), str(found["secret"]), every)


def _plain(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    told: dict[str, Any] = {"namespace": record.namespace_uid, "secret": record.secret_uid}
    for shown, name in ((False, "intended"), (True, "attached")):
        told[name] = {uid: one.version for uid, one in sorted(record.attached.items()) if one.shown is shown}
    return told
