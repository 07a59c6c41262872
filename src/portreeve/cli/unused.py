"""`portreeve unused`: grants of registries in namespaces where nothing uses them."""

from __future__ import annotations

from typing import Any, Final

import click

from portreeve.cli.compared import list_options, listed
from portreeve.cli.terminal import current, safe

PATH: Final = "/api/v1/access-unused"

COLUMNS: Final = (
    ("ENVIRONMENT", "environment"),
    ("NAMESPACE", "namespace"),
    ("REGISTRY", "registry"),
    ("KIND", "kind"),
    ("NAME", "name"),
)

EPILOG = """\b
Examples:
  portreeve unused
  portreeve unused --environment prod-eu -o csv
  portreeve describe access shop-harbor"""


@click.command(epilog=EPILOG)
@list_options
def command(**options: Any) -> int:
    """List grants of registries in namespaces where nothing uses them: no image, running or not, and no annotation.

    Environments that have not told what could run there are named on standard error: of these nothing is known.
    """
    metadata = listed(PATH, COLUMNS, options)
    if unknown := metadata.get("unknown"):
        current().note(f"not known of {safe(', '.join(unknown))}: no complete inventory was told there")
    return 0
