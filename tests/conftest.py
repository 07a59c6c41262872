"""Fixtures of the real parts, for every test, and how the laws are tried."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import settings

from tests.tools.memory import in_memory
from tests.tools.required import real_parts_required

pytest_plugins = ["tests.tools.fixtures"]

# The directories of tests are in memory where that is possible; some tests put programs there. Those of failed tests
# stay.
if place := in_memory(programs=True):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))

# No test may fail for being slow. Where a run is a gate it tries the same examples each time, so that what it says is
# about the change; on a developer's machine every run tries new ones. `make check` asks for fewer of them.
settings.register_profile("portreeve", deadline=None, derandomize=real_parts_required())
settings.register_profile("check", settings.get_profile("portreeve"), max_examples=30)
settings.load_profile("portreeve")

WHOLE = frozenset({"control_plane", "postgres", "postgres_database"})
"""Fixtures that run a database server, or the program against a control plane that listens: seconds for each test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What goes through whole processes is `wide`, so that `make check` answers within two minutes."""
    for item in items:
        if WHOLE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.wide)


def pytest_collection_finish() -> None:
    """Take what stays to the end out of the garbage collector's sight: a million objects of imported modules and tests.

    Each full collection looked through them all, a second a time and a fifth of the whole run. What tests make is
    collected as ever.
    """
    gc.collect()
    gc.freeze()
