"""What namespaces ask for by custom resources: told to the control plane, and told back to them as a status.

Theory of operation. The custom resource is watched beside the other kinds and not with them: a cluster need not have
it, and one that has not is as good as one in which nobody asks. It is looked for again now and then. Each change, and
each minute, every request is held against `core.access_status`; what differs from what stands there is applied, one
after the other, and an Event says so where the reason of Ready is another one. What could not be written waits, each
object for itself. At rest nothing is written.

Nothing is written before the namespaces were listed and the delivery has looked at each: an agent that begins anew
would else take back what it says, and say it once more.

What the watch says is not taken when it is older than what a write has answered: else each write would be followed by
one more.

Left out: deciding anything, and delivery: a grant is carried out by `delivering`, also where nobody has asked for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any, Final

from portreeve.core import access_requests, access_status
from portreeve.core.access_requests import AccessRequest
from portreeve.core.access_status import Decisions, Place, State
from portreeve.core.agent_messages import Phase, ReportDocument, Status
from portreeve.core.agent_messages import Report as Told
from portreeve.errors import Invalid, NotFound, PortreeveError
from portreeve.kube.client import Client
from portreeve.kube.reflector import Added, Deleted, Event, Interrupted, Modified, Reflector, Relisted, Synced
from portreeve.kube.registry_access import REGISTRY_ACCESSES, RegistryAccessObject, is_absent, tell, write_status
from portreeve.kube.resources import NAMESPACES, Resource
from portreeve.reconciler.document import decisions

LOOK_S: Final = 60.0
"""Seconds after which all is looked at without any news: credentials end by themselves."""

GATHER_S: Final = 0.1
"""Seconds that news are gathered for."""

ABSENT_S: Final = (60.0, 120.0)
"""How long a cluster without the custom resource is left alone."""

LATER_S: Final = (30.0, 90.0)
"""How long an object is left alone of which the status could not be written."""

AT_ONCE: Final = 100
"""Objects that are looked at before others have their turn."""

_WARNINGS: Final = frozenset(
    {
        access_status.Reason.REFUSED,
        access_status.Reason.TOO_MANY,
        access_status.Reason.CONFLICT,
        access_status.Reason.EXPIRING,
        access_status.Reason.EXPIRED,
    }
)

log = logging.getLogger("portreeve.agent")

Key = tuple[str, str]


class Requesting:
    """The requests of one cluster: a `watching.Taker` for namespaces, a `reporting.Part`, and a part that serves.

    Args:
        changed: called when there is something to report.
        clock: UTC; monotonic: seconds that nobody sets; uniform: evenly between two numbers.
    """

    def __init__(
        self,
        client: Client,
        changed: Callable[[], None],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._client, self._changed = client, changed
        self._clock, self._monotonic, self._uniform = clock, monotonic, uniform
        self._objects: dict[Key, RegistryAccessObject] = {}
        self._labels: dict[str, Mapping[str, str]] = {}
        self._delivered: dict[str, Status] = {}
        self._placed = False
        self._decisions: Decisions | None = None
        self._later: dict[Key, float] = {}
        self._known = False
        self._sent: tuple[AccessRequest, ...] | None = None
        self._taken: tuple[AccessRequest, ...] | None = None
        self._news = asyncio.Event()
        self._trouble = ""
        self.sent = 0
        """Requests that would change something in the cluster."""
        self.looks = 0

    # What is known

    def want(self, document: Mapping[str, Any]) -> None:
        """A document is in force, in the form of the channel. One that cannot be read changes nothing here."""
        try:
            self._decisions = decisions(document)
        except Invalid as error:
            log.error("%s: %s", error.code, error.message)
        self._news.set()

    def told(self, what: Told | ReportDocument) -> None:
        """What the delivery machine says of a namespace."""
        if isinstance(what, ReportDocument):
            return
        self._delivered[what.status.namespace] = what.status
        self._news.set()

    def seen(self, resource: Resource, found: Any) -> None:
        """As `watching.Taker`."""
        if resource == NAMESPACES:
            self._labels[found.metadata.name] = found.metadata.labels or {}
            self._news.set()

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:  # noqa: ARG002 -- protocol
        """As `watching.Taker`."""
        if resource == NAMESPACES:
            self._labels.pop(name, None)
            self._delivered.pop(name, None)

    def complete(self, resource: Resource, *, went_back: bool) -> None:  # noqa: ARG002 -- protocol
        """As `watching.Taker`."""
        if resource == NAMESPACES:
            self._placed = True
            self._news.set()

    # What is reported

    def delta(self) -> Mapping[str, Any]:
        """As `reporting.Part`: all requests wherever one has changed; nothing before they were listed."""
        if not self._known:
            return {}
        self._sent = tuple(self._told_requests())
        return {} if self._sent == self._taken else {"access_requests": self._sent}

    def acknowledged(self) -> None:
        """As `reporting.Part`."""
        self._taken = self._sent

    def reset(self) -> None:
        """As `reporting.Part`."""
        self._taken = None

    def _told_requests(self) -> list[AccessRequest]:
        return list(access_requests.told(one.request() for one in self._objects.values()))

    # What is watched

    async def serve(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="watch registryaccesses")
            group.create_task(self._write(), name="status of registryaccesses")

    async def _watch(self) -> None:
        while True:
            reflector: Reflector[RegistryAccessObject] = Reflector(
                self._client, REGISTRY_ACCESSES, RegistryAccessObject, uniform=self._uniform
            )
            listed: set[Key] = set()
            async with aclosing(reflector.events()) as events:
                async for event in events:
                    if isinstance(event, Interrupted) and is_absent(event.error):
                        break
                    self._took(event, listed)
            for key in list(self._objects):
                self._lost(key)
            self._complete()
            await asyncio.sleep(self._uniform(*ABSENT_S))

    def _took(self, event: Event[RegistryAccessObject], listed: set[Key]) -> None:
        """One piece of news; `listed` is what this watch has told of."""
        if isinstance(event, Interrupted):
            if event.error.code != self._trouble:
                log.warning("requests cannot be watched: %s", event.error.code)
            self._trouble = event.error.code
            return
        self._trouble = ""
        match event:
            case Added(found) | Modified(found):
                listed.add((found.metadata.namespace, found.metadata.name))
                self._saw(found)
            case Deleted(key):
                self._lost(key)
            case Synced():
                for key in self._objects.keys() - listed:
                    self._lost(key)
                self._complete()
            case Relisted():
                self._complete()

    def _saw(self, found: RegistryAccessObject) -> None:
        key = (found.metadata.namespace, found.metadata.name)
        held = self._objects.get(key)
        if held is not None and held.metadata.uid == found.metadata.uid and _number(found) < _number(held):
            return
        self._objects[key] = found
        self._later.pop(key, None)
        self._news.set()
        if held is None or held.request() != found.request():
            self._tell()

    def _lost(self, key: Key) -> None:
        if self._objects.pop(key, None) is not None:
            self._later.pop(key, None)
            self._news.set()
            self._tell()

    def _complete(self) -> None:
        if not self._known:
            self._known = True
            self._tell()

    def _tell(self) -> None:
        if self._known:
            self._changed()

    # What is written

    async def _write(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            await asyncio.sleep(GATHER_S)
            self._news.clear()
            await self._look()

    async def _look(self) -> None:
        """Hold every request against what is known, and write what differs."""
        if self._decisions is None or not self._known or not self._placed:
            return
        self.looks += 1
        told = {(one.namespace, one.name) for one in self._told_requests()}
        for number, (key, found) in enumerate(list(self._objects.items())):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if self._later.get(key, 0.0) > self._monotonic():
                continue
            request, now = found.request(), self._clock()
            place = self._place(request.namespace)
            if place is None:
                continue  # its namespace is yet to be seen, and with it whether a selector selects it
            said = access_status.status(request, found.status, self._decisions, place, now, is_told=key in told)
            if said is None or access_status.same(said, found.status):
                continue
            try:
                await self._put(key, request, found.status, said, now)
            except NotFound:
                continue  # it is gone; the watch says so
            except PortreeveError as error:
                self._later[key] = self._monotonic() + max(self._uniform(*LATER_S), error.retry_after_s or 0.0)
                log.warning("the status of RegistryAccess %s/%s cannot be written: %s", *key, error.code)

    def _place(self, namespace: str) -> Place | None:
        labels, delivered = self._labels.get(namespace), self._delivered.get(namespace)
        if labels is None:
            return None
        if delivered is None:
            return Place(labels)
        gone = delivered.phase is Phase.REMOVED
        return Place(labels, delivered.phase, () if gone else delivered.entries)

    async def _put(
        self, key: Key, request: AccessRequest, before: Mapping[str, Any], said: Mapping[str, Any], now: datetime
    ) -> None:
        self.sent += 1
        written = await write_status(self._client, request, said)
        held = self._objects.get(key)
        if held is not None and held.metadata.uid == written.metadata.uid and _number(held) < _number(written):
            self._objects[key] = written
        reason, note = access_status.ready_reason(said)
        if reason == access_status.ready_reason(before)[0]:
            return
        log.info("RegistryAccess %s/%s: %s", *key, reason)
        try:
            self.sent += 1
            warning = reason in _WARNINGS or said["state"] == State.EXPIRED
            await tell(self._client, request, reason=reason, note=note, warning=warning, now=now)
        except PortreeveError as error:
            log.warning("an Event about RegistryAccess %s/%s was not taken: %s", *key, error.message)


def _number(found: RegistryAccessObject) -> int:
    version = found.metadata.resource_version
    return int(version) if version.isdecimal() else -1
