"""One cluster kept as its desired state wants it: watches, delivery, enforcement and reports, put together.

The one place in this room that builds objects. An agent uses it in its cluster, the control plane for a cluster that it
reaches by a kubeconfig; they differ in where documents come from and where reports go.

    documents → Delivering, Enforcing → the cluster → watches → Delivering, Inventory → Reporter → the control plane

What fails in one part leaves the others running: each begins anew after a pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from portreeve.core.pacing import USUAL, Limits
from portreeve.core.reference import shown
from portreeve.errors import Denied, Invalid, NotFound, PortreeveError
from portreeve.kube.client import Client
from portreeve.kube.objects import Meta
from portreeve.kube.resources import MUTATING_POLICIES, Resource
from portreeve.reconciler.delivering import Delivering, Told
from portreeve.reconciler.document import opened
from portreeve.reconciler.enforcing import Enforcing
from portreeve.reconciler.inventory import InventoryKeeper, InventoryPart
from portreeve.reconciler.records import Journal
from portreeve.reconciler.reporting import Reporter
from portreeve.reconciler.requesting import Requesting
from portreeve.reconciler.requests import Requests
from portreeve.reconciler.telling import Telling
from portreeve.reconciler.watching import EVERY_KIND, Watching
from portreeve.vault.sealing import OpeningKey
from portreeve.wire.channel import Report
from portreeve.wire.desired_policy import read_sources

AGAIN_S: Final = 5.0
ATTACH_POLICY: Final = "portreeve-attach"
"""Appends our entry to pods as they are created. Source: deploy/helm/agent, templates/attach.yaml."""

LOOK_S: Final = 3600.0
"""Seconds between two looks at the cluster's version: it is upgraded some times a year."""

log = logging.getLogger("portreeve.agent")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time and chance, from outside: UTC, seconds that nobody sets, [0, 1), and evenly between two numbers.

    `sleep` is what long waits are made of, so that a test need not wait for them.
    """

    utc: Callable[[], datetime]
    monotonic: Callable[[], float]
    chance: Callable[[], float]
    uniform: Callable[[float, float], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Reconciler:
    """Keeps one cluster. Use `serve` as a task; `act` is `agent.loop.Actor`.

    Args:
        key: opens what is sealed for this environment.
        directory: where what is ours is recorded; this one's own.
        send: a report to the control plane.
    """

    def __init__(
        self,
        client: Client,
        key: OpeningKey,
        directory: Path,
        send: Callable[[Report], Awaitable[None]],
        clocks: Clocks,
        *,
        limits: Limits = USUAL,
    ) -> None:
        self._client = client
        self._key = key
        self._clocks = clocks
        self.reporter = Reporter(send, clock=clocks.utc, monotonic=clocks.monotonic, chance=clocks.chance)
        self.journal = Journal(directory)
        self.requesting = Requesting(
            client, self.reporter.changed, clock=clocks.utc, monotonic=clocks.monotonic, uniform=clocks.uniform
        )
        self.delivering = Delivering(
            Requests(client, monotonic=clocks.monotonic, chance=clocks.chance),
            self.journal,
            self._delivered,
            clock=clocks.utc,
            monotonic=clocks.monotonic,
            chance=clocks.chance,
            limits=limits,
        )
        self.telling = Telling(
            client,
            lambda: (line.told for line in self.delivering.state.lines.values() if line.told is not None),
            lambda: self.delivering.resting,
            clock=clocks.utc,
            monotonic=clocks.monotonic,
        )
        self.enforcing = Enforcing(
            client,
            _AdmissionRecords(self.journal),
            namespaces=self.delivering.namespaces,
            clock=clocks.utc,
            monotonic=clocks.monotonic,
            chance=clocks.chance,
            changed=lambda: self.reporter.put_conditions(self.enforcing.conditions()),
        )
        inventory = InventoryPart(InventoryKeeper(), self.reporter.changed)
        self.reporter.add_parts((inventory, self.requesting))
        self.watching = Watching(
            client,
            (self.delivering, inventory, self.telling, self.requesting, self.reporter, _Complete(self.reporter)),
            uniform=clocks.uniform,
            changed=self._saw_or_not,
        )
        self._saw_or_not()

    async def act(self, document: Mapping[str, Any]) -> None:
        """A document is believed, and is on the disk. One that cannot be read changes nothing, and is told."""
        try:
            found = opened(document, self._key)
            await self.enforcing.act(document)
            held = document.get("sources")
            self.telling.policy(None if held is None else read_sources(held))
        except Invalid as error:
            log.error("%s: %s", error.code, error.message)
            self.reporter.condition("DocumentRead", "False", "MessageInvalid", error.message)
            return
        except Exception:
            # It is on the disk already: raised, it would end this agent now and at each start.
            log.exception("the desired state was not understood")
            self.reporter.condition("DocumentRead", "False", "NotUnderstood", "a mistake of the agent: see its log")
            return
        self.reporter.condition("DocumentRead", "True", "Read")
        self.reporter.registries(
            {
                grant["credential"]["id"]: grant["registry"]
                for grant in document["grants"]
                if grant["credential"] is not None
            }
        )
        if found.unopened:
            codes = ", ".join(sorted(set(found.unopened.values())))
            message = f"{len(found.unopened)} credentials were not opened ({codes})"
            self.reporter.condition("CredentialsOpened", "False", "SealedForAnother", message)
        else:
            self.reporter.condition("CredentialsOpened", "True", "Opened")
        self.delivering.want(found.document)
        self.requesting.want(document)

    async def serve(self) -> None:
        """Keep the cluster, until cancelled."""
        parts = {
            "watching": self.watching.serve,
            "delivery": self.delivering.serve,
            "enforcement": self.enforcing.serve,
            "reports": self.reporter.serve,
            "requests": self.requesting.serve,
            "events": self.telling.serve,
            "capabilities": self._look,
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, part in parts.items():
                    group.create_task(self._kept_running(name, part), name=name)
        finally:
            self.journal.close()

    async def _kept_running(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await part()
            except Exception:
                # A mistake of ours in one part must not take the credentials of a cluster away with it.
                log.exception("%s failed, and begins anew", name)
            await self._clocks.sleep(AGAIN_S)

    async def _look(self) -> None:
        """Tell what the cluster can do, now and then."""
        while True:
            try:
                version = await self._client.version()
                attaching = await self._attaching()
            except PortreeveError as error:
                log.warning("the cluster's version is not known: %s", error.code)
                await self._clocks.sleep(AGAIN_S)
                continue
            self.reporter.capabilities({"kubernetes": shown(version, 64)[:64], "mutatingAdmissionPolicy": attaching})
            await self._clocks.sleep(LOOK_S)

    def _delivered(self, what: Told) -> None:
        self.reporter.told(what)
        self.requesting.told(what)

    async def _attaching(self) -> bool:
        """Whether the cluster gives pods our entry by itself: the administrator has installed the policy for it."""
        try:
            await self._client.get(MUTATING_POLICIES, ATTACH_POLICY, Meta)
        except (NotFound, Denied):
            return False
        return True

    def _saw_or_not(self) -> None:
        needed = {one.resource.plural for one in EVERY_KIND}
        blind = self.watching.blind.keys() & needed
        if blind:
            which = ", ".join(sorted(blind))
            self.reporter.condition("ClusterSeen", "False", "Unreachable", f"cannot be watched: {which}")
        else:
            self.reporter.condition("ClusterSeen", "True", "Watched")


class _AdmissionRecords:
    """UIDs of the admission objects that are ours, in the journal."""

    KIND: Final = "admission"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def load(self) -> Mapping[str, str]:
        """As `enforcing.Records`."""
        return {name: str(record["uid"]) for name, record in self._journal.held(self.KIND).items()}

    def save(self, records: Mapping[str, str]) -> None:
        """As `enforcing.Records`."""
        before = self.load()
        gone: dict[str, Mapping[str, Any] | None] = {name: None for name in before if name not in records}
        new = {name: {"uid": uid} for name, uid in records.items() if before.get(name) != uid}
        self._journal.write(self.KIND, gone | new)


class _Complete:
    """Lets the first report go once every kind is known as a whole."""

    def __init__(self, reporter: Reporter) -> None:
        self._missing = {one.resource.plural for one in EVERY_KIND}
        self._reporter = reporter

    def seen(self, resource: Resource, found: Any) -> None:
        """As `watching.Taker`."""

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """As `watching.Taker`."""

    def complete(self, resource: Resource, *, went_back: bool) -> None:  # noqa: ARG002 -- protocol
        """As `watching.Taker`."""
        self._missing.discard(resource.plural)
        if not self._missing:
            self._reporter.ready.set()
