"""Every test of the control plane runs on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.server.migrated import copied, migrated
from tests.server.plane import Plane, running
from tests.tools.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> Iterator[str]:
    """The name of a migrated database of the server, for copying."""
    with postgres.database() as url:
        migrated(url)
        yield url.rpartition("/")[2]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.wide)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of each kind with the present schema and nothing in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'portreeve.db'}"
        copied(url)
        yield url
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.database(request.getfixturevalue("postgres_template")) as url:
        yield url


@pytest.fixture
async def plane(database_url: str, tmp_path: Path) -> AsyncIterator[Plane]:
    """A started control plane with nothing in it."""
    async with running(database_url, tmp_path) as started:
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    """A client of somebody who may do everything that anybody may."""
    return await plane.client("root", "platform-admin")
