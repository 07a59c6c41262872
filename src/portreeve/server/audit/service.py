"""The audit log beyond its writing: reading by permission, checkpoints, and what is wrong with it at the moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from secrets import SystemRandom
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Outcome, Target, decode, digest
from portreeve.core.audit_export import stored_checkpoint_line, stored_event_line
from portreeve.core.authorization import authorize_missing
from portreeve.core.checkpoint import Note, VerifierKey, opened, parse
from portreeve.core.estate import Key
from portreeve.core.merkle import Frontier, Read, consistency_proof, inclusion_proof
from portreeve.core.permissions import Action, Kind
from portreeve.errors import Invalid, NotFound, PortreeveError, Problem, Stalled, Unavailable
from portreeve.server import logs
from portreeve.server.audit import journal, key_file, store
from portreeve.server.audit.deliveries import Sink
from portreeve.server.audit.destinations import Destination
from portreeve.server.audit.finding import Found, Wanted, find
from portreeve.server.audit.journal import Entry
from portreeve.server.audit.kept import KeptFile
from portreeve.server.audit.senders import sender
from portreeve.server.audit.signer import Signer, foreign
from portreeve.server.audit.store import Stored
from portreeve.server.audit.visibility import not_all, scope_of, sees_all, where
from portreeve.server.audit.walk import grown, walked
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Refusal, Transaction, Writer
from portreeve.server.documents.kinds import KINDS
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import may
from portreeve.vault import notes

TICK_S: Final = 1.0
"""How often it is looked whether a checkpoint is due: two rows are read."""
STALLED_FOR: Final = timedelta(minutes=1)
"""How long nothing is tried after a failure that trying again will not help."""

WALK: Final = "walk"
"""The one task that ends: once all was walked, signing walks what is new."""

_CHANCE: Final = SystemRandom()

_DOCUMENTS: Final = {
    target: tuple(kind for kind in KINDS.values() if kind.target is target)
    for target in {kind.target for kind in KINDS.values()}
}
"""What an event acts on → the kinds of documents that it may be."""

LOG: Final = Target(ObjectKind.AUDIT_LOG, "audit-log")


@dataclass(frozen=True, slots=True)
class Proof:
    """Hashes that lead from one thing to another, and the roots of the trees that they are about."""

    hashes: tuple[bytes, ...]
    root: bytes
    old_root: bytes = b""
    leaf: bytes = b""


@dataclass(frozen=True, slots=True)
class Standing:
    """A document that an event is about: its kind in URLs, its name, and whether it is as the event left it."""

    plural: str
    name: str
    same: bool


class AuditLog:
    """The service. `origin` names the log if it is a new one; `keys` and `outside` are directories."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Callable[[], datetime],
        *,
        keys: Path,
        outside: Path,
        origin: str,
        destinations: Sequence[Destination] = (),
        jitter: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._key_file = keys / key_file.NAME
        self._outside = KeptFile(outside)
        self._origin = origin
        self._signer: Signer | None = None
        self._verifier: VerifierKey | None = None
        self._loading = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: dict[str, PortreeveError] = {}
        self._not_before: dict[str, datetime] = {}
        self.sinks = tuple(
            Sink(one.name, sender(one, origin=origin, clock=clock), database, writer, clock, jitter)
            for one in destinations
        )

    async def start(self) -> None:
        """Begin to sign. A key that cannot be used keeps nothing from working but signing; `problems` says so."""
        steps: dict[str, Callable[[], Awaitable[object]]] = {"checkpoint": self._sign_when_due, WALK: self.walk}
        for name, step in (steps | {sink.name: sink.deliver for sink in self.sinks}).items():
            self._tasks.append(asyncio.create_task(self._run(name, step), name=f"audit-{name}"))

    async def stop(self) -> None:
        """End what runs, wherever it is: each step can be broken off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def problems(self) -> tuple[Problem, ...]:
        """What somebody has to look at, for readiness and for status. Empty means that all is well."""
        failing = [Problem(one.code, one.message, name, one.hint) for name, one in sorted(self._failed.items())]
        return (*failing, *(problem for sink in self.sinks if (problem := sink.problem())))

    async def _run(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            done = await self.attempt(name, step)
            # A log that is damaged stays so: walking it again each minute would say nothing new.
            if name == WALK and (done or isinstance(self._failed.get(name), Stalled)):
                return

    async def attempt(self, name: str, step: Callable[[], Awaitable[object]]) -> bool:
        """One step of a task, whose failure is kept for `problems`; whether it was made and succeeded."""
        now = self._clock()
        if now < self._not_before.get(name, now):
            return False
        try:
            await step()
        except Exception as error:  # noqa: BLE001 -- a task that ended would be missed by nobody
            self._failed[name] = _known(error)
            logs.task_failed(f"audit {name}", error)
            self._not_before[name] = now + STALLED_FOR
            return False
        self._failed.pop(name, None)
        self._not_before.pop(name, None)
        return True

    async def signer(self) -> Signer:
        """What signs, with the log's key, which is made if the log is new.

        Raises:
            Stalled: `audit_key_file`, `audit_key_missing`.
        """
        async with self._loading:
            if self._signer is None:
                key = await asyncio.to_thread(key_file.read, self._key_file)
                if key is None:
                    async with self._database.reader.connect() as connection:
                        signed = await store.last_checkpoint(connection)
                    if signed is not None or await asyncio.to_thread(self._outside.last) is not None:
                        # Another replica may have made the key, and signed with it, since it was looked for.
                        key = await asyncio.to_thread(key_file.read, self._key_file)
                        if key is None:
                            raise key_missing()
                    else:
                        key = await asyncio.to_thread(key_file.make, self._key_file, self._origin)
                self._verifier = key.verifier
                self._signer = Signer(self._database, self._writer, self._clock, key, self._outside)
            return self._signer

    async def verifier(self) -> VerifierKey:
        """The public key, as verifiers take it."""
        await self.signer()
        assert self._verifier is not None
        return self._verifier

    async def _sign_when_due(self) -> Note | None:
        return await (await self.signer()).sign_when_due()

    async def checkpoint(self) -> Note | None:
        """Sign what is new, now; None if nothing is."""
        return await (await self.signer()).sign_now()

    async def walk(self) -> None:
        """See that all that is stored is what was written.

        Raises:
            Stalled: `audit_damaged`.
        """
        head = await self._read(journal.tree)
        if await walked(self._database, Frontier(), head.size) != head:
            raise journal.damaged("its head is not that of its leaves")

    async def size(self) -> int:
        """How many events there are."""
        return (await self._read(journal.tree)).size

    async def last_checkpoint(self) -> bytes:
        """The note of the last checkpoint.

        Raises:
            NotFound: `audit_no_checkpoint`.
            Stalled: `audit_checkpoint_foreign`: it is not one of this log.
        """
        found = await self._read(store.last_checkpoint)
        if found is None:
            raise NotFound("audit_no_checkpoint", "no checkpoint has been signed yet", hint="ask again in a minute")
        try:
            opened(parse(found[0]), [await self.verifier()], notes.verify)
        except Invalid:
            raise foreign() from None
        return found[0]

    async def events(
        self, caller: Caller, wanted: Wanted, *, oldest_first: bool, after: int | None, limit: int
    ) -> Found:
        """Events that the caller may see: as many as one question finds."""
        visible = where(scope_of(caller), (await self._writer.current()).estate.environments)

        async def query(connection: AsyncConnection) -> Found:
            size = (await journal.tree(connection)).size
            return await find(
                connection, visible, wanted, size=size, oldest_first=oldest_first, after=after, limit=limit
            )

        return await self._read(query)

    async def all_events(self, caller: Caller, wanted: Wanted, *, oldest_first: bool, most: int) -> list[Stored]:
        """All of them, however many questions that takes; no more than `most`."""
        rows: list[Stored] = []
        after: int | None = None
        while len(rows) < most:
            found = await self.events(caller, wanted, oldest_first=oldest_first, after=after, limit=most - len(rows))
            rows += found.rows
            if found.looked_to is None:
                break
            after = found.looked_to
        return rows

    async def event(self, caller: Caller, sequence: int) -> Stored:
        """One event.

        Raises:
            NotFound: it is not there, or not for this caller.
        """
        visible = where(scope_of(caller), (await self._writer.current()).estate.environments)
        found = await self._read(lambda connection: store.event(connection, visible, sequence))
        if found is None:
            decision = authorize_missing(caller.principal, Action.READ_AUDIT, Kind.AUDIT, str(sequence))
            raise NotFound("not_found", decision.text)
        return found

    async def standing(self, caller: Caller, stored: Stored) -> Standing | None:
        """How the object of an event stands now; None where it is no document, or not one for this caller.

        Documents are kept as they are and not as they were: of an earlier one the log has the digest alone.
        """
        try:
            made = decode(stored.leaf)
        except Invalid:
            return None
        if made.after is None or made.target.kind not in _DOCUMENTS:
            return None
        snapshot = await self._writer.current()
        for kind in _DOCUMENTS[made.target.kind]:
            found = snapshot.documents.get(Key(kind.name, made.target.name))
            if found is not None and may(caller, Action.READ, snapshot.parts(found)).allowed:
                return Standing(kind.plural, found.key.name, same=digest(found.canonical()) == made.after)
        return None

    async def inclusion(self, sequence: int, size: int) -> Proof:
        """The proof that an event is in the tree of the first `size` events.

        Raises:
            Invalid: `merkle_range`.
        """
        await self._refuse_beyond(size)

        def make(read: Read) -> Proof:
            hashes = inclusion_proof(read, sequence, size)
            return Proof(hashes, grown(read, size).root, leaf=read(0, sequence))

        return await self._read(lambda connection: store.proven(connection, make))

    async def consistency(self, old: int, new: int) -> Proof:
        """The proof that the tree of `new` events begins with that of `old`.

        Raises:
            Invalid: `merkle_range`.
        """
        await self._refuse_beyond(new)

        def make(read: Read) -> Proof:
            hashes = consistency_proof(read, old, new)
            return Proof(hashes, grown(read, new).root, grown(read, old).root)

        return await self._read(lambda connection: store.proven(connection, make))

    async def _refuse_beyond(self, size: int) -> None:
        there = await self.size()
        if size > there:
            raise Invalid("merkle_range", f"the log has {there} events, not {size}")

    async def export(self, caller: Caller) -> AsyncGenerator[bytes, None]:
        """The lines of an export, in chunks. That it was made is recorded, and signed, before the first of them.

        Raises:
            Denied: `audit_not_all`; that is recorded too.
        """

        async def job(transaction: Transaction) -> None:
            if not sees_all(caller):
                error = not_all()
                entry = Entry(caller.actor, Recorded.AUDIT_EXPORT, LOG, caller.request, Outcome.REFUSED, error.code)
                raise Refusal(error, entry)
            transaction.record(Entry(caller.actor, Recorded.AUDIT_EXPORT, LOG, caller.request))

        await self._writer.run(job)
        # A log that cannot be signed any more is exported all the more: the export is then the evidence.
        with contextlib.suppress(PortreeveError, SQLAlchemyError, OSError):
            await self.checkpoint()
        return self._lines(await self.size())

    async def _lines(self, size: int) -> AsyncGenerator[bytes, None]:
        start = 0
        async with contextlib.aclosing(store.batches(self._database, 0, size)) as batches:
            async for batch in batches:
                end = min(start + store.BATCH, size)
                signed = await self._checkpoints(start, end)
                yield b"".join(_exported(batch, signed))
                start = end

    async def _checkpoints(self, start: int, end: int) -> dict[int, bytes]:
        return await self._read(lambda connection: store.checkpoints(connection, start, end))

    async def _read(self, query: Callable[[AsyncConnection], Awaitable[store.Result]]) -> store.Result:
        try:
            async with self._database.reader.connect() as connection:
                return await query(connection)
        except (SQLAlchemyError, OSError) as error:
            raise _known(error) from error


def _exported(batch: Sequence[Stored], signed: dict[int, bytes]) -> list[bytes]:
    lines = []
    for stored in batch:
        lines.append(stored_event_line(stored.leaf))
        if (note := signed.pop(stored.sequence + 1, None)) is not None:
            lines.append(stored_checkpoint_line(note))
    # A checkpoint behind an event that is missing is not dropped with it: it is what shows that.
    return lines + [stored_checkpoint_line(note) for note in signed.values()]


def key_missing() -> Stalled:
    """There is a log, and its key is gone."""
    return Stalled(
        "audit_key_missing",
        "the audit log has checkpoints, and the key that signed them is not there",
        hint="put back audit.key in the directory of keys; a new one would make the log look like another's",
    )


def _known(error: Exception) -> PortreeveError:
    if isinstance(error, PortreeveError):
        return error
    if isinstance(error, SQLAlchemyError | OSError):
        return Unavailable(
            "database_unavailable", f"the database does not answer ({type(error).__name__})", hint="try again shortly"
        )
    return Stalled("internal", f"a step of the audit log failed ({type(error).__name__})", hint="report it")
