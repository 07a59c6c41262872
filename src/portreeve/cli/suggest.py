"""`portreeve suggest`: a starter policy on standard output, from the images in files."""

from __future__ import annotations

import sys
from typing import Any

import click

from portreeve.cli.options import input_options
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve suggest . > policy.yaml
  portreeve suggest . --mirror harbor.example.com/hub --name prod-sources > policy.yaml
  portreeve suggest . | portreeve check . -p -"""


@click.command(epilog=EPILOG)
@input_options()
@click.option(
    "--stage",
    type=click.Choice(["off", "audit", "warn", "deny"]),
    default="audit",
    show_default=True,
    help="Stage of the policy.",
)
@click.option("--name", default="starter", show_default=True, help="Name of the policy, a DNS label.")
@click.option("--mirror", metavar="HOST[/PATH]", help="Where mirrors of public images are proposed.")
@terminal_options
def command(paths: tuple[str, ...], stage: str, name: str, mirror: str | None, **options: Any) -> int:
    """Write a starter policy from the images in files: the narrowest path for each owner, never a whole public host.

    Public content is not approved but listed to be mirrored, so check -p shows it as denied. The note of each source
    says what it covers.
    """
    from portreeve.cli.inputs import Inputs, gather
    from portreeve.cli.starter import as_yaml, coverage
    from portreeve.core.cluster import is_dns_label
    from portreeve.core.starter import suggest

    if not is_dns_label(name):
        raise click.BadParameter(f"{name!r} is not a DNS label (letters, digits, dashes)", param_hint="--name")
    found = gather(Inputs(paths, options["namespace"], options["include"], options["exclude"]))
    starter = suggest(found.uses, _mirror(mirror))
    sys.stdout.write(as_yaml(starter, name, stage))
    terminal = current()
    found.tell(terminal)
    terminal.note(f"{coverage(starter)}; to mirror: {len(starter.to_mirror)}")
    return found.exit_code


def _mirror(text: str | None) -> str | None:
    from portreeve.core.reference import InvalidPrefix, parse_prefix

    if text is None:
        return None
    try:
        return str(parse_prefix(text))
    except InvalidPrefix as error:
        raise click.BadParameter(f"{error.message}; {error.hint}".rstrip("; "), param_hint="--mirror") from error
