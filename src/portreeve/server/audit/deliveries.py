"""Driving the sinks: each from its own cursor, by one replica at a time, blocked by none of the others.

Theory of operation. A delivery reads its cursor, sends the next batch, and stores the cursor behind it (`schedule`
decides). A crash between sending and storing sends the batch again: every event arrives at least once, in order. With
PostgreSQL a replica sends to a sink while it holds an advisory lock of that sink's name; the lock ends with its
connection, whatever kills the process. With SQLite there is one process only. Whether a sink works or not, events are
written all the same: nothing waits for it (faults F-50, F-52).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import func, select

from portreeve.errors import Problem
from portreeve.server.audit import journal, store
from portreeve.server.audit.schedule import Delivery, failed, fitting, next_batch, sent
from portreeve.server.audit.senders import NotSent, Send
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer


class Sink:
    """One sink. `jitter` gives random numbers from 0 to below 1."""

    def __init__(
        self,
        name: str,
        send: Send,
        database: Database,
        writer: Writer,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        self.name = name
        self._send = send
        self._database = database
        self._writer = writer
        self._clock = clock
        self._jitter = jitter
        self._retry_at: datetime | None = None
        self._why = ""
        self._one_at_a_time = asyncio.Lock()
        self.delivery = Delivery()
        self.size = 0

    async def deliver(self) -> bool:
        """Send what is there, batch by batch, until all is sent, one fails, or another replica does it."""
        delivered = False
        async with self._one_at_a_time, _leased(self._database, self.name) as ours:
            while ours and await self._next():
                delivered = True
        return delivered

    async def _next(self) -> bool:
        async with self._database.reader.connect() as connection:
            row = await store.cursor(connection, self.name)
            self.size = (await journal.tree(connection)).size
        self.delivery = Delivery(row.sequence, row.failures, row.failed_at, self._retry_at)
        batch = next_batch(self.delivery, self.size, self._clock())
        if not batch:
            return False
        events = [one async for part in store.batches(self._database, batch.start, batch.stop) for one in part]
        events = events[: fitting([len(one.leaf) for one in events])]
        try:
            self._refuse_gap(events, batch.start)
            await self._send(events)
        except NotSent as error:
            self._why = str(error)
            await self._keep(failed(self.delivery, self._clock(), self._jitter()))
            return False
        self._why = ""
        await self._keep(sent(self.delivery, batch.start + len(events)))
        return True

    @staticmethod
    def _refuse_gap(events: Sequence[store.Stored], start: int) -> None:
        """A removed event stops the sink: going on would make the gap look like ours."""
        for number, stored in enumerate(events, start):
            if stored.sequence != number:
                raise NotSent(f"event {number} is missing in the database")
        if not events:
            raise NotSent(f"event {start} is missing in the database")

    async def _keep(self, delivery: Delivery) -> None:
        now = self._clock()
        row = store.Cursor(self.name, delivery.sequence, delivery.failures, delivery.failed_at)

        async def job(transaction: Transaction) -> None:
            await store.set_cursor(transaction.connection, row, now)

        await self._writer.run(job)
        self._retry_at, self.delivery = delivery.retry_at, delivery

    def problem(self) -> Problem | None:
        """What somebody has to look at, once it has failed for a while."""
        if not self.delivery.alerting:
            return None
        behind = max(0, self.size - self.delivery.sequence)
        message = f"{self.delivery.failures} attempts failed, {behind} events wait: {self._why or 'see its receiver'}"
        return Problem("audit_sink_failing", message, self.name, "nothing is lost; see that the receiver is reachable")


@asynccontextmanager
async def _leased(database: Database, name: str) -> AsyncGenerator[bool, None]:
    """Whether this replica sends to the sink now. Nobody waits for a lock."""
    if database.sqlite:
        yield True
        return
    number = int.from_bytes(hashlib.sha256(f"portreeve/audit/{name}".encode()).digest()[:8], signed=True)
    async with database.reader.connect() as connection:
        ours = await connection.scalar(select(func.pg_try_advisory_xact_lock(number)))
        yield bool(ours)
