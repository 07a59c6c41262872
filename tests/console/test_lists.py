"""How lists are looked at: columns, density, times, saved views; all by keyboard, and all that is to be sent in the
address."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser import Console, serious, shot
from tests.server.plane import document
from tests.server.served import Served

pytestmark = pytest.mark.wide


def asked(page: Page) -> dict[str, str]:
    """What the address asks for."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(page.url).query).items()}


def headings(page: Page) -> list[str]:
    """The headings of the table's columns that can be seen."""
    return [one.strip() for one in page.locator("thead th:visible").all_inner_texts()]


@pytest.fixture(scope="module", autouse=True)
def registries(plane: Served) -> None:
    """Two registries."""
    names = ("harbor", "quay")
    plane.put(*(document("Registry", name, provider="generic", host=f"{name}.example.com") for name in names))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_list_is_looked_at_as_its_reader_likes(console: Console, *, dark: bool) -> None:
    page = console.page("/registries", dark=dark)
    page.keyboard.press("v")
    shot(page, f"view-{'dark' if dark else 'light'}")
    panel = page.get_by_role("group", name="View of Registries")
    expect(panel).to_be_visible()
    assert serious(page) == []
    panel.get_by_role("checkbox", name="Granted").focus()
    page.keyboard.press("Space")
    panel.get_by_role("radio", name="Comfortable").focus()
    page.keyboard.press("Space")
    shot(page, f"view-comfortable-{'dark' if dark else 'light'}")
    print(headings(page), page.url)
