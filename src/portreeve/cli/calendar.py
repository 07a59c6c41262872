"""`portreeve calendar`: what ends when: credentials, tokens, exemptions, and what hangs on each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

CALENDAR: Final = "/api/v1/calendar"

COLUMNS: Final = (
    ("EXPIRES", "expiresAt"),
    ("DAYS", "daysLeft"),
    ("LEVEL", "level"),
    ("LANE", "lane"),
    ("NAME", "name"),
    ("PROJECT", "project"),
    ("GRANTS", "impact.grants"),
    ("NAMESPACES", "impact.namespaces"),
    ("ENVIRONMENTS", "impact.environments"),
)

EPILOG = """\b
Examples:
  portreeve calendar --within 30
  portreeve calendar --level never -o csv
  portreeve calendar -o ics > portreeve.ics"""


@click.command(epilog=EPILOG)
@click.option("--lane", type=click.Choice(["credential", "token", "exemption"]), help="Only what is of this lane.")
@click.option(
    "--level",
    type=click.Choice(["ok", "30", "14", "7", "1", "overdue", "never"]),
    help="Only what is this near its end, in days.",
)
@click.option("--registry", metavar="NAME", help="Only what belongs to this registry.")
@click.option("--within", type=click.IntRange(0, 3650), metavar="DAYS", help="Only what ends so soon, or has ended.")
@output_option("table", "json", "yaml", "csv", "ics")
@no_headers_option
@server_options
@terminal_options
def command(output: str, no_headers: bool, within: int | None, **filters: str | None) -> int:
    """Show what ends when, the next first; what never ends comes last.

    Tokens are renewed by themselves. With -o ics they are left out, unless --lane token asks for them.
    """
    query = {**filters, "within": None if within is None else str(within)}
    with connected() as client:
        if output == "ics":
            for part in client.content(f"{CALENDAR}.ics", query):
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            return 0
        entries, _ = client.listed(CALENDAR, query)
    _write(entries, output, headed=not no_headers)
    return 0


def _write(entries: list[Mapping[str, Any]], output: str, *, headed: bool) -> None:
    from portreeve.cli.kinds import at
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write, write_rows

    titles = [title for title, _ in COLUMNS]
    rows = [[text(at(entry, path)) for _, path in COLUMNS] for entry in entries]
    if output in {"json", "yaml"}:
        write({"items": entries}, output)
    elif output == "csv":
        write_rows((dict(zip(titles, row, strict=True)) for row in rows), titles, headed=headed)
    elif not rows:
        current().note("nothing ends")
    else:
        current().table(titles, [[cell or NOTHING for cell in row] for row in rows], headed=headed)
