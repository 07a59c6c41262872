"""Sweeps that follow changes: what several services do beside requests, in one shape.

Theory of operation. A sweep looks at everything and does what is due; whatever it leaves undone, the next one finds
again, so nothing is queued and nothing is lost by a fault or a second replica. It runs once at the start, then after
each change, with changes that come together looked at together, and at the latest after a time that the service names,
as time alone makes things due, too. A sweep that fails is logged and tried again after `AGAIN_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from portreeve.server import logs
from portreeve.server.database.writer import Writer

PAUSE_S: Final = 0.5
"""Seconds that changes are gathered for."""

AGAIN_S: Final = 1.0
"""Seconds until a failed sweep is tried again."""


class Sweeping:
    """One service's sweeps. `name` stands in the log; `longest` is how many seconds may pass without one."""

    def __init__(
        self,
        writer: Writer,
        name: str,
        sweep: Callable[[], Awaitable[object]],
        longest: Callable[[], float],
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._writer = writer
        self._name = name
        self._sweep = sweep
        self._longest = longest
        self._pause_s = pause_s
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Sweep from now on."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Sweep no more; a sweep that is under way is finished, so that no connection is broken off."""
        self._stopping.set()
        async with self._writer.changed:
            self._writer.changed.notify_all()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self._pause(self._pause_s)
            try:
                seen = (await self._writer.current()).revision
                await self._sweep()
            except Exception as error:  # noqa: BLE001 -- whatever is due is found again, once the database is back
                logs.task_failed(self._name, error)
                await self._pause(AGAIN_S)
                continue
            await self._changed(seen)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _changed(self, seen: int) -> None:
        """Wait for a change behind this revision, for time to have passed, or for the end."""
        with suppress(TimeoutError):
            # Not asyncio.wait_for, which can swallow being cancelled (python/cpython#86296).
            async with asyncio.timeout(self._longest()), self._writer.changed:
                await self._writer.changed.wait_for(
                    lambda: self._stopping.is_set() or self._writer.snapshot.revision != seen
                )
