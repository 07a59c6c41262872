"""`portreeve rotation`: how far a registry's credential has come: counts first, then what is not as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, no_headers_option, output_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.client import Client

PAUSE_S: Final = 2.0
"""Seconds between two looks with --watch: agents report within a second or two."""

COLUMNS: Final = (
    ("ENVIRONMENT", "environment"),
    ("NAMESPACE", "namespace"),
    ("WANTED", "wanted"),
    ("THERE", "there"),
    ("STATE", "state"),
    ("STANDING", "standing"),
    ("EXPIRES", "expiresAt"),
    ("CONFLICT", "conflict"),
)

EPILOG = """\b
Examples:
  portreeve rotation harbor-prod
  portreeve rotation harbor-prod --watch
  portreeve rotation harbor-prod --all -o csv"""


@click.command(epilog=EPILOG)
@click.argument("registry")
@click.option("--all", "whole", cls=NamedOption, is_flag=True, help="Also namespaces that have the present version.")
@click.option("-w", "--watch", is_flag=True, help="Follow it until all reachable clusters have confirmed.")
@output_option("table", "json", "yaml", "csv")
@no_headers_option
@server_options
@terminal_options
def command(registry: str, whole: bool, watch: bool, output: str, no_headers: bool) -> int:
    """Show how far a registry's credential has come: which clusters have the present version, and which do not.

    With --watch it ends when nobody is waited for any more; every change of the counts is told meanwhile.
    """
    path = f"/api/v1/registries/{quote(registry, safe='')}/rotation"
    with connected() as client:
        if watch:
            _follow(client, path, current())
        head = client.get(path, {"limit": "1"})
        rows, _ = client.listed(path)
    _write(head, rows if whole or output != "table" else _behind(rows), output, headed=not no_headers)
    return 0


def _follow(client: Client, path: str, terminal: Terminal) -> None:
    import time

    told = ""
    while True:
        head = client.get(path, {"limit": "1"})
        line = _summary(head)
        if line != told:
            terminal.note(line)
            told = line
        if head["done"]:
            return
        time.sleep(PAUSE_S)


def _behind(rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in rows if one["standing"] != "current"]


def _summary(head: Mapping[str, Any]) -> str:
    """One line: how many have it, and who is waited for."""
    counts, credential, overlap = head["counts"], head["credential"], head["overlap"]
    if credential is None:
        return f"{head['registry']}: no pull credential is stored"
    have = f"{counts['confirmed']} of {counts['environments']} environments have it"
    parts = [f"{head['registry']} version {credential['version']}: {have}"]
    for word, text in (("waiting", "waited for"), ("unreachable", "unreachable"), ("noAgent", "without an agent")):
        if counts[word]:
            parts.append(f"{counts[word]} {text}")
    parts.append(f"{counts['current']} of {counts['namespaces']} namespaces")
    if counts["conflict"]:
        parts.append(f"{counts['conflict']} conflicts")
    if overlap:
        parts.append(f"version {overlap['version']} is kept until {overlap['until']} at most")
    return "; ".join(parts)


def _write(head: Mapping[str, Any], rows: list[Mapping[str, Any]], output: str, *, headed: bool) -> None:
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write, write_rows
    from portreeve.cli.terminal import safe

    terminal, titles = current(), [title for title, _ in COLUMNS]
    cells = [[text(one[field]) for _, field in COLUMNS] for one in rows]
    if output in {"json", "yaml"}:
        write({**{name: part for name, part in head.items() if name != "metadata"}, "items": rows}, output)
    elif output == "csv":
        write_rows((dict(zip(titles, row, strict=True)) for row in cells), titles, headed=headed)
    else:
        terminal.data(safe(_summary(head)))
        for one in head["environments"]:
            if one["standing"] != "confirmed":
                terminal.data(
                    safe(f"  {one['environment']}: {one['standing']}, last seen {one['lastSeen'] or 'never'}")
                )
        if rows:
            terminal.table(titles, [[cell or NOTHING for cell in row] for row in cells], headed=headed)
