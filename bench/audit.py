"""What a durable audit record costs: small changes through the writer, each with its event, together and one by one.

"Together": they are submitted at once and share transactions (group commit). "One by one": each is awaited before the
next is sent, so each pays for a transaction and an fsync of its own. Same jobs, same run, same disk, and the first tree
is as large as the second. Wall-clock time, as waiting for the disk is what is measured; so a busy disk moves both.

Run: make bench, or python -m bench.audit
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from bench.figures import Figures
from portreeve.core.audit import Action, Actor, ObjectKind, Target
from portreeve.server.audit.journal import Entry
from portreeve.server.database.engine import connect
from portreeve.server.database.migrate import to_head
from portreeve.server.database.tables import CHANGES
from portreeve.server.database.writer import Job, Transaction, Writer
from portreeve.server.http.caller import SYSTEM
from tests.tools.components import Missing, find_postgres
from tests.tools.postgres import PostgresServer

TOGETHER, ONE_BY_ONE, SYNCS = 2_000, 400, 400
LEAST_RATIO = 5.0
"""Source: the design's reliability page, 4.2: 355 rows a second with an fsync each, 3,000 with group commit."""

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def job(number: int) -> Job[None]:
    """One row and its event."""

    async def run(transaction: Transaction) -> None:
        revision = transaction.next_revision()
        row = {"revision": revision, "kind": "Bench", "name": f"row-{number}", "verb": "put", "version": 1, "at": NOW}
        await transaction.connection.execute(insert(CHANGES), row)
        target = Target(ObjectKind.REGISTRY, f"row-{number}")
        transaction.record(Entry(Actor("bench", SYSTEM), Action.REGISTRY_UPDATE, target, f"req-{number}"))

    return run


async def together(writer: Writer) -> None:
    """All at once."""
    await asyncio.gather(*(writer.run(job(number)) for number in range(TOGETHER)))


async def one_by_one(writer: Writer) -> None:
    """Each after the one before it is durable."""
    for number in range(ONE_BY_ONE):
        await writer.run(job(number))


async def rate(count: int, run: Callable[[Writer], Awaitable[None]], url: str) -> float:
    """Writes a second on the database of this address."""
    database = connect(url)
    await to_head(database)
    writer = Writer(database, lambda: NOW)
    await writer.start()
    try:
        await run(writer)  # once before it counts: statements are compiled, pages are there
        start = time.perf_counter()
        await run(writer)
        return count / (time.perf_counter() - start)
    finally:
        await writer.stop()
        await database.close()


def syncs(directory: Path) -> float:
    """Bare fsyncs a second: 200 bytes appended and made durable, as the least that one write by itself costs."""
    with (directory / "bare").open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(SYNCS):
            file.write(bytes(200))
            os.fsync(file.fileno())
        return SYNCS / (time.perf_counter() - start)


def compare(figures: Figures, name: str, first: str, second: str, bare: float, limit: float | None) -> None:
    """Both figures, beside the disk's, and their ratio; it is limited the other way round, as a limit is a most."""
    grouped, single = asyncio.run(rate(TOGETHER, together, first)), asyncio.run(rate(ONE_BY_ONE, one_by_one, second))
    figures.show(f"{name}: audited writes, {TOGETHER:,} submitted together", grouped, "/s")
    figures.show(f"{name}: audited writes, one by one", single, "/s")
    figures.show(f"{name}: ratio{f', at least {LEAST_RATIO:g}' if limit else ''}", grouped / single, "x")
    figures.show(f"{name}: one by one / together", single / grouped, "", limit)
    # Beyond 1, several writes share an fsync; far below, the disk is so quick that what is left is the processor's.
    figures.show(f"{name}: together / bare fsync", grouped / bare, "x")


def main() -> None:
    """Print the figures."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as held:
        directory = Path(held)
        bare = syncs(directory)
        figures.show("bare fsync of 200 bytes, same disk", bare, "/s")
        first, second = (f"sqlite:///{directory / name}" for name in ("together.db", "one-by-one.db"))
        compare(figures, "SQLite", first, second, bare, 1 / LEAST_RATIO)
    programs = find_postgres()
    if isinstance(programs, Missing):
        print("PostgreSQL: not measured, its programs are not here")
    else:
        with PostgresServer(programs, fsync=True) as server, server.database() as first, server.database() as second:
            # Without a limit: each statement is a round trip to another process there, which grouping does not save.
            compare(figures, "PostgreSQL", first, second, bare, None)
    figures.finish()


if __name__ == "__main__":
    main()
