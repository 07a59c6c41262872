"""Telling of credentials that end: a sweep that writes each alert once, whichever replica comes first.

What was told lies in the database, and an alert is an event in the same transaction; so it is told once over all
replicas and restarts. Source: mission rule 13.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from portreeve.core.audit import Action, ObjectKind, Target, digest, escaped
from portreeve.core.calendar import OVERDUE_DAYS, alert, due
from portreeve.core.estate import Key
from portreeve.core.policy import Registry
from portreeve.errors import Problem
from portreeve.server import logs
from portreeve.server.audit.journal import Entry
from portreeve.server.calendar import store
from portreeve.server.credentials.rewrap import US
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.snapshot import CredentialRow, Snapshot
from portreeve.server.http.answers import json_bytes
from portreeve.wire.dump import time_text

SWEEP_S: Final = 60
"""Seconds between sweeps: what is counted in days is told within a minute."""

URGENT_DAYS: Final = 1
"""From so many days on, readiness says that somebody has to look."""


class Alerts:
    """The service."""

    def __init__(
        self, writer: Writer, database: Database, clock: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._writer = writer
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Sweep from now on."""
        self._task = asyncio.create_task(self._run(), name="calendar")

    async def stop(self) -> None:
        """Sweep no more; a sweep that is under way is finished."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    def problems(self) -> tuple[Problem, ...]:
        """Credentials that end within a day, or have ended."""
        now = self._clock()
        return tuple(
            Problem("credential_expiring", f"the {row.purpose} credential of {row.registry} ends", row.registry)
            for row in self._writer.snapshot.credentials.values()
            if row.expires_at is not None and (days := due(row.expires_at, now)) is not None and days <= URGENT_DAYS
        )

    async def sweep(self) -> int:
        """Tell of what has to be told; how many alerts that were."""
        snapshot, now = await self._writer.current(), self._clock()
        async with self._database.reader.connect() as connection:
            told = await store.told(connection)
        return await self._writer.run(self._tell) if _alerts(snapshot, told, now) else 0

    async def _tell(self, transaction: Transaction) -> int:
        snapshot, now = transaction.snapshot, transaction.now
        found = _alerts(snapshot, await store.told(transaction.connection), now)
        for row, days in found:
            assert row.expires_at is not None
            await store.save(transaction.connection, row.id, row.expires_at, days, now)
            transaction.record(self._entry(snapshot, row, row.expires_at, days))
            logs.ending(row.registry, row.purpose, days)
        return len(found)

    def _entry(self, snapshot: Snapshot, row: CredentialRow, expires_at: datetime, days: int) -> Entry:
        stored = snapshot.documents.get(Key("Registry", row.registry))
        project = stored.value.project if stored is not None and isinstance(stored.value, Registry) else ""
        target = Target(
            ObjectKind.CREDENTIAL,
            escaped(f"{row.registry}/{row.purpose}"),
            project=escaped(project) if project else None,
        )
        reason = "ended" if days == OVERDUE_DAYS else f"ends_in_{days}_days"
        after = digest(json_bytes([row.id, row.version, time_text(expires_at)]))
        return Entry(US, Action.CREDENTIAL_EXPIRING, target, f"calendar-{self._new_id()}", reason=reason, after=after)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 -- whatever is to be told is found again, once the database is back
                logs.task_failed("calendar", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._stopping.wait()


def _alerts(
    snapshot: Snapshot, told: Mapping[str, tuple[datetime, int]], now: datetime
) -> list[tuple[CredentialRow, int]]:
    found = []
    for _, row in sorted(snapshot.credentials.items()):
        days = alert(row.expires_at, now, told.get(row.id))
        if days is not None:
            found.append((row, days))
    return found
