"""`portreeve approve`: grant what a namespace asks for."""

from __future__ import annotations

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.deciding import WHAT, request_path
from portreeve.cli.options import consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve approve request prod-eu/shop/harbor
  portreeve approve request prod-eu/shop/harbor -y"""


@click.command(epilog=EPILOG)
@click.argument("what", type=click.Choice(WHAT))
@click.argument("place", metavar="ENVIRONMENT/NAMESPACE/NAME")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(what: str, place: str, output: str, yes: bool, no_input: bool) -> int:
    """Grant what a namespace asks for: shows the plan, asks.

    The plan is that of the RegistryAccess which grants it. It needs what portreeve grant needs: the right
    to grant the registry in that namespace.
    """
    from portreeve.cli.changes import Consent, answer, ask, confirmed, refuse_blocked, show

    assert what in WHAT
    terminal, consent = current(), Consent(yes, no_input)
    path = request_path(place, "approve")
    with connected() as client:
        plan = client.change("POST", path).body
        show(plan, terminal, must_be_seen=not yes)
        refuse_blocked(plan, force=False)
        ask(f"Grant what {place} asks for?", consent)
        confirmed(client, plan)
    answer(plan, output, terminal)
    return 0
