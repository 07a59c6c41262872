"""Bringing a database to the schema of this release."""

from __future__ import annotations

from portreeve.server.database.engine import Database
from portreeve.server.database.tables import METADATA


async def to_head(database: Database) -> None:
    """Make or change the tables."""
    async with database.writer.begin() as connection:
        await connection.run_sync(METADATA.create_all)
