"""`portreeve pullsecrets`: the pull secrets in an environment, as its agent has reported them; never what they hold."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

TITLES: Final = ("NAMESPACE", "PHASE", "REGISTRY", "VERSION", "STATE", "EXPIRES", "CONFLICT")

EPILOG = """\b
Examples:
  portreeve pullsecrets prod-eu
  portreeve pullsecrets prod-eu -o csv"""


@click.command(epilog=EPILOG)
@click.argument("environment")
@output_option("table", "json", "yaml", "csv", "name")
@no_headers_option
@server_options
@terminal_options
def command(environment: str, output: str, no_headers: bool) -> int:
    """List the pull secrets in an environment: which versions are where, until when, and what is in the way."""
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write, write_rows

    with connected() as client:
        rows, _ = client.listed(f"/api/v1/environments/{quote(environment, safe='')}/pullsecrets")
    terminal = current()
    cells = [list(map(text, line)) for row in rows for line in _lines(row)]
    if output in {"json", "yaml"}:
        write({"items": rows}, output)
    elif output == "name":
        for row in rows:
            terminal.data(str(row["namespace"]))
    elif output == "csv":
        write_rows((dict(zip(TITLES, line, strict=True)) for line in cells), TITLES, headed=not no_headers)
    elif not rows:
        terminal.note("no pull secrets are reported")
    else:
        terminal.table(list(TITLES), [[cell or NOTHING for cell in line] for line in cells], headed=not no_headers)
    return 0


def _lines(row: dict[str, Any]) -> list[list[Any]]:
    """A line for each entry; a namespace without any has a line, too."""
    parts = ("registry", "version", "state", "expiresAt")
    return [
        [row["namespace"], row["phase"], *(entry.get(part) for part in parts), row["conflict"]]
        for entry in row["entries"] or [{}]
    ]
