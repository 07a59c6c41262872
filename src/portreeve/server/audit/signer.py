"""Signing checkpoints, each of which contains all that was signed before.

Theory of operation. The last checkpoint in the database and the last one in the file outside of it are read, then the
tree's head. What was signed must be the beginning of the tree: the tree at the signed size is put together from its
stored subtrees and must have the signed root; from there on every new leaf is hashed and must lead to the head. Only
then the new root is signed, first kept outside, then stored. Two replicas may both sign; as both see to the same, their
checkpoints cannot contradict each other.

No lock on the log is held meanwhile: it only grows. Sources: c2sp.org/tlog-checkpoint; threat AU-01; fault F-53.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from portreeve.core.checkpoint import Checkpoint, Note, opened, parse
from portreeve.core.merkle import EMPTY_ROOT, Frontier
from portreeve.errors import Invalid, Stalled
from portreeve.server.audit import journal, store
from portreeve.server.audit.kept import KeptFile
from portreeve.server.audit.schedule import signing_due
from portreeve.server.audit.walk import grown, walked
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer
from portreeve.vault import notes
from portreeve.vault.notes import SigningKey


class Signer:
    """Signs for one log."""

    def __init__(
        self, database: Database, writer: Writer, clock: Callable[[], datetime], key: SigningKey, file: KeptFile
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._key = key
        self._file = file
        self._one_at_a_time = asyncio.Lock()

    async def sign_when_due(self) -> Note | None:
        """Sign if it is time to; None if not."""
        return await self._sign(signing_due)

    async def sign_now(self) -> Note | None:
        """Sign if there is anything new; None if not."""
        return await self._sign(lambda size, *, signed, **_: size > signed)

    async def _sign(self, due: Callable[..., bool]) -> Note | None:
        """Sign, or see that it is too early; that the log was cut is seen in either case.

        Raises:
            Stalled: `audit_rolled_back`, `audit_damaged`, `audit_checkpoint_foreign`.
            Unavailable: the file outside or the database cannot be used; nothing was signed.
        """
        async with self._one_at_a_time:
            # What was signed is read first: the log may grow meanwhile, and another replica sign that.
            kept = self._opened(await asyncio.to_thread(self._file.last))
            async with self._database.reader.connect() as connection:
                row = await store.last_checkpoint(connection)
                head = await journal.tree(connection)
            last = self._opened(_parsed(row[0]) if row else None)
            for signed in (kept, last):
                if signed.size > head.size:
                    raise rolled_back(f"it has {head.size} events, and {signed.size} were signed")
            now = self._clock()
            if not due(head.size, signed=last.size, signed_at=row[1] if row else None, now=now):
                return None
            await self._grown(last, kept, head)
            note = self._key.sign(Checkpoint(self._key.name, head.size, head.root))
            await asyncio.to_thread(self._file.append, note)
            await self._store(note, now)
            return note

    async def _grown(self, last: Checkpoint, kept: Checkpoint, head: Frontier) -> None:
        """See that the head has grown from what was signed, by the leaves that are stored."""
        async with self._database.reader.connect() as connection:
            start = await store.proven(connection, lambda read: grown(read, last.size))
            before = await store.proven(connection, lambda read: grown(read, min(kept.size, last.size)))
        if start.root != last.root:
            raise journal.damaged(f"its first {last.size} events do not have the root that was signed")
        roots = {before.size: before.root, kept.size: before.root}
        tree = await walked(self._database, start, head.size, roots)
        if roots[kept.size] != kept.root:
            raise rolled_back(f"its first {kept.size} events are not those that were signed")
        if tree != head:
            raise journal.damaged("its head is not that of its leaves")

    async def _store(self, note: Note, now: datetime) -> None:
        async def job(transaction: Transaction) -> None:
            await store.add_checkpoint(transaction.connection, note.checkpoint.size, str(note).encode(), now)

        await self._writer.run(job)

    def _opened(self, note: Note | None) -> Checkpoint:
        if note is None:
            return Checkpoint(self._key.name, 0, EMPTY_ROOT)
        try:
            return opened(note, [self._key.verifier], notes.verify)
        except Invalid:
            raise foreign() from None


def rolled_back(why: str) -> Stalled:
    """The tree contradicts what was signed."""
    return Stalled(
        "audit_rolled_back",
        f"the audit log is not the one that was signed: {why}",
        hint="if a backup was restored on purpose: keep an export and checkpoints.txt, then move that file away",
    )


def foreign() -> Stalled:
    """The last checkpoint is not by our key."""
    return Stalled(
        "audit_checkpoint_foreign",
        "the last checkpoint of the audit log was not signed with the key that is here",
        hint="put back the log's own audit.key; all replicas use the same one",
    )


def _parsed(note: bytes) -> Note:
    try:
        return parse(note)
    except Invalid:
        raise foreign() from None
