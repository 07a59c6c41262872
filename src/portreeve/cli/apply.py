"""`portreeve apply`: bring the control plane to what files say: plan, look, confirm, then the secrets.

Secrets are read after the plan is confirmed and not before: a plan that is declined has touched none. That each can be
found is seen to first, so that a variable that is not set is told before anything is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, consent_options, files_option, label_option, output_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.cli.documents import Wanted

EPILOG = """\b
Examples:
  portreeve apply -f config/
  portreeve apply -f config/ --dry-run=server
  portreeve apply -f config/ --prune -l owner=platform -y
  portreeve export | portreeve apply -f -              nothing to change"""


@click.command(epilog=EPILOG)
@files_option
@click.option("--prune", is_flag=True, cls=CallerOption,
              help="Delete what has the label of -l and a kind of the files, and is not in them.")  # fmt: skip
@label_option("KEY=VALUE of what --prune may delete; repeatable, all must hold.")
@click.option("--dry-run", "dry_run", type=click.Choice(["none", "client", "server"]), default="none",
              show_default=True, help="client: only read the files. server: make the plan and stop.")  # fmt: skip
@click.option("--replace", is_flag=True, cls=CallerOption, help="Take groups out of other policies that cover them.")
@click.option("--force", is_flag=True, cls=CallerOption, help="Consent to deleting more than is usual.")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(files: tuple[Path, ...], output: str, **options: Any) -> int:
    """Store the documents of files, all or none: shows the plan, asks, and runs exactly that plan.

    Then the secrets that credentialFrom names are read and sent. An exemption is only requested by this.
    """
    from portreeve.cli import credentials, documents
    from portreeve.cli.applying import Applied, check_prune, proposed, pruned
    from portreeve.cli.changes import Consent

    check_prune(options["prune"], options["labels"])
    wanted = documents.read(files)
    terminal = current()
    secrets = [one for document in wanted for one in document.credentials]
    if options["dry_run"] == "client":
        return _told(wanted, output, terminal)
    credentials.check(secrets, stdin_taken=Path("-") in files)
    with connected() as client:
        removals = pruned(client, wanted, options["labels"]) if options["prune"] else []
        proposal = proposed(wanted, removals, replace=options["replace"], force=options["force"])
        applied = Applied(proposal, secrets, dry=options["dry_run"] == "server")
        return applied.run(client, Consent(options["yes"], options["no_input"]), output, terminal)


def _told(wanted: Sequence[Wanted], output: str, terminal: Terminal) -> int:
    """What the files hold; nobody was asked what of it would change."""
    if output != "table":
        from portreeve.cli.output import write

        write({"state": "read", "documents": [{"kind": one.kind.name, "name": one.name} for one in wanted]}, output)
        return 0
    for one in wanted:
        terminal.data(f"{one.kind.name}/{one.name} (read)")
    return 0
