"""`portreeve rollback`: move a policy back at once; nothing holds that."""

from __future__ import annotations

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve rollback prod-sources
  portreeve rollback prod-sources --to warn
  portreeve rollback prod-sources --to off"""


@click.command(epilog=EPILOG)
@click.argument("policy")
@click.option("--to", "stage", cls=NamedOption, type=click.Choice(["warn", "audit", "off"]), default="audit",
              show_default=True, help="Where to.")  # fmt: skip
@output_option("table", "json", "yaml")
@server_options
@terminal_options
def command(policy: str, stage: str, output: str) -> int:
    """Move a policy back at once, from deny to audit: nothing holds that.

    What was refused passes within seconds, wherever an agent is connected. It asks nothing, as it only lets more pass;
    the audit log has it.
    """
    from portreeve.cli import staging

    with connected() as client:
        return staging.rolled_back(client, policy, stage, output, current())
