"""The console in the system's Chromium, against a real control plane.

Whatever a page may not do is watched for in every test: errors of scripts, refusals by the content security policy,
dialogs, and requests to anybody but the server. `Console.page` signs in as a person does, by a one-time link.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from portreeve.core.estate import Key
from portreeve.server.database.writer import Transaction
from portreeve.server.http.caller import SYSTEM
from portreeve.server.people import links
from tests.server.plane import document
from tests.server.served import Served

CONSOLE: Final = Path(__file__).parents[2] / "console"
AXE: Final = CONSOLE / "node_modules/axe-core/axe.min.js"
SHOTS: Final = Path(__file__).parents[2] / "build/console"
"""Where screenshots go, in each run anew: artefacts, committed nowhere."""

CHROMIUM: Final = (
    os.environ.get("PORTREEVE_CHROMIUM")
    # The same Chromium without a window, where the system has it: four fifths of the processor's time.
    or shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
    or "/usr/bin/chromium"
)
FLAGS: Final = (
    "--no-sandbox",  # in a container, root has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--process-per-site",  # see Window
)
WAIT_MS: Final = 15_000
WINDOW: Final = {"width": 1400, "height": 1000}

# Five seconds by itself, which a machine with four of these at once may need for a page.
expect.set_options(timeout=WAIT_MS)

_WATCH: Final = """
addEventListener('securitypolicyviolation', (event) => console.error(
  `CSP ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`))
"""


class RealClock:
    """Time as it is: the browser has no other."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """A browser's context, with a page that stays: while it does, so does the process in which pages of its site are
    drawn, with the console's scripts compiled. The first page in a new one is six times the work of the next.
    """

    context: BrowserContext
    anchor: Page
    dark: bool
    pooled: bool

    def cleared(self) -> bool:
        """Close its other pages, and forget whatever they kept; whether it can be used again."""
        if self.anchor.is_closed():
            return False
        for page in self.context.pages:
            if page is not self.anchor:
                page.close()
        self.context.clear_cookies()
        self.anchor.evaluate("localStorage.clear()")
        return True


@dataclass
class Console:
    """A control plane and a browser to look at it with. `noticed` is what no page may do; it must stay empty."""

    served: Served
    browser: Browser
    noticed: list[str] = field(default_factory=list)
    spare: dict[bool, list[Window]] = field(default_factory=dict)
    """Dark or not → windows that nobody uses now; who gives it keeps them for the next console."""
    windows: list[Window] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.served.url

    def put(self, *documents: Mapping[str, Any]) -> None:
        """Store documents, judged by nobody."""
        self.served.put(*documents)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """A request of the administrator; what was answered."""
        answer = self.answer(method, path, **more)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def answer(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """The same, also where it is refused."""

        async def ask() -> httpx2.Response:
            client = await self.served.plane.client("root")
            return await client.request(method, f"/api/v1/{path}", **more)

        self.known("root", "platform-admin")
        return self.served.run(ask())

    def known(self, user: str, role: str = "", **scope: Any) -> None:
        """See that there is such a user, who holds the role."""

        async def documents() -> Any:
            return (await self.served.plane.server.documents.snapshot()).documents

        held = self.served.run(documents())
        if Key("User", user) not in held:
            self.put(document("User", user, title=user.capitalize()))
        if role and Key("RoleBinding", f"{user}-{role}") not in held:
            self.put(document("RoleBinding", f"{user}-{role}", role=role, subjects={"users": [user]}, scope=scope))

    def link(self, user: str) -> str:
        """A one-time link by which a user signs in."""

        async def issued() -> str:
            async def job(transaction: Transaction) -> str:
                from portreeve.core.audit import Actor

                found = await links.issue(transaction, user, self.url, by=Actor("test", SYSTEM), request="test")
                return found.address.reveal().decode()

            return await self.served.plane.server.writer.run(job)

        return self.served.run(issued())

    def anonymous(self, *, dark: bool = False, **options: Any) -> Page:
        """A page of somebody who has not signed in."""
        spare = self.spare.setdefault(dark, []) if not options else []
        window = spare.pop() if spare else self._window(dark=dark, **options)
        self.windows.append(window)
        page = window.context.new_page()
        page.on("pageerror", lambda error: self.noticed.append(f"error: {error}"))
        page.on("console", self._console)
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self._foreign(request.url))
        return page

    def _window(self, *, dark: bool, **options: Any) -> Window:
        context = self.browser.new_context(
            viewport=WINDOW,  # type: ignore[arg-type] # a typed dictionary of the same
            color_scheme="dark" if dark else "light",
            ignore_https_errors=True,
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(_WATCH)
        anchor = context.new_page()
        anchor.goto(f"{self.url}/healthz")
        return Window(context, anchor, dark, pooled=not options)

    def page(self, path: str = "/fleet", user: str = "ada", role: str = "platform-admin", **more: Any) -> Page:
        """A page of a user, signed in, at a path of the console. `dark` for the other theme."""
        scope = more.pop("scope", {})
        self.known(user, role, **scope)
        page = self.anonymous(**more)
        page.goto(self.link(user))
        expect(page.get_by_role("navigation", name="Console")).to_be_visible()
        if path != "/fleet":
            self.go(page, path)
        return page

    def go(self, page: Page, path: str) -> None:
        """Open a path of the console, as a link from elsewhere does."""
        page.goto(f"{self.url}{path}")
        expect(page.locator("h1")).to_be_visible()
        settled(page)

    def close(self) -> None:
        """Close what was opened, and see that no page did what none may."""
        for window in self.windows:
            if window.cleared() and window.pooled:
                self.spare.setdefault(window.dark, []).append(window)
            else:
                window.context.close()
        self.windows.clear()
        found, self.noticed[:] = list(self.noticed), []
        assert not found, "\n".join(found)

    def _console(self, message: Any) -> None:
        text = message.text
        if message.type in {"error", "warning"} and (
            "CSP " in text or "Content Security Policy" in text or "Trusted" in text
        ):
            self.noticed.append(f"refused: {text}")

    def _dialog(self, dialog: Any) -> None:
        self.noticed.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _foreign(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != urlsplit(self.url).netloc:
            self.noticed.append(f"foreign: {url}")


def settled(page: Page) -> None:
    """Wait until nothing is loading any more: no spinner, and nothing under way but streams."""
    # Not `wait_for_function`: to wait, it evaluates text, which the page's policy refuses.
    expect(page.locator(".pf-v6-c-spinner")).to_have_count(0)


_STILL: Final = """async () => {
  // What has just been put into the page begins to fade in with the next frame.
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
  const ending = document.getAnimations().filter((one) => Number.isFinite(one.effect?.getComputedTiming().endTime))
  await Promise.allSettled(ending.map((one) => one.finished))
}"""


def serious(page: Page, *, within: str | None = None) -> list[str]:
    """What axe finds serious or critical (WCAG 2.2 A and AA), each with the element it found first."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    # Half faded in, a text has half its contrast: it is looked at as it stays.
    page.evaluate(_STILL)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    options = json.dumps({"runOnly": tags, "resultTypes": ["violations"]})
    found = page.evaluate(f"window.axe.run({json.dumps(within) if within else 'document'}, {options})")
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


def shot(page: Page, name: str) -> Path:
    """A screenshot of the whole page, kept as an artefact of the run."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    file = SHOTS / f"{name}.png"
    page.screenshot(path=file, full_page=True)
    return file
