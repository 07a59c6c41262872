"""`portreeve drift`: in what the control plane and files differ, in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.kinds import KIND, KINDS, Kind
from portreeve.cli.options import NamedOption, files_option, label_option, no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve drift -f config/
  portreeve drift -f config/ --kind registries --kind access -o json
  portreeve drift -f config/ -l owner=platform
\b
Exit codes: 0 no difference, 1 difference, 2 error."""


@click.command(epilog=EPILOG)
@files_option
@click.option("--kind", "kinds", cls=NamedOption, type=KIND, multiple=True,
              help="Only documents of this kind; repeatable. Without it, of all kinds.")  # fmt: skip
@label_option("Only what has this label, on both sides; repeatable, all must hold.")
@output_option("table", "json", "yaml", "name")
@no_headers_option
@server_options
@terminal_options
def command(
    files: tuple[Path, ...], kinds: tuple[Kind, ...], labels: tuple[str, ...], output: str, no_headers: bool
) -> int:
    """Compare files with the control plane, both ways: what it has and they do not say, and the reverse."""
    from portreeve.cli import documents
    from portreeve.cli.comparison import differences
    from portreeve.cli.diff import told

    documents.labels_checked(labels)
    chosen = set(kinds) or set(KINDS.values())
    pairs = dict(label.split("=", 1) for label in labels)
    wanted = [one for one in documents.read(files) if one.kind in chosen and _has(one.document, pairs)]
    with connected() as client:
        stored = documents.stored(client, chosen, labels)
    found = differences(wanted, stored, both_ways=True)
    terminal = current()
    if output != "table" or not found:
        return told(found, output, terminal)
    rows = [(one.change, *one.key, one.where or "-") for one in found]
    terminal.table(("CHANGE", "KIND", "NAME", "FILE"), rows, headed=not no_headers)
    return 1


def _has(document: dict[str, Any], pairs: dict[str, str]) -> bool:
    held = document["metadata"].get("labels", {})
    return all(held.get(name) == value for name, value in pairs.items())
