"""What a database says of its own tables: to compare two of them, with everything that Alembic does not look at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from portreeve.server.database.engine import Database, connect

_SQLITE = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"
_COLUMNS = """SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default, is_identity
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'"""
_INDEXES = (
    "SELECT indexname, indexdef, '' FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
)
_CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'"""


async def catalogue(database: Database) -> set[tuple[str, ...]]:
    """Tables, columns with collation and default, indexes, constraints. Empty: there is no table."""
    queries = [_SQLITE] if database.sqlite else [_COLUMNS, _INDEXES, _CONSTRAINTS]
    async with database.reader.connect() as connection:
        rows = [row for query in queries for row in await connection.execute(text(query))]
    # The order of constraints in a table's text differs between what is created and what is written out.
    return {tuple(_sorted(str(value)) for value in row) for row in rows}


def _sorted(definition: str) -> str:
    lines = [line.strip().rstrip(",") for line in definition.splitlines()]
    return "\n".join(sorted(line for line in lines if line))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The database, closed afterwards."""
    database = connect(url)
    try:
        yield database
    finally:
        await database.close()
