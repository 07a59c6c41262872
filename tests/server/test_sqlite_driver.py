"""Our cursor for SQLite against the one it stands in for: the same answers to everything, in one trip for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from portreeve.server.database.engine import Database, connect
from portreeve.server.database.sqlite_driver import OneTripCursor

ROWS = Table(
    "rows",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Text, unique=True),
    Column("held", LargeBinary),
)
SOME = [{"name": name, "held": name.encode()} for name in ("a", "b", "c")]

STATEMENTS: dict[str, tuple[Any, Any]] = {
    "one row": (insert(ROWS), {"name": "x", "held": b"\0"}),
    "one row, and its number": (insert(ROWS).values(name="y"), None),
    "many rows": (insert(ROWS), [{"name": "m", "held": b""}, {"name": "n", "held": None}]),
    "rows given back": (insert(ROWS).values(name="z").returning(ROWS.c.id, ROWS.c.name), None),
    "rows": (select(ROWS).order_by(ROWS.c.id), None),
    "no rows": (select(ROWS).where(ROWS.c.name == "nothing"), None),
    "a number": (select(func.count()).select_from(ROWS), None),
    "text with a parameter": (text("SELECT name FROM rows WHERE held = :held"), {"held": b"b"}),
    "two changed": (update(ROWS).where(ROWS.c.name != "a").values(held=b"new"), None),
    "none changed": (update(ROWS).where(ROWS.c.name == "nothing").values(held=b"new"), None),
    "all deleted": (delete(ROWS), None),
    "a table": (text("CREATE TABLE other (id INTEGER)"), None),
    "a row that is there": (insert(ROWS), {"name": "a"}),
    "many rows of which one is there": (insert(ROWS), [{"name": "p"}, {"name": "a"}]),
    "no such table": (text("SELECT * FROM nowhere"), None),
    "no SQL": (text("SELEKT"), None),
    "a value of no type": (text("SELECT :it"), {"it": object()}),
}


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Database]:
    """A database through the engines that the server has."""
    database = connect(f"sqlite:///{tmp_path / 'ours.db'}")
    yield database
    await database.close()


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine with SQLAlchemy's own adaptation."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'theirs.db'}")
    yield engine
    await engine.dispose()


async def said(connection: AsyncConnection, statement: Any, values: Any) -> Any:
    """All that can be asked about a statement."""
    try:
        found = await connection.execute(statement, values)
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else None
        return type(error), type(cause), str(cause)
    rows = [tuple(row) for row in found.all()] if found.returns_rows else None
    keys = list(found.keys()) if found.returns_rows else None
    return rows, keys, found.rowcount, found.lastrowid


@pytest.mark.parametrize("name", list(STATEMENTS))
async def test_a_statement_answers_as_it_does_without_us(ours: Database, theirs: AsyncEngine, name: str) -> None:
    async def ask(engine: AsyncEngine) -> Any:
        async with engine.connect() as connection:
            await connection.run_sync(ROWS.metadata.create_all)
            await connection.execute(insert(ROWS), SOME)
            return await said(connection, *STATEMENTS[name]), await said(connection, select(ROWS), None)

    assert await ask(ours.writer) == await ask(theirs)


async def test_a_statement_is_one_trip_to_the_thread(ours: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[Any] = []
    goes: Callable[..., Awaitable[Any]] = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, function: Any, *arguments: Any) -> Any:
        trips.append(function)
        return await goes(self, function, *arguments)

    async with ours.writer.connect() as connection:
        await connection.run_sync(ROWS.metadata.create_all)
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        for statement, values in (STATEMENTS[name] for name in ("one row", "many rows", "rows", "two changed")):
            trips.clear()
            (await connection.execute(statement, values)).close()
            assert len(trips) == 1, (str(statement), trips)


async def test_rows_one_by_one_still_come_so(ours: Database) -> None:
    async with ours.reader.connect() as connection:
        found = await connection.stream(text("SELECT value FROM json_each('[1, 2, 3]')"))
        assert [row.value async for row in found] == [1, 2, 3]


async def test_what_stands_before_a_statement_runs_with_it_or_breaks_the_connection(ours: Database) -> None:
    async with ours.writer.connect() as connection:

        def through(sql: str, statement: str) -> list[Any]:
            cursor = connection.sync_connection.connection.cursor()  # type: ignore[union-attr]
            assert isinstance(cursor, OneTripCursor)
            cursor.behind(sql)
            cursor.execute(statement)
            return list(cursor.fetchall())

        await connection.execute(text("SELECT 1"))
        assert await connection.run_sync(lambda _: through("CREATE TABLE first (id)", "SELECT * FROM first")) == []
        with pytest.raises(aiosqlite.OperationalError, match="ROLLBACK TO nothing failed"):
            await connection.run_sync(lambda _: through("ROLLBACK TO nothing", "CREATE TABLE second (id)"))
        there = await connection.execute(text("SELECT name FROM sqlite_master WHERE name IN ('first', 'second')"))
        assert list(there.scalars()) == ["first"]
