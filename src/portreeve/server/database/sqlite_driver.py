"""SQLite off the event loop, one trip to the connection's thread for each statement.

SQLAlchemy's adaptation of aiosqlite goes there three or four times for a statement: to make a cursor, to execute, to
fetch, to close. Each is a switch of threads there and back, which costs more than the statement does. Here a statement,
its rows and the end of its cursor are one function that runs on the thread. Nothing else differs: transactions, errors
and the one statement at a time are the adaptation's own.

Leaves out cursors on the server's side (`stream`): they are SQLAlchemy's, as rows one by one are what they are for.

Source: SQLAlchemy 2.1, `connectors/asyncio.py` and `dialects/sqlite/aiosqlite.py`; aiosqlite 0.22, `core.py`.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import closing
from typing import Any, NamedTuple

from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor
from sqlalchemy.util import EMPTY_DICT


class _Done(NamedTuple):
    """What a statement left besides its rows."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None


class OneTripCursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor without a cursor behind it: each statement makes its own on the thread, and closes it there."""

    __slots__ = ("_done", "_first", "arraysize")
    _awaitable_cursor_close = False  # there is nothing to close once a statement has run

    def __init__(self, adapt_connection: Any) -> None:
        # Not the adaptation's own, which goes to the thread for a cursor.
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._cursor = None  # type: ignore[assignment] # and so `close` has nothing to do
        self._rows = deque()
        self._soft_closed_memoized = EMPTY_DICT
        self._done = _Done()
        self._first = ""
        self.arraysize = 1

    @property
    def description(self) -> Any:
        """Columns of the last statement; None if it had no rows to give."""
        return self._done.description

    @property
    def rowcount(self) -> int:
        """Rows that the last statement changed."""
        return self._done.rowcount

    @property
    def lastrowid(self) -> Any:
        """Number of the row that was inserted last."""
        return self._done.lastrowid

    def behind(self, operation: str) -> None:
        """Run this before the next statement, in the same trip. If it fails, the connection is of no use any more."""
        self._first = operation

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        await self._run(_execute, operation, () if parameters is None else parameters)
        return self

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        await self._run(_executemany, operation, seq_of_parameters)
        return self

    async def _run(self, how: Any, operation: Any, parameters: Any) -> None:
        connection: Any = self._connection
        first, self._first = self._first, ""
        async with self._adapt_connection._execute_mutex:
            self._done, self._rows = await connection._execute(how, connection._conn, first, operation, parameters)


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """A connection whose statements take one trip each."""

    __slots__ = ()
    _cursor_cls = OneTripCursor


def _execute(connection: sqlite3.Connection, first: str, operation: str, parameters: Any) -> tuple[_Done, deque[Any]]:
    with closing(_cursor(connection, first)) as cursor:
        cursor.execute(operation, parameters)
        rows = deque(cursor.fetchall() if cursor.description else ())
        return _Done(cursor.description, cursor.rowcount, cursor.lastrowid), rows


def _executemany(
    connection: sqlite3.Connection, first: str, operation: str, parameters: Any
) -> tuple[_Done, deque[Any]]:
    with closing(_cursor(connection, first)) as cursor:
        cursor.executemany(operation, parameters)
        return _Done(cursor.description, cursor.rowcount, cursor.lastrowid), deque()


def _cursor(connection: sqlite3.Connection, first: str) -> sqlite3.Cursor:
    cursor = connection.cursor()
    if first:
        try:
            cursor.execute(first)
        except Exception as error:
            # Whatever it was (memory may be out): who rolls back to a savepoint that is not there, meets an older one.
            raise sqlite3.OperationalError(f"{first} failed ({type(error).__name__})") from error
    return cursor
