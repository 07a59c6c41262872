"""`portreeve confirm`: run a plan that was made before, exactly as it was shown, or not at all."""

from __future__ import annotations

from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve confirm 0f3a…
  portreeve confirm "$ID" -y -o json"""


@click.command(epilog=EPILOG)
@click.argument("plan_id", metavar="PLAN_ID")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(plan_id: str, output: str, yes: bool, no_input: bool) -> int:
    """Run exactly this plan: shows it and asks. If the world has changed since, it is refused."""
    from portreeve.cli import changes

    terminal = current()
    with connected() as client:
        plan = client.get(f"/api/v1/plans/{quote(plan_id, safe='')}")
        changes.show(plan, terminal, must_be_seen=not yes)
        changes.refuse_blocked(plan, force=True)  # what it consents to was settled when it was made
        changes.ask(f"Confirm plan {plan['id']}?", changes.Consent(yes, no_input))
        changes.confirmed(client, plan)
    changes.answer(plan, output, terminal)
    return 0
