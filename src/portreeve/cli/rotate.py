"""`portreeve rotate`: give a registry a new secret; the old one stays where clusters still need it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve rotate registry harbor-prod --from-env HARBOR_SECRET
  portreeve rotate registry ecr --purpose management --from-file key.json --expires-at 2027-02-01T00:00:00Z
  pass show harbor | portreeve rotate registry harbor-prod --secret-stdin"""


@click.command(epilog=EPILOG)
@click.argument("what", type=click.Choice(["registry"]))
@click.argument("name")
@click.option("--purpose", type=click.Choice(["pull", "management"]), default="pull", show_default=True,
              help="Which of its credentials.")  # fmt: skip
@click.option("--secret-stdin", is_flag=True, help="The secret stands on standard input.")
@click.option("--from-file", metavar="FILE", help="The secret stands in this file.")
@click.option("--from-env", metavar="NAME", help="The secret stands in this variable.")
@click.option("--from-helper", metavar="NAME", help="docker-credential-NAME knows the secret.")
@click.option("--expires-at", metavar="TIME", help="When it ends: RFC 3339, as 2027-02-01T00:00:00Z.")
@click.option(
    "--overlap",
    metavar="DURATION",
    help="How long the old one is kept for clusters that have not got the new one: 24h, 30m, 7d; 0 for none. "
    "Without it 24h.",
)
@click.option(
    "--set", "initial", cls=NamedOption, is_flag=True, help="Set it for the first time, or replace it at once."
)
@output_option("table", "json", "yaml")
@server_options
@terminal_options
def command(what: str, name: str, output: str, **options: Any) -> int:
    """Rotate a registry's credential: a new version goes everywhere, the old one ends when all have the new.

    Until then, and at most as long as --overlap says, clusters are given both; `portreeve rotation NAME` shows how far
    it has come. Take the old one back at the registry after that.

    The secret comes by standard input, a file, a variable or a credential helper; there is no flag that takes it.
    """
    from portreeve.cli import credentials, durations
    from portreeve.cli.output import write
    from portreeve.errors import Invalid

    assert what == "registry", "the only choice"
    overlap_s = None if options["overlap"] is None else durations.seconds(options["overlap"])
    if overlap_s is not None and options["initial"]:
        raise Invalid("usage", "--set replaces the secret at once", hint="leave --overlap out, or --set")
    source = credentials.source_of(
        stdin=options["secret_stdin"], file=options["from_file"], env=options["from_env"], helper=options["from_helper"]
    )
    wanted = credentials.Credential(name, options["purpose"], source, options["expires_at"])
    credentials.check([wanted], stdin_taken=False)
    terminal = current()
    with connected() as client:
        registry = client.get(f"/api/v1/registries/{quote(name, safe='')}")
        secret = credentials.resolve(source.for_host(str(registry["spec"]["host"])))
        told = credentials.put(client, wanted, secret, rotate=not options["initial"], overlap_s=overlap_s)
    if overlap := told.get("overlap"):
        terminal.note(f"version {overlap['version']} is kept until all clusters have version {told['version']},")
        terminal.note(f"{overlap['until']} at the latest: portreeve rotation {name} --watch")
    if output == "table":
        terminal.data(f"Registry/{name} credential {wanted.purpose} {'set' if options['initial'] else 'rotated'}")
    else:
        write({"registry": name, "purpose": wanted.purpose, **told}, output)
    return 0
