"""How quick the audit log is searched: a million events, each filter alone and together, both orders, both engines.

The rows are written past the journal, as a million leaves would take a quarter of an hour to hash one by one; what is
measured reads columns alone. Wall-clock time of the service's own question, without HTTP.

Run: python -m bench.events
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text, true

from bench.figures import Figures
from portreeve.server.audit.finding import Wanted, find
from portreeve.server.database.engine import connect
from portreeve.server.database.migrate import to_head
from portreeve.server.database.tables import AUDIT_EVENTS
from tests.tools.components import Missing, find_postgres
from tests.tools.postgres import PostgresServer

EVENTS, BATCH, PAGE = 1_000_000, 5_000, 101
LIMIT_MS = 1_000.0
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ACTIONS = ("registry.update", "policy.update", "session.start", "session.end", "token.mint", "access.grant")


def rows() -> Iterator[list[dict[str, Any]]]:
    """Events as a year of a fleet leaves them: few people, many tokens, and one rare event of each sort."""
    chance = random.Random(4)
    for start in range(0, EVENTS, BATCH):
        yield [_row(number, chance) for number in range(start, start + BATCH)]


def _row(number: int, chance: random.Random) -> dict[str, Any]:
    action = chance.choice(ACTIONS)
    kind = action.partition(".")[0]
    name = f"{chance.getrandbits(80):020x}" if kind == "session" else f"{kind}-{chance.randrange(500)}"
    rare = number == EVENTS // 3
    return {
        "sequence": number,
        "leaf": os.urandom(200).hex().encode(),
        "time": BEGAN + timedelta(seconds=30 * number),
        "principal": "ada" if rare else "portreeve" if chance.random() < 0.7 else f"user-{chance.randrange(300)}",
        "action": "audit.export" if rare else action,
        "kind": "audit_log" if rare else kind,
        "name": "needle-of-the-log" if rare else name,
        "environment": f"cluster-{chance.randrange(200)}" if number % 3 else "",
        "project": f"team-{chance.randrange(50)}" if number % 5 == 0 else "",
        "outcome": "failed" if rare else "refused" if number % 97 == 0 else "done",
        "request": f"{chance.getrandbits(80):020x}",
    }


MIDDLE = BEGAN + timedelta(seconds=30 * EVENTS // 2)
QUESTIONS: dict[str, Wanted] = {
    "nothing": Wanted(),
    "rare principal": Wanted({"principal": "ada"}),
    "frequent principal": Wanted({"principal": "portreeve"}),
    "rare outcome of a frequent principal": Wanted({"principal": "portreeve", "outcome": "failed"}),
    "two frequent ones": Wanted({"principal": "portreeve", "action": "session.end"}),
    "kind and name": Wanted({"kind": "registry", "name": "registry-7"}),
    "rare kind": Wanted({"kind": "audit_log"}),
    "no such request": Wanted({"request": "req"}),
    "an hour": Wanted(since=MIDDLE, until=MIDDLE + timedelta(hours=1)),
    "the first half": Wanted(until=MIDDLE),
    "the first half, refused": Wanted({"outcome": "refused"}, until=MIDDLE),
    "text, frequent": Wanted(text="session"),
    "text, rare": Wanted(text="needle"),
    "text, nowhere": Wanted(text="nothing-like-it"),
}


async def measured(url: str) -> dict[str, float]:
    """Question → the slower of both orders, in milliseconds."""
    database = connect(url)
    await to_head(database)
    try:
        for batch in rows():
            async with database.writer.begin() as connection:
                await connection.execute(insert(AUDIT_EVENTS), batch)
        if not database.sqlite:
            async with database.writer.begin() as connection:
                await connection.execute(text("ANALYZE audit_events"))
        found: dict[str, float] = {}
        async with database.reader.connect() as connection:
            for name, wanted in QUESTIONS.items():
                for oldest in (False, True):
                    begun = time.perf_counter()
                    await find(connection, true(), wanted, size=EVENTS, oldest_first=oldest, after=None, limit=PAGE)
                    found[name] = max(found.get(name, 0.0), (time.perf_counter() - begun) * 1000)
        return found
    finally:
        await database.close()


def main() -> None:
    """Print the figures."""
    figures = Figures()

    def show(name: str, found: dict[str, float]) -> None:
        for question, ms in found.items():
            figures.show(f"{name}: {question}", ms, "ms", LIMIT_MS)

    with tempfile.TemporaryDirectory() as directory:
        show("SQLite", asyncio.run(measured(f"sqlite:///{Path(directory) / 'portreeve.db'}")))
    programs = find_postgres()
    if isinstance(programs, Missing):
        print("PostgreSQL: not measured, its programs are not here")
    else:
        with PostgresServer(programs) as server, server.database() as url:
            show("PostgreSQL", asyncio.run(measured(url)))
    figures.finish()


if __name__ == "__main__":
    main()
