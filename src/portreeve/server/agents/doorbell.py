"""Whom a change concerns among the agents that wait: one reader for all of them, and one future for each.

Theory of operation. Thousands of agents wait for the next generation of their own environment. Were each of them woken
by each commit, or to ask the database now and then, they would cost more than they are worth. So one task waits for
commits, reads once which generations are new, and wakes those alone whom one of them concerns. Where other replicas
write too, it also looks each `POLL_S`. One agent waits once: a second question of the same environment sends the first
one home, so what was hung up on holds nothing for long.

Every `SEEN_S` it also writes down which agents were seen here, all in one transaction, and reads what others wrote.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from portreeve.server import logs
from portreeve.server.agents import store
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.desired.service import DesiredStates

POLL_S: Final = 1.0
"""Seconds after which another replica's change is seen, at the latest. Revoking must be done in 5."""

QUIET_S: Final = 30.0
"""The same where nobody else writes, and every commit is heard of."""

GATHER_S: Final = 0.1
"""Seconds between two looks at the generations, however many commits there are."""

AGAIN_S: Final = 1.0

SEEN_S: Final = 15.0
"""Seconds between writing down who was seen."""


@dataclass
class Visit:
    """One agent that waits: which generation it knows of, and what it waits on. False: it should go home."""

    environment: str
    generation: int
    bell: asyncio.Future[bool]


class Doorbell:
    """The waiting agents of one process."""

    def __init__(self, writer: Writer, database: Database, desired: DesiredStates, seen: dict[str, datetime]) -> None:
        self._writer = writer
        self._database = database
        self._desired = desired
        self._seen = seen
        self._waiting: dict[str, Visit] = {}
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Ring from now on."""
        self._tasks = [
            asyncio.create_task(self._ring(), name="agents' doorbell"),
            asyncio.create_task(self._note(), name="agents seen"),
        ]

    async def stop(self) -> None:
        """Send everybody home, and write down who was seen."""
        self.close()
        async with self._writer.changed:
            self._writer.changed.notify_all()
        for task in self._tasks:
            await task

    def close(self) -> None:
        """Let nobody wait any more: the process is about to end."""
        self._stopping.set()
        for one in self._waiting.values():
            if not one.bell.done():
                one.bell.set_result(False)

    def arrive(self, environment: str, generation: int) -> Visit:
        """Wait from now for another generation than this one. Who arrives looks for it afterwards, not before."""
        before = self._waiting.get(environment)
        if before is not None and not before.bell.done():
            before.bell.set_result(False)
        visit = Visit(environment, generation, asyncio.get_running_loop().create_future())
        self._waiting[environment] = visit
        if self._stopping.is_set():
            visit.bell.set_result(False)
        return visit

    def again(self, visit: Visit, generation: int) -> None:
        """Wait on, for another generation than this one."""
        visit.generation, visit.bell = generation, asyncio.get_running_loop().create_future()
        if self._stopping.is_set() or self._waiting.get(visit.environment) is not visit:
            visit.bell.set_result(False)

    def leave(self, visit: Visit) -> None:
        """Wait no more."""
        if self._waiting.get(visit.environment) is visit:
            del self._waiting[visit.environment]

    async def _ring(self) -> None:
        since: datetime | None = None
        heard = self._writer.commits
        while not self._stopping.is_set():
            await self._commit(heard)
            # Before the look and not behind it: what is committed meanwhile is looked for once more.
            heard = self._writer.commits
            if self._stopping.is_set() or not self._waiting:
                continue
            try:
                present, since = await self._desired.generations(since)
                async with self._database.reader.connect() as connection:
                    gone = await store.shut_out(connection, self._waiting)
            except Exception as error:  # noqa: BLE001 -- whoever waits asks again by themselves, whatever it was
                logs.task_failed("agents' doorbell", error)
                await self._pause(AGAIN_S)
                heard = -1  # what was missed by that is looked for at once
                continue
            for environment, one in list(self._waiting.items()):
                generation = present.get(environment, one.generation)
                if (generation != one.generation or environment in gone) and not one.bell.done():
                    one.bell.set_result(True)
            await self._pause(GATHER_S)

    async def _commit(self, heard: int) -> None:
        """Wait for a commit behind those heard of, or as long as others may have written without our hearing of it."""
        longest = QUIET_S if self._database.sqlite else POLL_S
        with suppress(TimeoutError):
            # Not asyncio.wait_for, which can swallow being cancelled (python/cpython#86296).
            async with asyncio.timeout(longest), self._writer.changed:
                await self._writer.changed.wait_for(lambda: self._stopping.is_set() or self._writer.commits != heard)

    async def _note(self) -> None:
        while not self._stopping.is_set():
            await self._pause(SEEN_S)
            try:
                await self.note()
            except Exception as error:  # noqa: BLE001 -- it is written the next time
                logs.task_failed("agents seen", error)

    async def note(self) -> None:
        """Write down who was seen, and read what other replicas have written."""
        if not self._writer.snapshot.agents:
            return
        found, kept = dict(self._seen), self._seen
        kept.clear()

        async def job(transaction: Transaction) -> None:
            await store.see(transaction.connection, found)
            times = await store.seen(transaction.connection)
            rows = {
                name: replace(row, seen_at=times.get(name, row.seen_at))
                for name, row in transaction.snapshot.agents.items()
            }
            transaction.snapshot = transaction.snapshot.with_agents_seen(rows)

        await self._writer.run(job)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
