"""`portreeve diff`: what applying files would change in the documents themselves, as a unified diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, files_option, label_option, output_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.cli.comparison import Difference

EPILOG = """\b
Examples:
  portreeve diff -f config/
  portreeve diff -f config/ --prune -l owner=platform
\b
Exit codes: 0 no difference, 1 difference, 2 error."""

COLORS = {"+": "green", "-": "red", "@": "cyan"}


@click.command(epilog=EPILOG)
@files_option
@click.option("--prune", is_flag=True, cls=CallerOption, help="Also show what apply --prune would delete.")
@label_option("KEY=VALUE of what --prune may delete; repeatable, all must hold.")
@output_option("table", "json", "yaml", "name")
@server_options
@terminal_options
def command(files: tuple[Path, ...], prune: bool, labels: tuple[str, ...], output: str) -> int:
    """Show how the documents of files differ from the stored ones, as a unified diff. Secrets are in neither."""
    from portreeve.cli import documents
    from portreeve.cli.applying import check_prune
    from portreeve.cli.comparison import differences

    check_prune(prune, labels)
    wanted = documents.read(files)
    kinds = {one.kind for one in wanted}
    with connected() as client:
        stored = documents.stored(client, kinds)
        doomed = documents.stored(client, kinds, labels) if prune else {}
    found = differences(wanted, stored, both_ways=False)
    found += [one for one in differences(wanted, doomed, both_ways=True) if one.wanted is None] if prune else []
    return told(found, output, current())


def told(found: list[Difference], output: str, terminal: Terminal) -> int:
    """The differences on standard output; the exit code."""
    from portreeve.cli.output import write

    if output in {"json", "yaml"}:
        write({"differences": [one.record() for one in found]}, output)
    elif output == "name":
        for one in found:
            terminal.data("/".join(one.key))
    else:
        show(found, terminal)
    if not found and output not in {"json", "yaml"}:
        terminal.note("no difference")
    return 1 if found else 0


def show(found: list[Difference], terminal: Terminal) -> None:
    """Unified diffs, coloured where the terminal takes colour."""
    from portreeve.cli.terminal import safe

    for one in found:
        for line in one.unified():
            color = COLORS.get(line[:1])
            terminal.data(terminal.paint(safe(line), color) if color else safe(line))
