"""`portreeve delete`: delete documents, through their plan."""

from __future__ import annotations

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.kinds import KIND, Kind
from portreeve.cli.options import CallerOption, consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve delete access shop-harbor
  portreeve delete environment prod-eu
  portreeve delete team shop-leads shop-operators -y -o json"""


@click.command(epilog=EPILOG)
@click.argument("kind", type=KIND)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--force",
    is_flag=True,
    cls=CallerOption,
    help="Consent to deleting more than is usual; also at once, where an agent would remove things first.",
)
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(kind: Kind, names: tuple[str, ...], force: bool, output: str, yes: bool, no_input: bool) -> int:
    """Delete documents, all or none: shows the plan, asks, and runs exactly that plan.

    An environment with an agent leaves first: its agent removes what it delivered, then it is gone. With --force it is
    gone at once, and what is in the cluster may be left behind.
    """
    from portreeve.cli.changes import Consent, Proposal, answer, made, removal

    terminal = current()
    with connected() as client:
        there = [client.get(kind.path_of(name)) for name in dict.fromkeys(names)]
        proposal = Proposal(delete=[removal(one) for one in there], force=force)
        plan = made(client, proposal, Consent(yes, no_input), terminal, question=f"Delete {len(there)}?")
    answer(plan, output, terminal)
    return 0
