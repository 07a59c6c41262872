"""`portreeve promote`: move a policy a stage forward, once nothing would be denied for long enough."""

from __future__ import annotations

from typing import Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, NamedOption, consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve promote prod-sources
  portreeve promote prod-sources --to deny --quiet-for 14d
  portreeve promote prod-sources --to deny --force --reason "incident 4711: the mirror was compromised\""""


@click.command(epilog=EPILOG)
@click.argument("policy")
@click.option("--to", "stage", cls=NamedOption, type=click.Choice(["audit", "warn", "deny"]),
              help="Where to; without it the next stage.")  # fmt: skip
@click.option(
    "--quiet-for",
    metavar="DURATION",
    default="7d",
    show_default=True,
    help="How long nothing may have been denied, while every environment was watched: 7d, 12h, 0 for none.",
)
@click.option("--force", is_flag=True, cls=CallerOption, help="Go there though something holds it; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why it is forced; it stands in the policy's status.")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(policy: str, output: str, yes: bool, no_input: bool, **options: Any) -> int:
    """Move a policy a stage forward: shows what holds it and what it would deny, asks.

    Nothing holds it when each environment of its groups was watched without a gap for the time of --quiet-for, with
    no workload that the policy would deny, and its agent proves the present stage.
    """
    from portreeve.cli import durations, staging
    from portreeve.cli.changes import Consent
    from portreeve.errors import Invalid

    if options["force"] != bool(options["reason"]):
        raise Invalid("usage", "--force and --reason go together", hint='--force --reason "why"')
    wanted = {"quietSeconds": durations.seconds(options["quiet_for"])}
    if options["force"]:
        wanted |= {"force": True, "reason": options["reason"]}
    with connected() as client:
        return staging.promoted(client, policy, options["stage"], wanted, Consent(yes, no_input), output, current())
