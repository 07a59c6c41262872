"""A control plane with agents, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.server.agents.agent import ENVIRONMENTS, agents_plane
from tests.server.plane import Plane


@pytest.fixture
async def plane(database_url: str, tmp_path: Path) -> AsyncIterator[Plane]:
    """A started control plane with two environments."""
    async with agents_plane(database_url, tmp_path) as started:
        await started.put(*ENVIRONMENTS)
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    """A client of somebody who may do everything that anybody may."""
    return await plane.client("root", "platform-admin")
