"""`portreeve edit`: a document in the user's editor, then its plan. What was typed is never lost."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.kinds import KIND, Kind
from portreeve.cli.options import CallerOption, consent_options, output_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent, Plan
    from portreeve.client import Client
    from portreeve.errors import PortreeveError

HEAD: Final = "# Lines that begin with # are passed over. Save it without a change to leave everything as it is.\n"

EPILOG = """\b
Examples:
  portreeve edit policy prod-sources
  EDITOR="code --wait" portreeve edit registry harbor-prod"""


@dataclass(frozen=True, slots=True)
class Consents:
    """What the caller consents to beside the change itself."""

    replace: bool = False
    force: bool = False


@click.command(epilog=EPILOG)
@click.argument("kind", type=KIND)
@click.argument("name")
@click.option("--replace", is_flag=True, cls=CallerOption, help="Take groups out of other policies that cover them.")
@click.option("--force", is_flag=True, cls=CallerOption, help="Consent to deleting more than is usual.")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(kind: Kind, name: str, output: str, **options: Any) -> int:
    """Edit a document in $VISUAL or $EDITOR: shows the plan of what was saved, asks, and runs exactly that plan.

    What is wrong stands above the text when the editor opens again; without a terminal the text is kept in a file.
    """
    from portreeve.cli import changes

    terminal = current()
    with connected() as client:
        stored = client.get(kind.path_of(name))
        consent = changes.Consent(options["yes"], options["no_input"])
        plan = _edited(client, stored, Consents(options["replace"], options["force"]), consent, terminal)
    if plan is None:
        terminal.note("nothing was edited")
        plan = {"id": None, "documents": []}
    changes.answer(plan, output, terminal)
    return 0


def _edited(
    client: Client, stored: Mapping[str, Any], consents: Consents, consent: Consent, terminal: Terminal
) -> Plan | None:
    """The plan that ran; None if the text came back as it went."""
    from portreeve.cli.documents import canonical, text
    from portreeve.errors import PortreeveError

    original = text(canonical(stored))
    folder = Path(tempfile.mkdtemp(prefix="portreeve-edit-"))
    file = folder / f"{stored['kind']}-{stored['metadata']['name']}.yaml"
    file.write_text(HEAD + original, encoding="utf-8")
    done = False
    try:
        while True:
            _open_editor(file)
            typed = _without_comments(file.read_text(encoding="utf-8"))
            if typed.strip() in {"", original.strip()}:
                done = True
                return None
            try:
                plan = _changed(client, file, stored, consents, consent, terminal)
            except PortreeveError as error:
                _again_or_raise(error, file, typed, consent, terminal)
            else:
                done = True
                return plan
    finally:
        if done:
            file.unlink(missing_ok=True)
            folder.rmdir()
        else:
            sys.stderr.write(f"what you typed is in {file}\n")


def _again_or_raise(error: PortreeveError, file: Path, typed: str, consent: Consent, terminal: Terminal) -> None:
    """Put what is wrong above the text and go on, if there is somebody to read it and it can be mended there."""
    from portreeve.errors import Conflict, Invalid, Outdated

    mendable = (
        isinstance(error, Invalid | Conflict) and not isinstance(error, Outdated) and error.code != "answer_needed"
    )
    if not mendable or consent.no_input or not sys.stdin.isatty():
        raise error
    said = "".join(f"# {line}\n" for line in error.diagnostics().splitlines())
    file.write_text(f"{HEAD}#\n{said}#\n{typed}", encoding="utf-8")
    terminal.warn(f"{error.code}: {error.message}; opening the editor again")


def _changed(
    client: Client,
    file: Path,
    stored: Mapping[str, Any],
    consents: Consents,
    consent: Consent,
    terminal: Terminal,
) -> Plan:
    """Plan what was saved at the version that was read, ask, and run it."""
    from portreeve.cli import changes, documents
    from portreeve.errors import Invalid

    found = documents.read([file])
    key = (stored["kind"], stored["metadata"]["name"])
    if [one.key for one in found] != [key]:
        hint = "kind and metadata.name stay; portreeve apply stores others"
        raise Invalid("edited_other", f"the file holds something else than {'/'.join(key)}", hint=hint)
    document = {**found[0].document, "status": {"etag": stored["status"]["etag"]}}
    proposal = changes.Proposal([document], replace=consents.replace, force=consents.force)
    return changes.made(client, proposal, consent, terminal, question=f"Change {'/'.join(key)}?")


def _open_editor(file: Path) -> None:
    """Run the editor on the file.

    Raises:
        Stalled: `editor`: it is not there, or failed.
    """
    from portreeve.errors import Stalled

    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    hint = "set EDITOR to the editor that you use"
    try:
        words = shlex.split(chosen)
        done = subprocess.run([*words, str(file)], check=False)  # noqa: S603 -- the user's editor, without a shell
    except (OSError, ValueError) as error:
        raise Stalled("editor", f"{chosen} could not be started: {error}", hint=hint) from None
    if done.returncode != 0:
        raise Stalled("editor", f"{chosen} ended with {done.returncode}", hint=hint)


def _without_comments(text: str) -> str:
    """The text without the lines that we wrote above it, and others like them."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
