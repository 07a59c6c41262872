"""What a job is rolled back to: a savepoint before its first statement, and none for a job that has no statement.

Savepoints are written out and never released: they lie in one another and end with the transaction, and a name means
the last one that has it. Where the driver can do that, each is told to the database together with the statement it
stands before, as going there is what costs.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from portreeve.server.database.sqlite_driver import OneTripCursor

_TAKE: Final = "SAVEPOINT job"
_BACK: Final = "ROLLBACK TO SAVEPOINT job"


class Savepoint:
    """For the one connection of an engine that writes. Between `begin` and `end` is a job."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._due = False
        self._taken = False
        event.listen(engine.sync_engine, "before_cursor_execute", self._before)

    def begin(self) -> None:
        """A job begins: the next statement is its first."""
        self._due, self._taken = True, False

    def end(self) -> None:
        """The job has ended: what comes is not its own."""
        self._due = False

    async def back(self, connection: AsyncConnection) -> None:
        """End the job and undo what it wrote."""
        self.end()
        if self._taken:
            await connection.exec_driver_sql(_BACK)

    def _before(self, connection: Any, cursor: Any, *_statement: Any) -> None:
        if not self._due:
            return
        self._due, self._taken = False, True
        if isinstance(cursor, OneTripCursor):
            cursor.behind(_TAKE)
        else:
            connection.exec_driver_sql(_TAKE)
