"""`portreeve limits`: how much may still be pulled from a registry that counts, for each address or account."""

from __future__ import annotations

from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

COLUMNS = ("SOURCE", "REMAINING", "LIMIT", "WINDOW", "PER-HOUR", "EMPTY-AT", "LEVEL", "READ")

EPILOG = """\b
Examples:
  portreeve limits docker-hub
  portreeve limits docker-hub --fresh -o json"""


@click.command(epilog=EPILOG)
@click.argument("registry")
@click.option("--fresh", is_flag=True, help="Read it now as well; on Docker Hub that counts as no pull.")
@output_option("table", "json", "yaml")
@no_headers_option
@server_options
@terminal_options
def command(registry: str, fresh: bool, output: str, no_headers: bool) -> int:
    """Show how much may still be pulled, and when nothing will be left if it goes on like this.

    Everybody behind one address shares its limit, and an account has one wherever it pulls from.
    """
    from portreeve.cli.listing import NOTHING
    from portreeve.cli.output import write

    terminal = current()
    with connected() as client:
        found = client.get(f"/api/v1/registries/{quote(registry, safe='')}/rate-limit", {"fresh": fresh})
    if output != "table":
        write(found, output)
        return 0
    if found["unlimited"]:
        terminal.note("the registry counts nothing for this credential")
    rows = [
        [
            one["source"] or NOTHING,
            str(one["remaining"]),
            str(one["limit"]),
            f"{one['windowSeconds'] // 3600} h",
            NOTHING if one["pullsPerHour"] is None else f"{one['pullsPerHour']:g}",
            one["emptyAt"] or NOTHING,
            one["level"],
            one["readAt"],
        ]
        for one in found["items"]
    ]
    if rows:
        terminal.table(COLUMNS, rows, headed=not no_headers)
    elif not found["unlimited"]:
        terminal.note("nothing was read yet: --fresh reads it now")
    for advice in dict.fromkeys(one["advice"] for one in found["items"] if one["advice"]):
        terminal.note(f"do: {advice}")
    return 0
