"""A program that migrates, and dies by SIGKILL at the statement that it is told.

Each line `URL NUMBER` is answered with one line: how the attempt ended, as `Popen.returncode` has it. Number 0 is no
statement: the attempt runs to its end. A negative one makes no attempt, and tells that everything is loaded.

Attempts are forks of a process that has opened nothing, as loading takes longer than migrating.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from typing import NoReturn

from sqlalchemy import event
from sqlalchemy.engine import Engine

from portreeve.server.database.engine import connect
from portreeve.server.database.migrate import revisions, to_head


def main() -> None:
    """Answer until the lines end."""
    revisions()
    for line in sys.stdin:
        url, _, number = line.strip().rpartition(" ")
        child = os.fork()
        if not child:
            _attempt(url, int(number))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _attempt(url: str, last: int) -> NoReturn:
    code = 1
    try:
        if last >= 0:
            asyncio.run(_migrate(url, last))
        code = 0
    except Exception:  # noqa: BLE001 -- a fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


async def _migrate(url: str, last: int) -> None:
    database = connect(url)
    _die_at(database.writer.sync_engine, last)
    await to_head(database)
    await database.close()


def _die_at(engine: Engine, last: int) -> None:
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

    # After a statement has run, and before what it was part of is committed; BEGIN and COMMIT count, too.
    event.listen(engine, "after_cursor_execute", count)
    event.listen(engine, "commit", count)


if __name__ == "__main__":
    main()
