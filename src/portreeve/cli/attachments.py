"""`portreeve attachments`: policies, accesses and conditions by environment, with status, message and last attempt."""

from __future__ import annotations

from typing import Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

PATH: Final = "/api/v1/attachments"

COLUMNS: Final = (
    ("ENVIRONMENT", "environment"),
    ("KIND", "kind"),
    ("NAME", "name"),
    ("CONDITION", "condition"),
    ("STATUS", "status"),
    ("REASON", "reason"),
    ("LAST-ATTEMPT", "lastAttempt"),
    ("MESSAGE", "message"),
)
WIDE: Final = (("GROUP", "group"), ("SINCE", "since"))

EPILOG = """\b
Examples:
  portreeve attachments --group production
  portreeve attachments -e prod-eu --status False
  portreeve attachments --search conflict -o csv"""


@click.command(epilog=EPILOG)
@click.option("--group", metavar="NAME", help="Only environments of this group.")
@click.option("-e", "--environment", metavar="NAME", help="Only this environment.")
@click.option("--status", type=click.Choice(["True", "False", "Unknown"]), help="Only what stands so.")
@click.option("--search", metavar="TEXT", help="Only rows that hold this text, in any column.")
@output_option("table", "wide", "json", "yaml", "csv")
@no_headers_option
@server_options
@terminal_options
def command(output: str, no_headers: bool, search: str | None, **filters: str | None) -> int:
    """Show what is attached to environments, and how it stands: policies, accesses, and what agents say of themselves.

    What nobody has said, or a silent agent said last, is Unknown. Agents try by themselves whatever failed.
    """
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write, write_rows

    with connected() as client:
        rows, _ = client.listed(PATH, {**filters, "q": search})
    columns = (*COLUMNS, *WIDE) if output in {"wide", "csv"} else COLUMNS
    titles = [title for title, _ in columns]
    cells: list[list[Any]] = [[text(one[field]) for _, field in columns] for one in rows]
    if output in {"json", "yaml"}:
        write({"items": rows}, output)
    elif output == "csv":
        write_rows((dict(zip(titles, row, strict=True)) for row in cells), titles, headed=not no_headers)
    elif not rows:
        current().note("nothing is attached")
    else:
        current().table(titles, [[cell or NOTHING for cell in row] for row in cells], headed=not no_headers)
    return 0
