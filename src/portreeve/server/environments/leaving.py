"""Letting environments go that were deleted, once their agents have removed everything: a sweep.

Theory of operation. Deleting an environment where an agent was enrolled marks it as leaving: nothing follows from its
document any more, and its desired state is empty. Its agent is admitted still, and removes what it delivered whenever
it comes, be it after weeks. When it has reported that nothing is left (`core.leaving`), this removes the document and
with it what hangs on it, the agent's identity among that: its next request is refused. Whatever is stored says how far
it has come; a sweep of any replica goes on with it. Sources: mission rule 4. Decision record: docs/adr/0026.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.leaving import SETTLED, Said, left
from portreeve.server.credentials.rewrap import US
from portreeve.server.database.sweeping import Sweeping
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.desired.service import DesiredStates, empty_since
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Reported, Snapshot
from portreeve.server.http.caller import Ourselves

SWEEP_S: Final = 60


class Departures:
    """The service."""

    def __init__(
        self,
        writer: Writer,
        documents: Documents,
        desired: DesiredStates,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._writer = writer
        self._documents = documents
        self._desired = desired
        self._clock = clock
        self._new_id = new_id
        self._sweeping = Sweeping(writer, "departures", self.sweep, self._longest)

    def start(self) -> None:
        """Sweep from now on."""
        self._sweeping.start()

    async def stop(self) -> None:
        """Sweep no more; a sweep that is under way is finished."""
        await self._sweeping.stop()

    async def sweep(self) -> int:
        """Remove the environments that hold nothing of ours any more; how many those were."""
        snapshot, done = await self._writer.current(), 0
        for environment in snapshot.leaving.values():
            emptied = empty_since(environment, await self._desired.current(environment.name))
            if not left(said(snapshot.reports.get(environment.name)), emptied, self._clock()):
                done += await self._gone(snapshot, environment, emptied)
        return done

    async def _gone(self, seen: Snapshot, environment: Environment, emptied: int | None) -> bool:
        key = Key("Environment", environment.name)
        acting = Ourselves(US, f"leaving-{self._new_id()}")

        async def job(transaction: Transaction) -> bool:
            stored, before = transaction.snapshot.documents.get(key), seen.documents[key]
            if stored is None or stored.uid != before.uid:
                return False
            if left(said(transaction.snapshot.reports.get(environment.name)), emptied, transaction.now):
                return False
            await self._documents.completed(transaction, acting, key)
            return True

        return await self._writer.run(job)

    def _longest(self) -> float:
        return SETTLED.total_seconds() if self._writer.snapshot.leaving else SWEEP_S


def said(reported: Reported | None) -> Said | None:
    """What an environment said last, as the decision takes it."""
    return (
        None if reported is None else Said(reported.generation, reported.at, reported.conditions, reported.pull_secrets)
    )
