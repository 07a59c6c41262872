"""`portreeve validate`: try a registry, stage by stage, from where the control plane stands."""

from __future__ import annotations

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve validate registry harbor-prod
  portreeve validate registry harbor-prod --image shop/api:1.4
  portreeve validate registry harbor-prod --purpose management -o json

Exit code 0: all that a pull needs works. 1: a stage failed. 3: nothing failed, something could not be judged."""


@click.command(epilog=EPILOG)
@click.argument("what", type=click.Choice(["registry"]))
@click.argument("name")
@click.option("--image", metavar="REPO:TAG", help="The image to ask for; without it one that runs, or the first found.")
@click.option("--purpose", type=click.Choice(["pull", "management"]), help="Which credential; pull if there is one.")
@output_option("table", "json", "yaml")
@server_options
@terminal_options
def command(what: str, name: str, image: str | None, purpose: str | None, output: str) -> int:
    """Try a registry, stage by stage: name, connection, certificate, API, credential, one image, and no right to push.

    Nothing is changed there: an upload that is opened to see whether it may be is cancelled at once.
    """
    from portreeve.cli.checklist import EXIT_CODES, summary, watched
    from portreeve.cli.output import write

    assert what == "registry", "the only choice"
    terminal = current()
    with connected() as client:
        result = watched(client, name, {"image": image, "purpose": purpose}, terminal, live=output == "table")
    if output == "table":
        terminal.note(summary(result))
    else:
        write(result, output)
    return EXIT_CODES[str(result["outcome"])]
