"""`portreeve revoke`: take a grant back."""

from __future__ import annotations

from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve revoke harbor-prod-prod-eu
  portreeve revoke harbor-prod-prod-eu -y"""


@click.command(epilog=EPILOG)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--force", is_flag=True, cls=CallerOption, help="Consent to deleting more than is usual.")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(names: tuple[str, ...], force: bool, output: str, yes: bool, no_input: bool) -> int:
    """Take grants back: shows what loses its pull secret, asks, and deletes the RegistryAccess."""
    from portreeve.cli.changes import Consent, Proposal, answer, made, removal

    terminal = current()
    with connected() as client:
        there = [client.get(f"/api/v1/access/{quote(name, safe='')}") for name in dict.fromkeys(names)]
        proposal = Proposal(delete=[removal(one) for one in there], force=force)
        plan = made(client, proposal, Consent(yes, no_input), terminal, question=f"Revoke {len(there)}?")
    answer(plan, output, terminal)
    return 0
