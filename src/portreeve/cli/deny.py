"""`portreeve deny`: refuse what a namespace asks for."""

from __future__ import annotations

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.deciding import WHAT, request_path
from portreeve.cli.options import output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve deny request prod-eu/shop/harbor --comment "use the mirror: registry mirror-eu"
"""


@click.command(epilog=EPILOG)
@click.argument("what", type=click.Choice(WHAT))
@click.argument("place", metavar="ENVIRONMENT/NAMESPACE/NAME")
@click.option("--comment", metavar="TEXT", help="Why; it stands in the status of the object in the cluster.")
@output_option("table", "json", "yaml")
@server_options
@terminal_options
def command(what: str, place: str, comment: str | None, output: str) -> int:
    """Refuse what a namespace asks for, and say why.

    Whoever asks for something else, or anew, is not refused any more."""
    assert what in WHAT
    path = request_path(place, "deny")
    with connected() as client:
        found = client.change("POST", path, {"comment": comment} if comment else {}).body
    if output != "table":
        from portreeve.cli.output import write

        write(found, output)
    else:
        current().data(f"{found['environment']}/{found['namespace']}/{found['name']} {found['state']}")
    return 0
