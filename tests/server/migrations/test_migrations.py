"""Migrations on both databases: they make the tables, keep the rows, survive a kill, and run once (F-47)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, LargeBinary, MetaData, Table, func, insert, select, text
from sqlalchemy.types import JSON, BigInteger, Integer

from portreeve.errors import Stalled
from portreeve.server.database.engine import Database
from portreeve.server.database.migrate import revisions, script_directory, to_head, to_revision
from portreeve.server.database.tables import METADATA
from tests.server.migrations import write_first
from tests.server.migrations.catalogue import catalogue, opened
from tests.tools.postgres import PostgresServer
from tests.tools.process import LineProcess

MOST_STATEMENTS = 500
"""A kill behind it means that the count of statements does not work."""


async def made_at_once(database: Database) -> None:
    async with database.writer.begin() as connection:
        await connection.run_sync(METADATA.create_all)


async def test_migrations_make_exactly_the_tables(database_url: str) -> None:
    async with opened(database_url) as database:
        await to_head(database)
        async with database.reader.connect() as connection:
            found = await connection.run_sync(_differences)
    assert found == [], "run: python -m tests.server.migrations.write_first (or write a migration, after a release)"


def _differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


@contextmanager
def two_databases(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'a.db'}", f"sqlite:///{folder / 'b.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as first, server.database() as second:
        yield first, second


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_catalogues_are_equal_to_the_last_collation(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with two_databases(request, kind, tmp_path) as (first, second):
        async with opened(first) as migrated, opened(second) as made:
            await to_head(migrated)
            await made_at_once(made)
            assert await catalogue(migrated) == await catalogue(made)


def test_the_first_migration_is_what_the_tables_say() -> None:
    assert write_first.FIRST.read_text(encoding="utf-8") == write_first.page(), (
        "run: python -m tests.server.migrations.write_first"
    )


def test_steps_form_one_line() -> None:
    assert len(script_directory().get_heads()) == len(script_directory().get_bases()) == 1
    assert revisions() == sorted(revisions()), "a step is numbered behind the one before it"


@pytest.mark.parametrize("revision", revisions())
async def test_rows_of_every_earlier_schema_are_there_after_the_upgrade(database_url: str, revision: str) -> None:
    async with opened(database_url) as database:
        await to_revision(database, revision)
        async with database.writer.begin() as connection:
            before = await connection.run_sync(_filled)
        await to_head(database)
        async with database.reader.connect() as connection:
            after = await connection.run_sync(_counted)
    assert len(before) > 10
    assert {name: after.get(name) for name in before} == before


def _filled(connection: Connection) -> dict[str, int]:
    for table in _tables(connection):
        connection.execute(insert(table).values({column.name: _value(column.type) for column in table.columns}))
    return _counted(connection)


def _value(kind: Any) -> Any:
    match kind:
        case JSON():
            return {}
        case BigInteger() | Integer():
            return 1
        case LargeBinary():
            return b"\x01"
        case _:
            return "a"


def _counted(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in _tables(connection)
    }


def _tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


async def test_going_back_leaves_no_table(database_url: str) -> None:
    from alembic import command

    from portreeve.server.database import migrate

    def back(connection: Connection) -> None:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    async with opened(database_url) as database:
        await to_head(database)
        async with database.writer.begin() as connection:
            await connection.run_sync(back)
        assert await catalogue(database) == set()


async def test_a_schema_of_another_release_is_refused_and_left_alone(database_url: str) -> None:
    async with opened(database_url) as database:
        await to_head(database)
        async with database.writer.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        before = await catalogue(database)
        with pytest.raises(Stalled, match="9999") as caught:
            await to_head(database)
        assert caught.value.code == "schema_newer"
        assert await catalogue(database) == before


async def test_two_processes_that_migrate_at_once_both_come_to_the_head(database_url: str) -> None:
    command = [sys.executable, "-m", "tests.server.migrations.killed"]
    with LineProcess(command) as first, LineProcess(command) as second:
        # Both have loaded everything when they are asked for what counts.
        await asyncio.gather(*(asyncio.to_thread(one.ask, b"sqlite:// -1") for one in (first, second)))
        line = f"{database_url} 0".encode()
        ended = await asyncio.gather(*(asyncio.to_thread(one.ask, line) for one in (first, second)))
    assert [answer.strip() for answer in ended] == [b"0", b"0"]
    async with opened(database_url) as database, database.reader.connect() as connection:
        assert await connection.run_sync(_differences) == []


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, int], Any]:
    @contextmanager
    def make(kind: str, number: int) -> Iterator[str]:
        if kind == "sqlite":
            yield f"sqlite:///{tmp_path / f'{number}.db'}"
            return
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.database() as url:
            yield url

    return make


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_killed_at_any_statement_it_comes_to_the_head_when_it_is_started_again(
    kind: str, new_database: Callable[[str, int], Any]
) -> None:
    killed = 0
    with LineProcess([sys.executable, "-m", "tests.server.migrations.killed"]) as program:
        for number in range(1, MOST_STATEMENTS):
            with new_database(kind, number) as url:
                ended = program.ask(f"{url} {number}".encode()).strip()
                assert ended in {b"0", b"-9"}
                async with opened(url) as database:
                    left = await catalogue(database)
                    assert program.ask(f"{url} 0".encode()).strip() == b"0"
                    async with database.reader.connect() as connection:
                        assert await connection.run_sync(_differences) == []
                    if ended == b"0":
                        break
                    killed += 1
                    if len(revisions()) == 1:
                        # Nothing of a step that was not committed is to be seen.
                        assert left in (set(), await catalogue(database))
    assert killed > len(METADATA.tables)
