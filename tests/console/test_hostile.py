"""More than 516 hostile texts, stored in every free field and typed into every field: no dialog, no refusal by the
content security policy, no script error, and the text stands there as it is. Source: threats API-10.

Whatever a page does that none may fails in `Console.close`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from portreeve.errors import PortreeveError
from portreeve.wire.documents import read_document
from tests.cases.hostile_strings import STRINGS
from tests.console.browser import Console, settled
from tests.server.plane import document

pytestmark = pytest.mark.slow

FORMS: Final = (
    "registries", "registries/add", "access", "access?view=needed", "access?view=requests", "policies", "policies/new",
    "policies/new?type=kubernetes&template=custom&step=form", "policies/new?type=docker&template=custom&step=form",
    "environments", "environments?add=1", "groups", "groups?add=1",
    "attachments", "images", "deploy", "credentials", "exemptions", "exemptions/new", "audit", "settings", "why",
    "settings?tab=platform", "settings?do=token",
)  # fmt: skip
"""Pages with fields."""

_TYPE_ALL: Final = """async (texts) => {
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set
  const setArea = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set
  const wanted = 'input:not([type=checkbox]):not([type=radio]):not([type=file]):not([type=number]):not([disabled]), textarea:not([disabled])'
  let fields = 0
  for (const field of document.querySelectorAll(wanted)) {
    fields += 1
    let typed = 0
    for (const text of texts) {
      // React takes more than fifty changes within one task for a loop without an end.
      if ((typed += 1) % 20 === 0) await new Promise((done) => setTimeout(done))
      ;(field instanceof HTMLTextAreaElement ? setArea : set).call(field, text)
      field.dispatchEvent(new Event('input', { bubbles: true }))
    }
  }
  return fields
}"""  # noqa: E501 -- a selector is one line


def stored(number: int, text: str) -> Iterator[dict[str, Any]]:
    """Documents that hold the text wherever they hold words of one's own; those that may not be are left out."""
    name = f"hostile-{number:03}"
    tags = {"metadata": {"name": name, "annotations": {"note": text}}}
    source = {"prefix": f"r.example.com/{name}", "scope": "Global", "note": text}
    restrict = {"stage": "audit", "allowedSources": [source]}
    scope = {"groups": [], "namespaces": ["shop"], "image": f"r.example.com/{name}"}
    drafts = (
        document("Registry", name, provider="generic", host="r.example.com", path=name, title=text),
        document("Team", name, title=text, members=[]),
        document("User", name, title=text),
        document("EnvironmentGroup", name) | tags,
        document("RegistryPolicy", name, groups=[], restrict=restrict, title=text),
        document(
            "Exemption", name, policy="hostile-000", scope=scope, reason=text,
            ticket=text, owner=text, expiresAt="2027-01-01T00:00:00Z",
        ),
    )  # fmt: skip
    for one in drafts:
        spec = one["spec"]
        for field in ("title", "ticket", "owner", "reason"):
            if field in spec and not _may_be(one):
                spec[field] = "plain"
        if _may_be(one):
            yield one


def _may_be(draft: dict[str, Any]) -> bool:
    try:
        read_document(draft)
    except PortreeveError:
        return False
    return True


@pytest.fixture
def full(console: Console) -> Console:
    if console.ask("GET", "registries?limit=1")["metadata"]["total"] == 0:
        console.put(*(one for number, text in enumerate(STRINGS) for one in stored(number, text)))
    return console


def walked(console: Console, page: Page, path: str) -> int:
    """Every page of a list, as its button goes on; how many rows there were."""
    console.go(page, path)
    rows = 0
    for _ in range(20):
        settled(page)
        rows += page.locator("tr[data-row]").count()
        following = page.get_by_role("button", name="Next page")
        if not following.count():
            return rows
        # The page before stays to be seen until the next one is there, with its button.
        first = page.locator("tr[data-row]").first
        shown = first.get_attribute("data-row") or ""
        following.click()
        expect(first).not_to_have_attribute("data-row", shown)
    raise AssertionError(f"{path} has no end")


def test_stored_texts_are_shown_and_never_run(full: Console) -> None:
    page = full.page()
    assert walked(full, page, "/registries") >= 500
    for path in ("/policies", "/groups", "/exemptions"):
        assert walked(full, page, path) > 100, path
    full.go(page, "/settings")
    shown = [number for number, text in enumerate(STRINGS) if "<" in text or "javascript:" in text.lower()]
    for number in shown[::12]:
        for path in ("registries", "policies", "exemptions", "groups"):
            page.goto(f"{full.url}/{path}/hostile-{number:03}")
            page.wait_for_load_state()
            settled(page)
    assert page.evaluate("document.scripts.length") == 1


def test_typed_texts_are_only_texts(full: Console) -> None:
    page = full.page()
    fields = 0
    for form in FORMS:
        page.goto(f"{full.url}/{form}")
        # Pages are loaded when they are gone to: before that there is no field that anything could be typed into.
        page.wait_for_load_state("networkidle")
        settled(page)
        fields += page.evaluate(_TYPE_ALL, STRINGS)
        page.wait_for_timeout(300)
    assert fields > 20
