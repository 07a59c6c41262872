"""What a page shows under "Do this in code", run as it stands, as somebody who has copied it into a terminal would.

`same` holds for every change of documents: the button is pressed, the change is undone in the database itself, so that
every version is what it was when the page was read, and each form that was shown is run; all make the same documents.
"""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from portreeve.core.audit import Action, Actor, ObjectKind, Target
from portreeve.core.estate import Key
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store
from portreeve.server.documents.stored import Stored
from portreeve.server.http.caller import SYSTEM
from tests.cli.program import LOOPBACK_GUARD, PROGRAM, Program
from tests.console.browser import Console

TIMEOUT_S = 60
RUN = ("portreeve", "kubectl", "curl")
"""Forms that are commands."""

YAML = "YAML"
"""The form that is none: what `portreeve apply` reads in the command beside it, which is run."""


def codes(within: Page | Locator, page: Page, forms: Sequence[str] = RUN) -> dict[str, str]:
    """Form → its text, out of the drawer behind the button that is within this; the drawer is closed again."""
    within.get_by_role("button", name="Do this in code").click()
    drawer = page.get_by_role("dialog", name="Do this in code")
    expect(drawer.get_by_role("tab").first).to_be_visible()
    found = {}
    for form in forms:
        tab = drawer.get_by_role("tab", name=form, exact=True)
        if tab.count():
            tab.click()
            found[form] = str(drawer.get_by_label(form, exact=True).locator("code").inner_text())
    drawer.get_by_role("button", name="Close").click()
    return found


def code(within: Page | Locator, page: Page, form: str = "portreeve") -> str:
    """The text of one form."""
    return codes(within, page, (form,))[form]


def as_typed(
    console: Console,
    folder: Path,
    text: str,
    *,
    user: str = "typist",
    path: Sequence[Path] = (),
    exits: Collection[int] = (0,),
    **variables: str,
) -> str:
    """Run lines of a shell with an administrator's token, and secrets in variables; what they wrote.

    `path` has programs that are found before those of this machine; `exits` are the exit codes that are right.
    """
    done = subprocess.run(
        ["/bin/sh", "-ec", text],
        env=_environment(console, folder, user, path, variables),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode in exits, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def at_a_terminal(console: Console, folder: Path, text: str, answer: str) -> str:
    """The same at a terminal, where a question, which ends in ": ", is answered; what stands on the screen then."""
    environment = _environment(console, folder, "typist", (), {})
    keyboard, screen = pty.openpty()
    try:
        running = subprocess.Popen(
            ["/bin/sh", "-ec", text], env=environment, cwd=folder, stdin=screen, stdout=screen, stderr=screen
        )
        os.close(screen)
        seen, answered = b"", False
        with contextlib.suppress(OSError):  # how Linux says that nobody has the other end any more
            while part := os.read(keyboard, 4096):
                seen += part
                if not answered and seen.endswith(b": "):
                    os.write(keyboard, f"{answer}\n".encode())
                    answered = True
        exited = running.wait(TIMEOUT_S)
    finally:
        os.close(keyboard)
    shown = seen.decode()
    assert exited == 0, f"{text}\n{shown}"
    assert answer not in shown, "what is secret is not echoed"
    return shown


def _environment(
    console: Console, folder: Path, user: str, path: Sequence[Path], variables: Mapping[str, str]
) -> dict[str, str]:
    folder.mkdir(parents=True)
    console.known(user, "platform-admin")
    return Program(folder, guarded_by=LOOPBACK_GUARD).environment(
        PATH=":".join(map(str, (*path, PROGRAM.parent, "/usr/bin", "/bin"))),
        PORTREEVE_SERVER=console.url,
        PORTREEVE_TOKEN=console.served.token(user),
        **variables,
    )


Documents = Mapping[Key, Stored]


def documents(console: Console) -> Documents:
    """Every document, as it is stored."""

    async def read() -> Documents:
        return (await console.served.plane.server.documents.snapshot()).documents

    return console.served.run(read())


def written(found: Documents) -> dict[Key, Any]:
    """What people wrote of them, without versions. Who runs commands, and what they may, is none of it."""
    return {
        key: (dict(one.spec), dict(one.labels), dict(one.annotations))
        for key, one in found.items()
        if "typist" not in key.name
    }


def undo(console: Console, before: Documents) -> None:
    """Bring every document back to what it was, with the version that it had."""

    async def job(transaction: Transaction) -> None:
        now = transaction.snapshot.documents
        gone = [one for key, one in now.items() if key not in before and "typist" not in key.name]
        back = [one for key, one in before.items() if key not in now or now[key].etag != one.etag]
        for one in gone:
            await store.remove(transaction.connection, one, revision=transaction.next_revision(), now=transaction.now)
        back = [replace(one, revision=transaction.next_revision()) for one in back]
        for one in back:
            await store.write(transaction.connection, one, before=now.get(one.key))
        transaction.record(Entry(Actor("test", SYSTEM), Action.USER_CREATE, Target(ObjectKind.USER, "scene"), "scene"))
        transaction.snapshot = transaction.snapshot.with_documents(
            transaction.revision, back, [one.key for one in gone]
        )

    console.served.run(console.served.plane.server.writer.run(job))


def same(console: Console, dialog: Locator, verb: str, folder: Path) -> dict[Key, Any]:
    """Confirm what a dialog shows, undo it and run each form that it showed; all make the same, which is answered."""
    page = dialog.page
    expect(dialog.get_by_role("button", name=verb, exact=True)).to_be_visible()
    expect(dialog.get_by_role("list", name="Documents").get_by_role("listitem").first).to_be_visible()
    shown, before = codes(dialog, page, (*RUN, YAML)), documents(console)
    assert {"portreeve", "curl"} <= set(shown)
    assert shown.pop(YAML, "").strip() in shown["portreeve"]
    dialog.get_by_role("button", name=verb, exact=True).click()
    expect(dialog).to_have_count(0)
    made = written(documents(console))
    assert made != written(before)
    for form, text in shown.items():
        undo(console, before)
        assert written(documents(console)) == written(before)
        as_typed(console, folder / form, text)
        assert written(documents(console)) == made, form
    return made
