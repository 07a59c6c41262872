"""People's control plane: as every test's, but for what a password costs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from portreeve.server.people.passwords import Passwords
from tests.server.plane import Plane, running

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""The least that argon2 takes; that the real cost is that of the RFC is a test of its own."""


@pytest.fixture
async def plane(database_url: str, tmp_path: Path) -> AsyncIterator[Plane]:
    """A started control plane with nothing in it."""
    async with running(database_url, tmp_path) as started:
        started.server.people.passwords = Passwords(CHEAP)
        yield started
