"""`portreeve requests`: registries that namespaces ask for from within their clusters."""

from __future__ import annotations

from typing import Any, Final

import click

from portreeve.cli.compared import FORMS, write_rows
from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, no_headers_option, read_option
from portreeve.cli.terminal import terminal_options

PATH: Final = "/api/v1/access-requests"

COLUMNS: Final = (
    ("ENVIRONMENT", "environment"),
    ("NAMESPACE", "namespace"),
    ("NAME", "name"),
    ("REGISTRY", "registry"),
    ("STATE", "state"),
    ("REASON", "reason"),
    ("DO", "command"),
)

EPILOG = """\b
Examples:
  portreeve requests
  portreeve requests --state requested --environment prod-eu
  portreeve requests -o 'jsonpath={range .items[*]}{.command}{"\\n"}{end}'"""


@click.command(epilog=EPILOG)
@click.option("--environment", metavar="NAME", help="Only what is of this environment.")
@click.option("-n", "--namespace", cls=NamedOption, metavar="NS", help="Only what is of this namespace.")
@click.option("--state", type=click.Choice(["requested", "granted", "refused"]), help="Only what stands so.")
@read_option(*FORMS)
@no_headers_option
@server_options
@terminal_options
def command(output: str, no_headers: bool, **options: Any) -> int:
    """List registries that namespaces ask for from within their clusters, with the command that grants them.

    They ask by RegistryAccess objects. Who has made one is not known here, and its reason is what they have written.
    """
    with connected() as client:
        rows, _ = client.listed(PATH, {name: options[name] for name in ("environment", "namespace", "state")})
    write_rows(rows, COLUMNS, output, headed=not no_headers)
    return 0
