"""Fixtures of the real parts, for every test, and how the laws are tried."""

from __future__ import annotations

from hypothesis import settings

from tests.tools.required import real_parts_required

pytest_plugins = ["tests.tools.fixtures"]

# No test may fail for being slow. Where a run is a gate it tries the same examples each time, so that what it says is
# about the change; on a developer's machine every run tries new ones.
settings.register_profile("portreeve", deadline=None, derandomize=real_parts_required())
settings.load_profile("portreeve")
