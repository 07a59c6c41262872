"""The one writer of a process: many changes, one transaction, one fsync, and an audit event for each.

Theory of operation
-------------------
A change is a job: a coroutine that gets a `Transaction` and writes through it. Jobs that arrive while a transaction is
being committed wait, and the next transaction takes them all, each in a savepoint of its own (group commit). What a job
answers is given to its caller after the commit and never before, so whatever was acknowledged is on disk.

A job that fails is rolled back to its savepoint, with everything it wrote and noted; if it refused something, the event
of that is written in its place. Between replicas the lock on the audit log's head makes one order of all changes; each
transaction begins by reading what others have changed.

A commit whose result is not known (the connection broke while it was under way) is answered `outcome_unknown`: only
reading again, or the idempotency key of the request, can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.errors import PortreeveError, Unavailable
from portreeve.server.audit import journal
from portreeve.server.audit.journal import Entry, Head
from portreeve.server.database.engine import Database
from portreeve.server.database.savepoint import Savepoint
from portreeve.server.documents import store
from portreeve.server.documents.snapshot import Snapshot

Answer = TypeVar("Answer")

MOST_JOBS: Final = 128
"""Jobs in one transaction: beyond that the first of them waits longer than the disk saves."""


class Refusal(Exception):
    """A failure whose event is recorded though nothing else is: somebody tried what they may not do."""

    def __init__(self, error: PortreeveError, entry: Entry) -> None:
        super().__init__(error.message)
        self.error = error
        self.entry = entry


@dataclass
class Transaction:
    """What a job writes through. `now` is one time for all that one job does."""

    connection: AsyncConnection
    snapshot: Snapshot
    now: datetime
    revision: int
    entries: list[Entry] = field(default_factory=list)

    def next_revision(self) -> int:
        """A number for one change."""
        self.revision += 1
        return self.revision

    def record(self, entry: Entry) -> None:
        """Note what is done; it is written before the transaction ends.

        Raises:
            Invalid: `audit_event`: it can be no event; said here, it is the failure of one job and not of all.
        """
        journal.event(entry, 0, self.now)
        self.entries.append(entry)


Job = Callable[[Transaction], Awaitable[Answer]]


@dataclass
class _Waiting(Generic[Answer]):
    job: Job[Answer]
    answer: asyncio.Future[Answer]


class Writer:
    """Runs jobs, and keeps the snapshot that the last of them left."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._savepoint = Savepoint(database.writer)
        self._queue: asyncio.Queue[_Waiting[Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self.snapshot = Snapshot()
        self.changed = asyncio.Condition()
        """Notified after each commit; for those that watch, and for sweeps."""
        self.commits = 0
        """How many there were. Who looks at something between two waits tells by it whether it has missed one."""

    async def start(self) -> None:
        """Read everything once, then take jobs."""
        await self.current()
        self._task = asyncio.create_task(self._run(), name="writer")

    async def stop(self) -> None:
        """Finish what was taken, and take no more."""
        if self._task is not None:
            await self._queue.join()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self, job: Job[Answer]) -> Answer:
        """What the job answers, once it is durable.

        Raises:
            PortreeveError: what the job raised; nothing of it was written.
            Unavailable: `database_unavailable` (nothing was written) or `outcome_unknown`.
        """
        waiting = _Waiting(job, asyncio.get_running_loop().create_future())
        await self._queue.put(waiting)
        # Who stops waiting does not stop the job: it may be half-way into a transaction with others.
        return await asyncio.shield(waiting.answer)

    async def current(self) -> Snapshot:
        """The snapshot as of now: what other replicas have changed is read first."""
        if self._database.sqlite and self._task is not None:
            return self.snapshot  # the data directory is locked: nobody else writes
        async with self._reading:
            try:
                async with self._database.reader.connect() as connection:
                    revision = await journal.revision(connection)
                    if revision > self.snapshot.revision:
                        self._publish(await store.refreshed(connection, self.snapshot, revision))
            except (SQLAlchemyError, OSError) as error:
                raise unavailable(error) from error
        return self.snapshot

    def _publish(self, snapshot: Snapshot) -> None:
        if snapshot.revision >= self.snapshot.revision:
            self.snapshot = snapshot

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MOST_JOBS and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._commit(batch)
            finally:
                for _ in batch:
                    self._queue.task_done()
            async with self.changed:
                self.commits += 1
                self.changed.notify_all()

    async def _commit(self, batch: list[_Waiting[Any]]) -> None:
        results: list[tuple[_Waiting[Any], Any, BaseException | None]] = []
        committing = False
        try:
            async with self._database.writer.connect() as connection:
                head = await journal.locked(connection)
                snapshot = await store.refreshed(connection, self.snapshot, head.revision)
                entries: list[Entry] = []
                for waiting in batch:
                    transaction = Transaction(connection, snapshot, self._clock(), head.revision)
                    answer, failure = await self._one(waiting, transaction)
                    results.append((waiting, answer, failure))
                    entries += transaction.entries
                    if failure is None:
                        snapshot = transaction.snapshot
                        head = Head(head.frontier, transaction.revision)
                await journal.append(connection, head, entries, self._clock())
                committing = True
                await connection.commit()
            self._publish(snapshot if snapshot.revision == head.revision else replace(snapshot, revision=head.revision))
        except BaseException as error:  # every caller that waits has to hear of it
            failed = _failed(error, committing=committing)
            for waiting in batch:
                _answer(waiting, None, failed)
            if not isinstance(error, Exception):
                raise
            return
        for waiting, answer, failure in results:
            _answer(waiting, answer, failure)

    async def _one(self, waiting: _Waiting[Any], transaction: Transaction) -> tuple[Any, BaseException | None]:
        """Run a job behind a savepoint. What breaks the connection leaves; all else is the job's own failure."""
        self._savepoint.begin()
        try:
            return await waiting.job(transaction), None
        except Refusal as refusal:
            await self._savepoint.back(transaction.connection)
            transaction.entries.clear()
            transaction.record(refusal.entry)
            return None, refusal.error
        except (OperationalError, InterfaceError):
            raise
        except Exception as failure:  # noqa: BLE001 -- it is the caller's, who gets it
            await self._savepoint.back(transaction.connection)
            transaction.entries.clear()
            return None, failure
        finally:
            self._savepoint.end()


def _answer(waiting: _Waiting[Any], answer: Any, failure: BaseException | None) -> None:
    if waiting.answer.done():
        return
    if failure is None:
        waiting.answer.set_result(answer)
    else:
        waiting.answer.set_exception(failure)
        waiting.answer.exception()  # seen, if its caller has gone


def _failed(error: BaseException, *, committing: bool) -> BaseException:
    if not isinstance(error, SQLAlchemyError | OSError):
        return error
    if committing:
        return Unavailable(
            "outcome_unknown",
            "the database did not say whether the change was stored",
            hint="read again, or send the same request with the same Idempotency-Key",
        )
    return unavailable(error)


AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)
"""What the database raises when it is not there, or not for us now: no connection, a lock, a transaction that cannot be
put in an order. Everything else is a mistake of ours."""


def unavailable(error: BaseException) -> Unavailable:
    """What a caller hears of a database that failed; for everything that reads without the writer."""
    # The driver's message may hold the address with its password, or values of the statement.
    code = getattr(getattr(error, "orig", None), "sqlite_errorname", "") or type(error).__name__
    return Unavailable(
        "database_unavailable", f"the database does not answer or cannot be written ({code})", hint="try again shortly"
    )
