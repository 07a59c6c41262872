"""Puts the page together: figures of the snapshot, and what this process knows of itself.

Bounded: one page is made at a time, off the event loop, and one that is younger than `FRESH` and of the same snapshot
is given again, so that many who ask cost as much as one. Counters are of this process, as Prometheus expects it:
several replicas are several targets.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

from portreeve.core.refresh import Why
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.metrics import catalogue, figures
from portreeve.server.metrics.figures import Found, Mode
from portreeve.server.refresh.service import SUCCESS
from portreeve.version import __version__
from portreeve.wire.exposition import render

FRESH: Final = timedelta(seconds=5)
"""A third of the shortest interval that anybody scrapes in."""

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Requests:
    """Counts answers. A method is text of the caller's, so unknown ones are one."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, ...]] = Counter()

    def answered(self, method: str, status: int) -> None:
        """A request was answered."""
        self.counted[method if method in _METHODS else "other", f"{status // 100}xx"] += 1


class Metrics:
    """The service. `minted` is how mints ended, by result; `clock` is UTC."""

    def __init__(
        self,
        documents: Documents,
        requests: Requests,
        minted: Mapping[str, int],
        mode: Mode,
        clock: Callable[[], datetime],
    ) -> None:
        self._documents = documents
        self._requests = requests
        self._minted = minted
        self._mode = mode
        self._clock = clock
        self._started = clock().timestamp()
        self._verdicts = figures.Verdicts()
        self._making = asyncio.Lock()
        self._made: tuple[Snapshot, datetime, bytes] | None = None

    async def page(self) -> bytes:
        """How everything stands now."""
        async with self._making:
            snapshot, now = await self._documents.snapshot(), self._clock()
            if self._made is not None:
                of, at, page = self._made
                if of is snapshot and at <= now < at + FRESH:
                    return page
            page = await asyncio.to_thread(self._page, snapshot, now)
            self._made = snapshot, now, page
            return page

    def _page(self, snapshot: Snapshot, now: datetime) -> bytes:
        begun = perf_counter()
        found = [*self._figures(snapshot, now)]
        found.append((catalogue.SCRAPE, {(): round(perf_counter() - begun, 6)}))
        return render(found)

    def _figures(self, snapshot: Snapshot, now: datetime) -> Iterator[Found]:
        yield catalogue.BUILD, {(__version__,): 1}
        yield from figures.registries(snapshot)
        yield from figures.credentials(snapshot)
        results = (SUCCESS, *map(str, Why))
        yield catalogue.REFRESH, {(one,): self._minted.get(one, 0) for one in results}
        yield from figures.environments(snapshot, now)
        yield from self._verdicts.images(snapshot, now, self._mode)
        yield from figures.exemptions(snapshot, now, self._mode)
        yield catalogue.REQUESTS, dict(sorted(self._requests.counted.items()))
        yield catalogue.STARTED, {(): self._started}
        yield catalogue.CPU, {(): time.process_time()}
        yield catalogue.MEMORY, {(): resident} if (resident := _resident_bytes()) else {}


def _resident_bytes() -> int:
    """0 where it is not known: outside Linux."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
