"""`portreeve export`: the whole configuration as files for Git, the same bytes whenever nothing has changed.

No status, no times, no ids; and no secret, as no document holds one. Applying an export to where it came from changes
nothing. Files that an earlier export left and that stand for nothing any more are named and not deleted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.kinds import KIND, KINDS, Kind, name_of
from portreeve.cli.options import NamedOption, label_option
from portreeve.cli.terminal import Terminal, current, terminal_options

STANDARD_OUTPUT: Final = "-"

EPILOG = """\b
Examples:
  portreeve export > everything.yaml
  portreeve export -o config/
  portreeve export --kind policies --kind groups
  portreeve export | portreeve apply -f -              nothing to change"""


@click.command(epilog=EPILOG)
@click.option("-o", "--output", metavar="DIR", default=STANDARD_OUTPUT, show_default=True,
              help="Folder for one file per document, by kind; - is one YAML stream.")  # fmt: skip
@click.option("--kind", "kinds", cls=NamedOption, type=KIND, multiple=True, help="Only this kind; repeatable.")
@label_option("Only what has this label; repeatable, all must hold.")
@server_options
@terminal_options
def command(output: str, kinds: tuple[Kind, ...], labels: tuple[str, ...]) -> int:
    """Write the whole configuration as YAML: sorted, without status, without secrets."""
    from portreeve.cli import documents
    from portreeve.wire.text import as_yaml

    documents.labels_checked(labels)
    chosen = kinds or tuple(KINDS.values())
    with connected() as client:
        found = [documents.canonical(one) for one in documents.stored(client, chosen, labels).values()]
    if output == STANDARD_OUTPUT:
        sys.stdout.write(as_yaml(*found) if found else "")
    else:
        _write_files(found, chosen, Path(output), current())
    return 0


def _write_files(found: Iterable[dict[str, Any]], chosen: Iterable[Kind], folder: Path, terminal: Terminal) -> None:
    from portreeve.cli.documents import text
    from portreeve.cli.reports import Report, write

    written: set[Path] = set()
    for document in found:
        # Names are DNS labels, so they can name neither another folder nor a hidden file.
        file = folder / KINDS[document["kind"]].plural / f"{name_of(document)}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        write(Report("yaml", str(file)), text(document))
        written.add(file)
    for kind in chosen:
        for file in sorted((folder / kind.plural).glob("*.yaml")):
            if file not in written:
                terminal.warn(f"warning: {file} stands for nothing that is there; apply would create it again")
    terminal.note(f"{len(written)} files in {folder}")
