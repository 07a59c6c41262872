"""What a page shows under "Do this in code", run as it stands, as somebody who has copied it into a terminal would."""

from __future__ import annotations

import subprocess
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.cli.program import LOOPBACK_GUARD, PROGRAM, Program
from tests.console.browser import Console

TIMEOUT_S = 60


def code(within: Page | Locator, page: Page, form: str = "portreeve") -> str:
    """The text of one form, out of the drawer behind the button that is within this; the drawer is closed again."""
    within.get_by_role("button", name="Do this in code").click()
    drawer = page.get_by_role("dialog", name="Do this in code")
    drawer.get_by_role("tab", name=form, exact=True).click()
    text = str(drawer.get_by_label(form, exact=True).locator("code").inner_text())
    drawer.get_by_role("button", name="Close").click()
    return text


def as_typed(console: Console, folder: Path, text: str, **variables: str) -> str:
    """Run lines of a shell with an administrator's token, and secrets in variables; what they wrote."""
    folder.mkdir()
    console.known("typist", "platform-admin")
    environment = Program(folder, guarded_by=LOOPBACK_GUARD).environment(
        PATH=f"{PROGRAM.parent}:/usr/bin:/bin",
        PORTREEVE_SERVER=console.url,
        PORTREEVE_TOKEN=console.served.token("typist"),
        **variables,
    )
    done = subprocess.run(
        ["/bin/sh", "-ec", text],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
