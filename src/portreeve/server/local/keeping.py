"""Keeping a cluster from here: the reconciler of an agent, with the database in the place of the channel.

Theory of operation. The control plane enrols itself as the environment's agent: one row, one key that credentials are
sealed for, one audit event. From then on it is told of documents by the agents' doorbell, believes them by the rules of
`core.channel`, and takes its own reports in as anybody's; so nothing that is shown or decided knows the difference.
Which document was believed is on the disk before it is used. The document itself is not: it lies in the database here,
and where that was restored to an earlier state, the numbers go on behind what was believed.

Whoever else becomes the environment's agent, or ends this one by name, does so in a transaction of the one writer.
After it the snapshot says so, and the work is cancelled at once; a report that was on its way is refused in its own
transaction. An environment that does not exist yet is waited for; one that is deleted and made again is kept again.

What fails is tried again after a pause; what somebody has to decide is told in the log and by `/readyz`.

Left out: the cluster (`reconciler`), and which ones there are (`clusters`).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from portreeve.core import channel
from portreeve.core.agent_identity import State as Standing
from portreeve.core.channel import Known
from portreeve.core.estate import Key
from portreeve.core.reference import shown
from portreeve.errors import Conflict, Problem
from portreeve.kube.client import Client
from portreeve.reconciler.document import judged
from portreeve.reconciler.reconciler import Clocks, Reconciler
from portreeve.reconciler.records import Journal
from portreeve.server import logs
from portreeve.server.agents import observing
from portreeve.server.agents.doorbell import Doorbell
from portreeve.server.agents.service import Agents
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.desired.service import DesiredStates, Present
from portreeve.server.local.clusters import Reached
from portreeve.wire.channel import Report, read_report, read_signed, report_document

AGAIN_S: Final = 5.0
"""Seconds after something failed."""

LOOK_S: Final = 30.0
"""Seconds between two looks without a ring: it is by them that it counts as connected."""

RECORD: Final = "channel"
"""The kind of what is recorded here, beside the reconciler's own records."""

ENDLESS: Final = datetime.max.replace(tzinfo=UTC)

_CHANCE: Final = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Keeping:
    """What of the control plane it works with."""

    writer: Writer
    agents: Agents
    desired: DesiredStates
    doorbell: Doorbell
    clock: Callable[[], datetime]
    new_id: Callable[[], str]


class LocalAgents:
    """All clusters that are kept from here."""

    def __init__(self, clusters: Sequence[Reached], parts: Keeping) -> None:
        self._agents = tuple(LocalAgent(one, parts) for one in clusters)

    def start(self) -> None:
        """Keep them from now on."""
        for one in self._agents:
            one.start()

    async def stop(self) -> None:
        """Leave them as they are."""
        await asyncio.gather(*(one.stop() for one in self._agents))

    async def refuse_held(self) -> None:
        """See that none that was named on the command line has an agent of its own.

        Raises:
            Conflict: `agent_enrolled`, `local_agent_revoked`.
        """
        for one in self._agents:
            await one.refuse_held()

    def problems(self) -> tuple[Problem, ...]:
        """Clusters that are to be kept from here, and are not."""
        return tuple(one.problem for one in self._agents if one.problem is not None)


class LocalAgent:
    """One cluster."""

    def __init__(self, reached: Reached, parts: Keeping) -> None:
        self._reached = reached
        self._parts = parts
        self._name = reached.environment
        self._public = reached.key.sealing_key
        self._begins = True
        self._task: asyncio.Task[None] | None = None
        self.problem: Problem | None = None

    def start(self) -> None:
        """Keep it from now on."""
        self._task = asyncio.create_task(self._run(), name=f"local agent of {self._name}")

    async def stop(self) -> None:
        """Leave it as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refuse_held(self) -> None:
        """As `LocalAgents.refuse_held`."""
        if self._reached.cluster.asked:
            await self._parts.agents.refuse_held(self._name, self._public)

    # Who keeps it

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception as error:  # noqa: BLE001 -- whatever it was, the cluster goes on to want its credentials
                logs.task_failed(f"local agent of {self._name}", error)
                await asyncio.sleep(AGAIN_S)

    async def _turn(self) -> None:
        """Become its agent if that may be, and be it as long as it may be."""
        before = self._standing()
        parts, cluster = self._parts, shown(self._reached.connection.context)
        try:
            held = await parts.agents.hold(self._name, self._public, cluster, parts.new_id(), begins=self._begins)
        except Conflict as error:
            self._begins, self.problem = False, Problem(error.code, error.message, self._name)
            logs.not_kept(self._name, error.code)
            await self._until_not(before)
            return
        self.problem = None
        if not held:
            await self._until_not(before)
            return
        self._begins = False
        standing = self._standing()
        if standing[1] == Standing.LOCAL:
            logs.kept(self._name)
            await self._keep(standing)

    def _standing(self) -> tuple[str, str]:
        """Which environment it is, and how its agent stands; each "" for none."""
        snapshot = self._parts.writer.snapshot
        present, row = snapshot.documents.get(Key("Environment", self._name)), snapshot.agents.get(self._name)
        return present.uid if present else "", row.state if row else ""

    async def _until_not(self, standing: tuple[str, str]) -> None:
        async with self._parts.writer.changed:
            await self._parts.writer.changed.wait_for(lambda: self._standing() != standing)

    # What is done

    async def _keep(self, standing: tuple[str, str]) -> None:
        clocks = Clocks(self._parts.clock, time.monotonic, _CHANCE.random, _CHANCE.uniform)
        async with Client(self._reached.connection) as client:
            reconciler = Reconciler(client, self._reached.key, self._reached.directory, self.take_in, clocks)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(reconciler.serve()), group.create_task(self._follow(reconciler))]
                await self._until_not(standing)
                for task in tasks:
                    task.cancel()

    async def take_in(self, report: Report) -> None:
        """A report, read as strictly as one that came over the channel.

        Raises:
            PortreeveError: it was not taken.
        """
        told = await asyncio.to_thread(lambda: read_report(json.loads(json.dumps(report_document(report)))))

        async def job(transaction: Transaction) -> None:
            await self._parts.agents.refuse_lost(transaction, self._name, self._public)
            await observing.take(transaction, self._name, told)

        await self._parts.writer.run(job)

    async def _follow(self, reconciler: Reconciler) -> None:
        """Hand on each document that is believed, and the one that was believed last at the beginning."""
        begins = datetime.min.replace(tzinfo=UTC)
        state = channel.State(self._name, begins, ENDLESS, known(reconciler.journal))
        looked = 0
        while True:
            self._parts.agents.seen[self._name] = self._parts.clock()
            try:
                # Who arrives looks afterwards: what is written between the two is not missed.
                visit = self._parts.doorbell.arrive(self._name, looked)
                try:
                    held = await self._parts.desired.current(self._name)
                    if held is not None and held.generation != looked:
                        state = await self._came(reconciler, state, held)
                        looked = held.generation
                        continue
                    woken = None
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            woken = await visit.bell
                finally:
                    self._parts.doorbell.leave(visit)
            except Exception as error:  # noqa: BLE001 -- what was missed by that is looked for again
                logs.task_failed(f"documents of {self._name}", error)
                woken = False
            if woken is False:
                await asyncio.sleep(AGAIN_S)

    async def _came(self, reconciler: Reconciler, state: channel.State, held: Present) -> channel.State:
        """The state after this document, which is used if it is believed and can be opened."""
        if f'"sealedFor":"{self._public.fingerprint.hex()}"'.encode() not in held.document:
            # Written before the key was known. The one behind it is sealed for us.
            return state
        signed = read_signed(held.document)
        document, now = judged(signed, self._parts.desired.key.public), self._parts.clock()
        code = channel.refusal(state, document, now)
        if not code and document.not_after > now:
            if document.generation > state.known.generation:
                remember(reconciler.journal, channel.known_of(document))
                state = replace(state, known=channel.known_of(document))
            await reconciler.act(signed.document)
        reconciler.reporter.accepted(state.known.generation, code)
        if code in {"document_older", "document_altered"}:
            # A database that was restored: its numbers go on behind what was believed.
            await self._parts.desired.catch_up(self._name, max(held.generation, state.known.generation) + 1)
        return state


def known(journal: Journal) -> Known:
    """The document that was believed last, as it is recorded."""
    found = journal.held(RECORD).get("known")
    return Known() if found is None else Known(found["generation"], found["hash"], bytes.fromhex(found["digest"]))


def remember(journal: Journal, known: Known) -> None:
    """Have it on the disk which document is believed.

    Raises:
        Unavailable: `records_unwritable`.
    """
    digest = known.digest.hex()
    journal.write(RECORD, {"known": {"generation": known.generation, "hash": known.hash, "digest": digest}})
