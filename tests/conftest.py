"""Fixtures of the real parts, for every test."""

pytest_plugins = ["tests.tools.fixtures"]
