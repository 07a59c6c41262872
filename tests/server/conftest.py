"""Every test of the control plane runs on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.server.plane import Plane, running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'portreeve.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
async def plane(database_url: str, tmp_path: Path) -> AsyncIterator[Plane]:
    """A started control plane with nothing in it."""
    async with running(database_url, tmp_path) as started:
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    """A client of somebody who may do everything that anybody may."""
    return await plane.client("root", "platform-admin")
