"""`portreeve create`: store documents that must not be there yet."""

from __future__ import annotations

from pathlib import Path

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import consent_options, files_option, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve create -f registry.yaml
  portreeve create -f team.yaml -y -o json"""


@click.command(epilog=EPILOG)
@files_option
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(files: tuple[Path, ...], output: str, yes: bool, no_input: bool) -> int:
    """Store new documents, all or none: as apply, but whatever is there already is an error."""
    from portreeve.cli import credentials, documents
    from portreeve.cli.applying import Applied, proposed
    from portreeve.cli.changes import Consent
    from portreeve.errors import Conflict, Problem

    wanted = documents.read(files)
    secrets = [one for document in wanted for one in document.credentials]
    credentials.check(secrets, stdin_taken=Path("-") in files)
    with connected() as client:
        there = documents.stored(client, {one.kind for one in wanted})
        taken = tuple(
            Problem("name_taken", "is there already", "/".join(one.key)) for one in wanted if one.key in there
        )
        if taken:
            raise Conflict("name_taken", "create is for what is new", hint="portreeve apply changes it", problems=taken)
        applied = Applied(proposed(wanted, [], replace=False, force=False), secrets)
        return applied.run(client, Consent(yes, no_input), output, current())
