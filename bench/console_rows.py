"""How soon a person sees the first rows of a page: 200 environments, 10,000 accesses, 100,000 running images, Chromium.

The control plane is that of `bench.console_api`, in a process of its own. Each page is opened as a link from elsewhere
opens it, with everything that it loads, and the time is the page's own: from the beginning of the navigation until its
first row or card is in the document. The browser keeps its cache between visits, as people's browsers do; the very
first visit, which loads the whole console, is told apart.

Run: make bench, or python -m bench.console_rows [PAGE...]
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from typing import Final

from playwright.sync_api import Page

from bench.console_api import LIMIT_S, p95, serve
from bench.figures import Figures
from tests.console.browser import chromium

PAGES: Final = (
    "fleet", "registries", "access", "policies", "environments", "groups", "attachments", "images", "credentials",
    "audit",
)  # fmt: skip
VISITS: Final = 20

_WATCH: Final = """
const look = new MutationObserver(() => {
  if (document.querySelector('main tbody tr, main .pf-v6-c-card')) {
    window.rowsAt = performance.now()
    look.disconnect()
  }
})
look.observe(document, { childList: true, subtree: true })
"""


def visit(page: Page, address: str) -> float:
    """Seconds until the first row of a page."""
    page.goto(address)
    page.locator("main tbody tr, main .pf-v6-c-card").filter(visible=True).first.wait_for()
    return float(page.evaluate("window.rowsAt")) / 1000


def main() -> None:
    """Measure each page."""
    figures = Figures()
    chosen = [one for one in PAGES if not sys.argv[1:] or one in sys.argv[1:]]
    here, there = multiprocessing.get_context("spawn").Pipe()
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        child = multiprocessing.get_context("spawn").Process(target=serve, args=(there, directory), daemon=True)
        child.start()
        port, token, _ = here.recv()
        context = browser.new_context(
            viewport={"width": 1400, "height": 1000}, extra_http_headers={"Authorization": f"Bearer {token}"}
        )
        context.set_default_timeout(60_000)
        context.add_init_script(_WATCH)
        page = context.new_page()
        base = f"http://127.0.0.1:{port}"
        figures.show("the very first visit", visit(page, f"{base}/{chosen[0]}"), "s")
        for name in chosen:
            visit(page, f"{base}/{name}")  # what follows from the estate's last change is worked out once, for all
            found = sorted(visit(page, f"{base}/{name}") for _ in range(VISITS))
            figures.show(f"{name}: p95 of {VISITS}", p95(found), "s", LIMIT_S)
        context.close()
        here.send("end")
        child.join(30)
    figures.finish()


if __name__ == "__main__":
    main()
