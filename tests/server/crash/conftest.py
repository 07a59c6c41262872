"""Databases to be killed on: one is prepared, each run gets a copy of it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy.engine import make_url

from portreeve.vault.ports import MasterKeys
from tests.server.crash.forking import Forking, forking
from tests.server.crash.scenarios import OLD, opened, prepare
from tests.tools.memory import in_memory
from tests.tools.postgres import PostgresServer


class Copies(Protocol):
    """Gives copies of the prepared database: its address, for as long as the context lasts."""

    def __call__(self) -> AbstractContextManager[str]: ...


def _prepared(url: str, data: Path) -> None:
    async def run() -> None:
        server = opened(url, data, MasterKeys(OLD), "s")
        try:
            await prepare(server)
        finally:
            await server.stop()

    asyncio.run(run())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def copies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    """Copies of a database with the scene in it, of each kind."""
    directory = tmp_path_factory.mktemp("template")
    if request.param == "sqlite":
        # A kill leaves the kernel's cache as it is, so what a real disk would add is waiting.
        with tempfile.TemporaryDirectory(dir=in_memory()) as fast:
            yield _of_file(Path(fast))
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.database() as url:
        _prepared(url, directory)
        template = make_url(url).database
        yield lambda: postgres.database(str(template))


def _of_file(directory: Path) -> Copies:
    template = directory / "template.db"
    _prepared(f"sqlite:///{template}", directory)
    assert not template.with_name("template.db-wal").exists(), "the last connection has moved it into the file"

    @contextmanager
    def copied() -> Iterator[str]:
        file = directory / "copy.db"
        for beside in ("", "-wal", "-shm"):
            file.with_name(f"copy.db{beside}").unlink(missing_ok=True)
        shutil.copyfile(template, file)
        yield f"sqlite:///{file}"

    return copied


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forking]:
    """The process that forks those which die."""
    with forking(tmp_path_factory.mktemp("child")) as started:
        yield started
