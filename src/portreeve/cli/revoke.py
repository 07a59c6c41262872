"""`portreeve revoke`: take a grant back, or shut an agent out (`shutting_out`)."""

from __future__ import annotations

from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve revoke harbor-prod-prod-eu
  portreeve revoke harbor-prod-prod-eu -y
  portreeve revoke --agent prod-eu                     shut the agent of an environment out"""


@click.command(epilog=EPILOG)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--agent", is_flag=True, cls=CallerOption, help="The names are environments: shut their agents out.")
@click.option("--force", is_flag=True, cls=CallerOption, help="Consent to deleting more than is usual.")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(names: tuple[str, ...], agent: bool, force: bool, output: str, yes: bool, no_input: bool) -> int:
    """Take grants back: shows what loses its pull secret, asks, and deletes the RegistryAccess.

    With --agent: shuts the agent of an environment out at once, with every token that could enrol one. What it has
    delivered stays in the cluster.
    """
    from portreeve.cli.changes import Consent, Proposal, answer, made, removal

    terminal, consent = current(), Consent(yes, no_input)
    unique = tuple(dict.fromkeys(names))
    with connected() as client:
        if agent:
            from portreeve.cli import shutting_out

            return shutting_out.shut_out(client, unique, consent, terminal, output)
        there = [client.get(f"/api/v1/access/{quote(name, safe='')}") for name in unique]
        proposal = Proposal(delete=[removal(one) for one in there], force=force)
        plan = made(client, proposal, consent, terminal, question=f"Revoke {len(there)}?")
    answer(plan, output, terminal)
    return 0
