"""The processes that die: `python -m tests.server.crash.child`.

It imports everything once and then forks a process for each line that it reads, because a fork takes 10 ms and the
imports take seconds. A line is {"url", "data", "scenario", "at", "moment"}; what it prints for it, each line flushed:
{"pid"}, then each acknowledgement of the scenario as it is given, then {"statements", "commits"} if the scenario came
to its end, and {"status"} when the process is gone. It ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiosqlite  # noqa: F401 - imported before the fork
import psycopg  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.aiosqlite  # noqa: F401

from tests.server.crash.kill import KillPoint
from tests.server.crash.scenarios import SCENARIOS, WRITERS, opened
from tests.tools.process import die_with_parent


def main() -> None:
    """Fork for each line, and tell how it ended."""
    for line in sys.stdin:
        asked = json.loads(line)
        dying = die_with_parent()
        process = os.fork()
        if process == 0:
            dying()
            status = 1
            try:
                asyncio.run(run(asked))
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        tell("pid", process)
        _, waited = os.waitpid(process, 0)
        tell("status", os.waitstatus_to_exitcode(waited))


async def run(asked: Mapping[str, Any]) -> None:
    """One scenario, to its end or to its kill point."""
    scenario = SCENARIOS.get(asked["scenario"], WRITERS)
    server = opened(asked["url"], Path(asked["data"]), scenario.masters, "c")
    point = KillPoint(asked["at"], asked["moment"])
    for engine in (server.database.reader, server.database.writer):
        point.watch(engine.sync_engine)
    await server.writer.start()
    point.armed = True
    await scenario.run(server, lambda name, promised: tell("told", [name, promised]))
    tell("counted", {"statements": point.count, "commits": point.commits})


def tell(name: str, value: Any) -> None:
    """One line, in one write, so that a kill leaves it whole or away."""
    os.write(1, json.dumps({name: value}).encode() + b"\n")


if __name__ == "__main__":
    main()
