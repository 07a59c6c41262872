"""Engines for the two databases: one that reads, and one that writes.

SQLite: WAL, so that readers never wait for the writer; `BEGIN IMMEDIATE`, so that a transaction which will write has
the lock from its first statement and cannot lose an update; `synchronous=FULL`, so that what was acknowledged is on
disk. PostgreSQL: whoever writes locks the row of `audit_head` and then reads what is committed by then, so it is read
committed; whoever reads sees one moment in all statements of a transaction, so it is repeatable read, which a
transaction that only reads cannot fail. Both are said with each connection: a database may have other defaults.

Sources: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous; SQLAlchemy, "pysqlite: Serializable isolation,
Savepoints, Transactional DDL"; PostgreSQL, "Transaction Isolation".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from portreeve.errors import Invalid
from portreeve.server.database.sqlite_driver import OneTripConnection

BUSY_MS: Final = 10_000
"""How long SQLite waits for another process's lock. Only `portreeve` verbs on the same file could hold one."""

POOL: Final = 8
"""Connections for reading; each is a thread with SQLite and a process of the server with PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Database:
    """Both engines, and which kind it is."""

    reader: AsyncEngine
    writer: AsyncEngine
    sqlite: bool

    async def close(self) -> None:
        """Give all connections back."""
        await self.reader.dispose()
        await self.writer.dispose()


def connect(url: str) -> Database:
    """Engines for `sqlite:///path` or `postgresql://user@host/name`. Nothing is contacted yet.

    Raises:
        Invalid: `database_url`; the address is not shown, as it may hold a password.
    """
    found = _parsed(url)
    if found.get_backend_name() == "sqlite":
        found = found.set(drivername="sqlite+aiosqlite")
        reader = create_async_engine(found, pool_size=POOL, max_overflow=0, hide_parameters=True)
        writer = create_async_engine(found, pool_size=1, max_overflow=0, hide_parameters=True)
        _prepare_sqlite(reader, "BEGIN")
        _prepare_sqlite(writer, "BEGIN IMMEDIATE")
        return Database(reader, writer, sqlite=True)
    found = found.set(drivername="postgresql+psycopg")
    # A connection that the server has closed is noticed before it is used, not by the request that gets it.
    # Values of a statement would stand in its error, and so in the log.
    options: dict[str, Any] = {"pool_pre_ping": True, "max_overflow": 0, "pool_timeout": 10, "hide_parameters": True}
    return Database(
        create_async_engine(found, pool_size=POOL, isolation_level="REPEATABLE READ", **options),
        create_async_engine(found, pool_size=1, isolation_level="READ COMMITTED", **options),
        sqlite=False,
    )


def embedded_file(url: str) -> Path | None:
    """The file of an embedded database; None for a server.

    Raises:
        Invalid: `database_url`, as `connect`.
    """
    found = _parsed(url)
    return Path(found.database or "") if found.get_backend_name() == "sqlite" else None


def _parsed(url: str) -> URL:
    hint = "write sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    try:
        found = make_url(url)
    except ArgumentError:
        raise Invalid("database_url", "the address of the database cannot be read (not shown)", hint=hint) from None
    kind = found.get_backend_name()
    if kind not in {"sqlite", "postgresql"}:
        raise Invalid("database_url", f"there is no database of kind {kind[:20]!r} here", hint=hint)
    if kind == "sqlite" and found.database in {None, "", ":memory:"}:
        # Each connection would have a database of its own.
        raise Invalid("database_url", "a database in memory cannot be shared by connections", hint=hint)
    return found


def _prepare_sqlite(engine: AsyncEngine, begin: str) -> None:
    @event.listens_for(engine.sync_engine, "do_connect")
    def _connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> OneTripConnection:
        adapted = dialect.dbapi.connect(*arguments, **options)
        return OneTripConnection(dialect.dbapi, adapted.driver_connection)

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        # The driver would begin transactions by itself, and too late; see the source above.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            # What was deleted does not stay readable in free pages.
            "secure_delete=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: Any) -> None:
        connection.exec_driver_sql(begin)
