"""`portreeve plan`: what applying files would do, kept under an id that somebody else can look at and confirm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, files_option, label_option, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve plan -f config/
  ID=$(portreeve plan -f config/ -o name) && portreeve confirm "$ID"
  portreeve plan -f config/ -o json > plan.json"""


@click.command(epilog=EPILOG)
@files_option
@click.option("--prune", is_flag=True, cls=CallerOption, help="Plan the deletions of apply --prune, too.")
@label_option("KEY=VALUE of what --prune may delete; repeatable, all must hold.")
@click.option("--replace", is_flag=True, cls=CallerOption, help="Take groups out of other policies that cover them.")
@click.option("--force", is_flag=True, cls=CallerOption, help="Consent to deleting more than is usual.")
@output_option("table", "json", "yaml", "name")
@server_options
@terminal_options
def command(files: tuple[Path, ...], output: str, **options: Any) -> int:
    """Make a plan of the documents of files and show it; nothing is changed. It can be confirmed for a day."""
    from portreeve.cli import changes, documents
    from portreeve.cli.applying import check_prune, proposed, pruned

    check_prune(options["prune"], options["labels"])
    wanted = documents.read(files)
    terminal = current()
    with connected() as client:
        removals = pruned(client, wanted, options["labels"]) if options["prune"] else []
        plan = proposed(wanted, removals, replace=options["replace"], force=options["force"]).planned(client)
    if any(one.credentials for one in wanted):
        terminal.warn("warning: a plan holds no secrets; those of credentialFrom are sent by portreeve apply alone")
    if output in {"json", "yaml"}:
        from portreeve.cli.output import write

        write(dict(plan), output)
        return 0
    if output == "table":
        for line in changes.lines(plan):
            terminal.data(line)
    terminal.data(str(plan["id"]) if output == "name" else f"plan {plan['id']}, to be confirmed by {plan['expiresAt']}")
    return 0
