"""Fixtures of the real parts, for every test, and how the laws are tried."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.tools.required import real_parts_required

pytest_plugins = ["tests.tools.fixtures"]

# No test may fail for being slow. Where a run is a gate it tries the same examples each time, so that what it says is
# about the change; on a developer's machine every run tries new ones.
settings.register_profile("portreeve", deadline=None, derandomize=real_parts_required())
settings.load_profile("portreeve")

WHOLE = frozenset({"control_plane", "postgres", "postgres_database"})
"""Fixtures that run a database server, or the program against a control plane that listens: seconds for each test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What goes through whole processes is `wide`, so that `make check` answers within two minutes."""
    for item in items:
        if WHOLE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.wide)
