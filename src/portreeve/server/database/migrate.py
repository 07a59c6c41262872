"""Bringing a database to the schema of this release, whoever else tries that at the same time.

Theory of operation. Steps are taken one by one. Each has a transaction of its own, which begins by taking a lock (on
SQLite `BEGIN IMMEDIATE`, on PostgreSQL an advisory lock that ends with the transaction), and only then reads where the
database stands. So of two replicas one takes a step and the other finds it taken; and a process that is killed leaves
the database at a whole step, as both engines roll back changes of tables like any other.

Left out: going back. A release that is older than its database does not start (`schema_newer`).

Sources: Alembic, cookbook; PostgreSQL 18, 13.3.5 "Advisory Locks"; sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.errors import Stalled
from portreeve.server.database.engine import Database

_LOCK: Final = 0x706F727472656576
"""The number of our advisory lock: "portreev" in ASCII. It is counted per database, so others' locks are elsewhere."""

_SCRIPTS: Final = Path(__file__).with_name("migrations")


async def to_head(database: Database) -> None:
    """Make or change the tables.

    Raises:
        Stalled: `schema_newer`: another release wrote the database.
    """
    await to_revision(database, script_directory().get_current_head())


async def to_revision(database: Database, target: str | None) -> None:
    """Take the steps that lead to a revision. Behind it is where tests begin; programs go to the head."""
    taken = True
    while taken:
        async with database.writer.begin() as connection:
            await lock(database, connection)
            taken = await connection.run_sync(_take_step, target)


async def lock(database: Database, connection: AsyncConnection) -> None:
    """Keep other processes that start from here until the transaction ends. On SQLite its beginning has done that."""
    if not database.sqlite:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


async def is_at_head(database: Database) -> bool:
    """Whether the database has the schema of this release."""
    async with database.reader.connect() as connection:
        return await connection.run_sync(_revision) == script_directory().get_current_head()


def script_directory() -> ScriptDirectory:
    """The steps of this release."""
    return ScriptDirectory.from_config(_config())


def revisions() -> list[str]:
    """All revisions of this release, the first one first."""
    return [script.revision for script in script_directory().walk_revisions()][::-1]


def _take_step(connection: Connection, target: str | None) -> bool:
    """Take the next step towards the target; whether there was one."""
    current = _revision(connection)
    known = revisions()
    if current is not None and current not in known:
        raise Stalled(
            "schema_newer",
            f"the database has the schema {current[:40]}, which this release does not know",
            hint="use the release that wrote it, or restore a backup of this release's time",
        )
    done = 0 if current is None else known.index(current) + 1
    if target is None or done > known.index(target):
        return False
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, known[done])
    return True


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    # A percent sign in the path would be read as the beginning of a variable.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
