"""What the headers of the console's page mean to a browser, below a path of somebody else's host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from portreeve.server.console import built
from tests.console.browser import CHROMIUM, RealClock, chromium
from tests.server.plane import document
from tests.server.served import Served, served
from tests.tools.components import Missing
from tests.tools.required import give_up

pytestmark = pytest.mark.wide

BELOW = "/tools/portreeve"
SEEN = "addEventListener('securitypolicyviolation', (event) => (window.seen ??= []).push(event.effectiveDirective))"
DRAWN = "#console > *"
TIMEOUT_MS = 15_000

ATTEMPTS = {
    "a script within the page": (
        "() => { const it = document.createElement('script'); it.append('window.ran = 1'); document.body.append(it) }",
        "require-trusted-types-for",
    ),
    "text that is run": ("() => { try { new Function('window.ran = 1')() } catch {} }", "require-trusted-types-for"),
    "text that becomes markup": (
        "() => { try { document.body.innerHTML = '<img src=x onerror=\"window.ran = 1\">' } catch {} }",
        "require-trusted-types-for",
    ),
    "a policy that lets text through": (
        "() => { try { trustedTypes.createPolicy('default', {createHTML: (text) => text}) } catch {} }",
        "trusted-types",
    ),
    "styles within the page": (
        "() => { const it = document.createElement('style'); it.append('b { color: red }'); document.head.append(it) }",
        "style-src-elem",
    ),
    "an image of somebody else's": ("() => { new Image().src = 'http://127.0.0.2:9/x.png' }", "img-src"),
    "a request to somebody else": ("() => fetch('http://127.0.0.2:9/').catch(() => {})", "connect-src"),
    "another base": (
        "() => { const it = document.createElement('base'); it.href = '//127.0.0.2:9/'; document.head.prepend(it) }",
        "base-uri",
    ),
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A control plane that a proxy shows below a path, and leaves the path in."""
    if built.read(built.STATIC, "") is None:
        give_up(Missing("the built console", (), "make console"))
    if not Path(CHROMIUM).exists():
        give_up(Missing("chromium", (), "apt-get install chromium"))
    directory = tmp_path_factory.mktemp("below")
    public_url = f"http://127.0.0.1{BELOW}"
    with served(
        f"sqlite:///{directory / 'portreeve.db'}", directory, clock=RealClock(), public_url=public_url
    ) as found:
        found.put(document("User", "ada"))
        yield found


@pytest.fixture(scope="module")
def page(plane: Served) -> Iterator[Any]:
    """A browser's page, with what it asked for."""
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.add_init_script(SEEN)
        yield page


def test_signing_in_by_a_link_asks_for_nothing_outside_the_path(plane: Served, page: Any) -> None:
    issued = plane.run(plane.plane.server.writer.run(lambda one: plane.plane.server.people.issue_link(one, "ada")))
    link = urlsplit(issued.address.reveal().decode())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(f"{plane.url}{link.path}#{link.fragment}")
    page.wait_for_url(f"{plane.url}{BELOW}/fleet")
    page.goto(f"{plane.url}{BELOW}/policies?stage=deny")
    page.wait_for_selector(DRAWN, state="attached")
    assert {path for path in asked if not path.startswith(f"{BELOW}/")} == set()
    assert f"{BELOW}/api/v1/me" in asked
    assert [one["path"] for one in page.context.cookies()] == [f"{BELOW}/"]
    assert page.evaluate("window.seen ?? []") == []


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_no_page_may_do_is_refused(plane: Served, page: Any, attempt: str) -> None:
    doing, directive = ATTEMPTS[attempt]
    page.goto(f"{plane.url}{BELOW}/login")
    page.wait_for_selector(DRAWN, state="attached")
    assert page.evaluate("window.seen ?? []") == []
    # What a test evaluates may do what the page may not, and what it leaves for later may not. `wait_for_function`
    # evaluates later, so it is refused, too.
    page.evaluate(f"() => setTimeout({doing}, 0)")
    for _ in range(TIMEOUT_MS // 50):
        if directive in (seen := page.evaluate("window.seen ?? []")):
            break
        page.wait_for_timeout(50)
    assert directive in seen
    assert page.evaluate("window.ran") is None
