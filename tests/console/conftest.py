"""A browser and a control plane for each module; pages are closed after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.console.browser import AXE, CHROMIUM, Console, RealClock, Window, chromium
from tests.server.served import Served, served
from tests.tools.components import Missing
from tests.tools.required import give_up


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    if not Path(CHROMIUM).exists():
        give_up(Missing("chromium", (), "apt-get install chromium"))
    if not AXE.exists():
        give_up(Missing("the built console", (), "make console"))
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A control plane with nothing in it, in the time that is."""
    directory = tmp_path_factory.mktemp("console")
    with served(f"sqlite:///{directory / 'portreeve.db'}", directory, clock=RealClock()) as found:
        yield found


@pytest.fixture(scope="module")
def spare(browser: Browser) -> dict[bool, list[Window]]:
    """Windows that the tests of a module have after each other; they are of this browser."""
    return {}


@pytest.fixture
def console(plane: Served, browser: Browser, spare: dict[bool, list[Window]]) -> Iterator[Console]:
    """Both. What pages did that none may fails the test."""
    found = Console(plane, browser, spare=spare)
    yield found
    found.close()
