"""Reading how much may still be pulled, and keeping the readings: on demand, and by a sweep.

A reading is the HEAD of an image that the provider names for it, as the credential that pulls: on Docker Hub that is no
pull. What is read is for the address of the control plane or for the account; clusters that leave the network by
another address have another count, which their agents will read (the vantage is part of what the registry answers).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from portreeve import providers
from portreeve.core.policy import Registry
from portreeve.core.rate_limit import Reading
from portreeve.errors import NotFound, PortreeveError
from portreeve.server import logs
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer, unavailable
from portreeve.server.registries import store
from portreeve.server.registries.contact import Contact, Contacts

KEPT_FOR: Final = timedelta(days=14)
"""Two weeks show the pattern of a week against the one before: 1,344 readings of each address."""

SWEEP_S: Final = 900
"""Seconds between readings; a window of Docker Hub has six hours."""


class Limits:
    """The service."""

    def __init__(self, contacts: Contacts, writer: Writer, database: Database, clock: Callable[[], datetime]) -> None:
        self._contacts = contacts
        self._writer = writer
        self._database = database
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Read from now on."""
        self._task = asyncio.create_task(self._run(), name="rate limits")

    async def stop(self) -> None:
        """Read no more."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def read(self, contact: Contact) -> Reading | None:
        """One reading, which is kept; None where the registry counts nothing for this credential.

        Raises:
            NotFound: `rate_limit_unknown`: the provider tells no limits. Else as `oci.distribution`.
        """
        probe = contact.provider.limit_probe
        if not probe:
            raise NotFound("rate_limit_unknown", f"{contact.provider.title} does not tell how much may be pulled")
        async with self._contacts.line(contact) as line:
            distribution = line.distribution(await line.login())
            head = await distribution.head(*probe)
        told = contact.provider.rate_limit(head.signals)
        if told is None:
            return None
        reading = Reading(self._clock(), told.limit, told.remaining, told.window_s, told.source)

        async def job(transaction: Transaction) -> None:
            since = transaction.now - KEPT_FOR
            await store.save_reading(transaction.connection, contact.name, reading, keep_since=since)

        await self._writer.run(job)
        return reading

    async def readings(self, registry: str) -> list[Reading]:
        """What is kept of a registry, by time."""
        try:
            async with self._database.reader.connect() as connection:
                return list(await store.readings(connection, registry))
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error) from None

    async def sweep(self) -> int:
        """One reading of every registry whose provider tells; how many there were. What fails is tried again later."""
        snapshot, done = await self._writer.current(), 0
        for name, stored in snapshot.of_kind("Registry").items():
            value = stored.value
            provider = providers.every().get(value.provider) if isinstance(value, Registry) else None
            if provider is None or not provider.limit_probe:
                continue
            try:
                contact = await self._contacts.contact(snapshot, name, ("pull", "management"))
                done += await self.read(contact) is not None
            except PortreeveError as error:
                logs.task_failed("rate limits", error)
        return done

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._stopping.wait()
                    return
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 -- the next sweep tries again
                logs.task_failed("rate limits", error)
