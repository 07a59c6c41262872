"""`portreeve needed`: registries that workloads use where nobody has granted them."""

from __future__ import annotations

from typing import Any, Final

import click

from portreeve.cli.compared import list_options, listed

PATH: Final = "/api/v1/access-needed"

COLUMNS: Final = (
    ("ENVIRONMENT", "environment"),
    ("NAMESPACE", "namespace"),
    ("REGISTRY", "registry"),
    ("USES", "uses"),
    ("OWNERS", "owners"),
    ("DO", "command"),
)

EPILOG = """\b
Examples:
  portreeve needed
  portreeve needed --environment prod-eu -o csv
  portreeve needed -n shop -o 'jsonpath={range .items[*]}{.command}{"\\n"}{end}'"""


@click.command(epilog=EPILOG)
@list_options
def command(**options: Any) -> int:
    """List registries that workloads use in namespaces where they are not granted, with the command that grants them.

    A workload counts whether it runs or not: one that is scaled to zero, and a CronJob between its runs.
    """
    listed(PATH, COLUMNS, options)
    return 0
