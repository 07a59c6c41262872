"""Databases with the present schema, as copies of one: migrating costs more than most tests."""

from __future__ import annotations

import asyncio
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from portreeve.server.database.engine import connect
from portreeve.server.database.migrate import to_head
from tests.tools.memory import in_memory

SQLITE = "sqlite:///"


def migrated(url: str) -> None:
    """Bring the database of this address to the present schema."""

    async def bring() -> None:
        database = connect(url)
        await to_head(database)
        await database.close()

    asyncio.run(bring())


@cache
def _folder() -> TemporaryDirectory[str]:
    """Removed when the process ends."""
    return TemporaryDirectory(prefix="portreeve-template-", dir=in_memory())


@cache
def sqlite_template() -> Path:
    """A migrated database, made once for a process."""
    file = Path(_folder().name) / "template.db"
    migrated(f"{SQLITE}{file}")
    return file


def copied(url: str) -> None:
    """Put a migrated database where this address has no file yet; addresses of other databases are left alone."""
    file = Path(url.removeprefix(SQLITE))
    if url.startswith(SQLITE) and file.parent.is_dir() and not file.exists():
        shutil.copyfile(sqlite_template(), file)
