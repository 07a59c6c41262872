"""Moving what is wrapped to another key: owners' keys to the current master key, envelopes to their owner's newest key.

Theory of operation. `core.rewrap` decides what comes next, and this edge does it: pages are read without a lock, the
wrap is made outside any transaction (a key service may take its time), and a job of the writer puts it in the place of
what was read, together with its event, or finds that somebody else was there first. So a kill leaves every record under
one key or the other, each with its event, and what is left is found by what the rows say: no progress is stored.

An owner's key is rotated by making the next one and moving the owner's envelopes to it, their data keys and payloads
unchanged. A rotation that was cut short is finished at the next start.

Left out: destroying what nothing needs any more, be it a master key or an owner's old key. Backups may need it.
Sources: reliability I12 and F-42; threat CS-03.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import Actor
from portreeve.core.rewrap import (
    Changed,
    Count,
    Counted,
    Effect,
    Event,
    Failed,
    Move,
    Moved,
    Page,
    Phase,
    ReadPage,
    Resume,
    State,
    step,
)
from portreeve.errors import PortreeveError, Unavailable
from portreeve.server.credentials import store
from portreeve.server.credentials.keeper import FIELD, TOKEN_FIELD, Keeper
from portreeve.server.credentials.wrapped import Envelopes, OwnerKeys, Records, key_entry
from portreeve.server.database.engine import Database
from portreeve.server.database.tables import CREDENTIAL_VERSIONS, MINTED_TOKENS
from portreeve.server.database.writer import Job, Transaction, Writer, unavailable
from portreeve.server.http.caller import SYSTEM
from portreeve.vault.binding import Owner

US: Final = Actor("portreeve", SYSTEM)
"""Who moves keys when nobody asked for it: a master key was configured as retiring."""

RETRY_S: Final = 30
"""Seconds until what is left is tried again, because the database or a key service was away."""


class Rewrap:
    """The service. Every method may be called again after any failure, and goes on with what is left."""

    def __init__(self, keeper: Keeper, writer: Writer, database: Database, new_id: Callable[[], str]) -> None:
        self._keeper = keeper
        self._writer = writer
        self._database = database
        self._new_id = new_id
        self._task: asyncio.Task[None] | None = None
        self.master: State | None = None
        """How far the last move to the current master key came; None before the first."""

    def start(self) -> None:
        """Move in the background what earlier changes of keys have left."""
        self._task = asyncio.create_task(self._run(), name="rewrap")

    async def stop(self) -> None:
        """Stop between two records or within one: nothing depends on where."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def to_current_master(self) -> State:
        """Move every owner's key to the current master key.

        Returns: DONE, or STALLED with what could not be moved and why; `moved` and `left` count.
        Raises:
            Unavailable: the database or the key service does not answer; `master` says how far it came.
        """
        target, state = self._keeper.masters.current.key_id, self.master
        if state is None or state.target != target or state.phase is Phase.DONE:
            state = State(target)
        return await self._driven(OwnerKeys(self._keeper, US, self._run_id()), state, self._keep)

    async def rotate_owner(self, owner: Owner, actor: Actor = US) -> State:
        """Give an owner a new key and move all its envelopes to it. An owner without a key has nothing to rotate.

        Returns: as `to_current_master`.
        Raises:
            Unavailable: as there; `finish_rotations` moves what is left.
        """
        request = self._run_id()

        async def job(transaction: Transaction) -> int:
            made = await self._keeper.next_key(transaction.connection, owner, transaction.now)
            if made is None:
                return 0
            transaction.record(key_entry(actor, request, transaction.snapshot, after=made))
            return made.epoch

        epoch = await self._writer.run(job)
        if not epoch:
            return State("0", Phase.DONE, left=0)
        return await self._envelopes(actor, request, owner, epoch)

    async def finish_rotations(self) -> dict[Owner, State]:
        """Move the envelopes that are not under their owner's newest key: owner → how that ended."""
        try:
            async with self._database.reader.connect() as connection:
                behind = await store.owners_behind(connection)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error) from None
        return {owner: await self._envelopes(US, self._run_id(), owner, epoch) for owner, epoch in behind}

    async def _envelopes(self, actor: Actor, request: str, owner: Owner, epoch: int) -> State:
        """Move the owner's envelopes, those of credentials and those of minted tokens, and say how both ended."""
        ended = [
            await self._driven(Envelopes(self._keeper, actor, request, owner, table, field), State(str(epoch)))
            for table, field in ((CREDENTIAL_VERSIONS, FIELD), (MINTED_TOKENS, TOKEN_FIELD))
        ]
        return replace(
            next((one for one in ended if one.phase is not Phase.DONE), ended[0]),
            moved=sum(one.moved for one in ended),
            left=sum(one.left or 0 for one in ended),
            failures=tuple(failure for one in ended for failure in one.failures),
        )

    async def _driven(self, records: Records, state: State, keep: Callable[[State], None] | None = None) -> State:
        state, effects = step(state, Resume())
        while effects:
            state, effects = step(state, await self._done(records, effects[0]))
            if keep is not None:
                keep(state)
        return state

    async def _done(self, records: Records, effect: Effect) -> Event:
        try:
            async with self._database.reader.connect() as connection:
                match effect:
                    case ReadPage():
                        return Page(await records.page(connection, effect))
                    case Count(target):
                        return Counted(await records.left(connection, target))
                    case Move(record):
                        job = await _prepared(records, connection, effect)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error) from None
        if isinstance(job, Failed):
            return job
        return Moved(record) if job is not None and await self._writer.run(job) else Changed(record)

    async def _run(self) -> None:
        while True:
            try:
                if self._keeper.masters.retiring:
                    await self.to_current_master()
                await self.finish_rotations()
            except Unavailable:
                await asyncio.sleep(RETRY_S)
                continue
            return

    def _keep(self, state: State) -> None:
        self.master = state

    def _run_id(self) -> str:
        return f"rewrap-{self._new_id()}"


async def _prepared(records: Records, connection: AsyncConnection, move: Move) -> Job[bool] | Failed | None:
    try:
        return await records.prepared(connection, move)
    except Unavailable:
        raise  # Whoever waits goes on with the same record later.
    except PortreeveError as error:
        return Failed(move.record, error.code)
