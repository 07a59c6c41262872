"""How lists are looked at: columns, density, times; all by keyboard, and all that is to be sent in the address."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
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
    plane.put(
        *(document("Registry", name, provider="generic", host=f"{name}.example.com") for name in ("harbor", "quay"))
    )


def tabbed(page: Page, name: str) -> None:
    """Tab on until the control of this name has the focus."""
    for _ in range(30):
        if (
            page.evaluate(
                "((one) => one.labels?.[0]?.textContent.trim() ?? one.ariaLabel ?? one.textContent.trim())"
                "(document.activeElement)"
            )
            == name
        ):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab leads to no {name}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_list_is_looked_at_as_its_reader_likes(console: Console, *, dark: bool) -> None:
    theme = "dark" if dark else "light"
    page = console.page("/registries?q=har", dark=dark)
    all_columns = headings(page)
    page.keyboard.press("v")
    panel = page.get_by_role("group", name="View of Registries")
    expect(panel).to_be_visible()
    for column in ("Ends", "Granted"):
        tabbed(page, column)
        page.keyboard.press("Space")
        expect(panel.get_by_role("checkbox", name=column)).not_to_be_checked()
    assert asked(page) == {"q": "har", "columns": "name,address,health,running,checked"}
    assert headings(page) == [one for one in all_columns if one not in {"Granted", "Ends"}]

    close = page.locator("tr[data-row=harbor]").bounding_box()
    tabbed(page, "Compact")
    page.keyboard.press("ArrowDown")
    apart = page.locator("tr[data-row=harbor]").bounding_box()
    assert close is not None
    assert apart is not None
    assert apart["height"] > close["height"]

    expect(panel.get_by_role("textbox", name="Name of this view")).to_be_visible()
    tabbed(page, "Name of this view")
    page.keyboard.type("<b onclick=alert(1)>mine</b>")
    page.keyboard.press("Enter")
    saved = panel.get_by_role("link", name="<b onclick=alert(1)>mine</b>")
    expect(saved).to_have_attribute("aria-current", "page")
    assert serious(page) == []
    shot(page, f"view-{theme}")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("button", name="View", exact=True)).to_be_focused()

    # What is somebody's own is still there, and not in the address; what is in the address comes from it alone.
    console.go(page, "/registries")
    assert headings(page) == all_columns
    assert page.locator("html.comfortable").count() == 1
    page.go_back()
    expect(page.locator("thead th", has_text="Granted")).to_have_count(0)
    assert asked(page) == {"q": "har", "columns": "name,address,health,running,checked"}
    page.go_forward()
    expect(page.locator("thead th", has_text="Granted")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("textbox", name="What to find or do")).to_be_focused()
    page.keyboard.type("mine")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("columns="))
    assert asked(page) == {"q": "har", "columns": "name,address,health,running,checked"}
    page.go_back()
    expect(page.locator("thead th", has_text="Granted")).to_be_visible()


def test_a_link_brings_the_zone_of_its_times_and_paper_is_light(console: Console) -> None:
    page = console.page("/audit?tz=utc", dark=True, timezone_id="Asia/Kolkata")
    shown = page.locator("tbody time").first
    instant = shown.get_attribute("datetime")
    assert instant is not None
    assert shown.get_attribute("title") == instant
    expect(shown).to_have_text(f"{instant[:10]} {instant[11:19]} UTC")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("html.pf-v6-theme-dark").count() == 0
    expect(page.get_by_role("button", name="View", exact=True)).to_be_hidden()
    shot(page, "audit-printed")
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("html.pf-v6-theme-dark").count() == 1

    page.get_by_role("button", name="Local").focus()
    page.keyboard.press("Enter")
    expect(shown).to_have_text(re.compile(r"\+05:30$"))
    assert asked(page)["tz"] == "local"
    shot(page, "times-local")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(re.compile(r"/registries\?tz=local$"))
    expect(page.get_by_role("link", name="harbor")).to_have_attribute("href", "/registries/harbor?tz=local")
    page.get_by_role("button", name="Ago").click()
    expect(page).to_have_url(re.compile(r"/registries$"))


def test_a_row_is_taken_along_by_key(console: Console) -> None:
    page = console.page("/groups")
    console.put(document("EnvironmentGroup", "staging", title="Before it counts"))
    console.go(page, "/groups")
    page.keyboard.press("j")
    for key, said in (("c", "Copied staging"), ("y", "Copied staging as YAML")):
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=f"Success alert: {said}", exact=True)).to_be_visible()
        taken = page.evaluate("navigator.clipboard.readText()")
        if key == "c":
            assert taken == "staging"
        else:
            assert yaml.safe_load(taken) == {
                "apiVersion": "portreeve.io/v1", "kind": "EnvironmentGroup", "metadata": {"name": "staging"},
                "spec": {"title": "Before it counts", "type": "kubernetes"},
            }  # fmt: skip
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/groups/staging$"))
