"""The shell: signing in, navigation, palette, keys, themes; and that every page is there, in both themes, without
serious faults of accessibility."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.console.browser import Console, serious, settled, shot

pytestmark = pytest.mark.wide

PAGES = (
    "fleet", "registries", "access", "policies", "environments", "groups", "attachments", "images", "deploy",
    "credentials", "exemptions", "audit", "settings", "why",
)  # fmt: skip
"""Every page that the navigation or a link goes to without naming an object."""


def test_a_link_signs_in_once_and_is_in_no_history(console: Console) -> None:
    console.known("ada", "platform-admin")
    link = console.link("ada")
    page = console.anonymous()
    page.goto(link)
    expect(page).to_have_url(re.compile(r"/fleet$"))
    page.go_back()
    assert "#t=" not in page.url
    other = console.anonymous()
    other.goto(link)
    expect(other.get_by_text("The link does not count any more")).to_be_visible()
    expect(other.get_by_text("portreeve up --link")).to_be_visible()


def test_a_password_signs_in_and_the_page_that_was_asked_for_follows(console: Console) -> None:
    console.known("bea", "auditor")
    page = console.page(user="bea", role="auditor")
    page.evaluate(
        """async () => (await fetch('api/v1/me/password', {method: 'PUT', headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({password: 'correct horse battery staple'})})).status"""
    )
    other = console.anonymous()
    other.goto(f"{console.url}/policies?stage=deny")
    other.locator("#user").fill("bea")
    other.locator("#password").fill("wrong")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_text("Not signed in")).to_be_visible()
    other.locator("#password").fill("correct horse battery staple")
    other.get_by_role("button", name="Sign in").click()
    expect(other).to_have_url(re.compile(r"/policies\?stage=deny$"))
    other.get_by_role("button", name="Bea").click()
    other.get_by_role("menuitem", name="Sign out").click()
    expect(other).to_have_url(re.compile(r"/login$"))


def test_the_palette_goes_anywhere_by_keyboard(console: Console) -> None:
    page = console.page()
    # Nobody waits for the dialog: no letter is lost, whenever it is there.
    page.keyboard.press("Control+k")
    page.keyboard.type("creden")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/credentials$"))
    expect(page.get_by_role("dialog", name="Search and commands")).to_have_count(0)


def test_keys_go_places_and_not_while_somebody_types(console: Console) -> None:
    page = console.page()
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile(r"/policies$"))
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    own = dialog.get_by_role("textbox", name="Keys for: Go to Fleet")
    own.fill("")
    own.press_sequentially("g z")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("z")
    expect(page).to_have_url(re.compile(r"/fleet$"))
    page.keyboard.press("Control+k")
    page.keyboard.type("gr")
    expect(page).to_have_url(re.compile(r"/fleet$"))


def test_the_first_key_of_a_page_skips_to_its_content(console: Console) -> None:
    page = console.page()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_there_and_usable(console: Console, *, dark: bool) -> None:
    page = console.page(dark=dark)
    for one in PAGES:
        console.go(page, f"/{one}")
        settled(page)
        shot(page, f"{one}-empty-{'dark' if dark else 'light'}")
        assert serious(page) == [], one
