"""What the agent carries: a fresh interpreter imports all of it, and nothing of the banned is there then.

Import contracts see our own modules; this sees what comes along. Source: tailscale, tstest/deptest.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

BANNED = {
    "portreeve.server": "the control plane's own; an agent that carries it could be made to act as it",
    "portreeve.cli": "for people",
    "portreeve.providers": "how to mint is no agent's business: it gets tokens",
    "portreeve.workspace": "reads files of people and runs programs",
    "portreeve.vault.owner_keys": "keys of owners never reach an agent",
    "portreeve.vault.key_providers": "master keys never do",
    "fastapi": "a web framework; an agent answers two paths, by itself",
    "starlette": "as above",
    "uvicorn": "as above",
    "sqlalchemy": "an agent has no database",
    "alembic": "as above",
    "aiosqlite": "as above",
    "psycopg": "as above",
    "pydantic": "8 MB and half a second, for documents that it does not read",
    "click": "for people",
    "rich": "as above",
    "structlog": "its log is a few lines",
}
"""Module → why not."""

PROGRAM = """
import pkgutil, sys
import portreeve.agent
for module in pkgutil.walk_packages(portreeve.agent.__path__, "portreeve.agent."):
    __import__(module.name)
{more}
print(*sorted(sys.modules))
"""


def loaded(more: str = "") -> set[str]:
    command = [sys.executable, "-c", PROGRAM.format(more=more)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split())


def banned(modules: set[str]) -> list[str]:
    """Those of the banned that are there, each with why it should not be."""
    return [f"{name}: {why}" for name, why in BANNED.items() if name in modules]


def test_the_agent_carries_nothing_that_it_should_not() -> None:
    assert banned(loaded()) == []


@pytest.mark.parametrize("more", ["import sqlalchemy", "import portreeve.server.settings", "import click"])
def test_the_guard_sees_what_it_guards_against(more: str) -> None:
    assert banned(loaded(more))
