"""`portreeve audit`: who changed what, when; and the whole log as a file that `verify audit` can check."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import no_headers_option, read_option
from portreeve.cli.terminal import current, terminal_options

if TYPE_CHECKING:
    from portreeve.client import Client

EVENTS: Final = "/api/v1/audit"
MOST: Final = 100
"""Events that are shown where nobody said how many: the last hundred."""

COLUMNS: Final = (
    ("TIME", "time"),
    ("PRINCIPAL", "actor.principal"),
    ("ACTION", "action"),
    ("KIND", "object.kind"),
    ("NAME", "object.name"),
    ("OUTCOME", "outcome"),
)
WIDE: Final = (
    ("SEQUENCE", "sequence"),
    ("ENVIRONMENT", "object.environment"),
    ("PROJECT", "object.project"),
    ("VIA", "actor.via.kind"),
    ("REASON", "reason"),
    ("REQUEST", "request"),
)

EPILOG = """\b
Examples:
  portreeve audit --kind policy --since 2026-11-01
  portreeve audit --principal user-a --action registry.delete -o json
  portreeve audit export -o audit.jsonl && portreeve verify audit audit.jsonl --key-file audit.pub"""


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.option("--principal", metavar="NAME", help="Only what this user did.")
@click.option("--action", metavar="ACTION", help="Only this action, as registry.delete.")
@click.option("--kind", metavar="KIND", help="Only what was done to this kind of object.")
@click.option("--name", metavar="NAME", help="Only what was done to objects of this name.")
@click.option("--outcome", metavar="OUTCOME", help="Only what ended so: done, refused, intended or failed.")
@click.option("--environment", metavar="NAME", help="Only in this environment.")
@click.option("--project", metavar="NAME", help="Only in this project.")
@click.option("--request", metavar="ID", help="Only of this request.")
@click.option("--text", metavar="TEXT", help="Only with this text somewhere in the fields above.")
@click.option("--since", metavar="TIME", help="Only from then on: 2026-11-20, or with T10:00:00Z.")
@click.option("--until", metavar="TIME", help="Only before then.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=MOST, show_default=True, help="At most so many."
)
@read_option("table", "wide", "json", "yaml", "csv")
@no_headers_option
@server_options
@terminal_options
def command(limit: int, output: str, no_headers: bool, **filters: str | None) -> int:
    """Show events of the audit log, the newest first."""
    if click.get_current_context().invoked_subcommand is not None:
        return 0
    with connected() as client:
        events, _ = client.listed(EVENTS, {"q": filters.pop("text"), **filters}, most=limit)
    _write(events, output, headed=not no_headers)
    return 0


def _write(events: list[Mapping[str, Any]], output: str, *, headed: bool) -> None:
    from portreeve.cli import projection
    from portreeve.cli.kinds import at
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write, write_rows

    if projection.write(output, {"items": events}, events, headed=headed):
        return
    columns = (*COLUMNS, *WIDE) if output in {"wide", "csv"} else COLUMNS
    titles = [title for title, _ in columns]
    rows = [[text(at(event, path)) for _, path in columns] for event in events]
    if output in {"json", "yaml"}:
        write({"items": events}, output)
    elif output == "csv":
        write_rows((dict(zip(titles, row, strict=True)) for row in rows), titles, headed=headed)
    elif not rows:
        current().note("no events")
    else:
        current().table(titles, [[cell or NOTHING for cell in row] for row in rows], headed=headed)


@command.command("export")
@click.option("-o", "--output", metavar="FILE", default="-", show_default=True, help="Where to; - is standard output.")
@click.option("--key-file", metavar="FILE", help="Write the log's public key there, too; keep an early copy apart.")
@server_options
@terminal_options
def export(output: str, key_file: str | None) -> int:
    """Write the whole log, signed, as JSON lines: for keeping, and for portreeve verify audit.

    Whoever could change the log unseen could give another key with it, so verify with a copy that you have kept.
    """
    with connected() as client:
        if key_file is not None:
            Path(key_file).write_bytes(b"".join(client.content(f"{EVENTS}/key")))
        if output == "-":
            for part in client.content(f"{EVENTS}/export"):
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        else:
            _save(client, Path(output))
    return 0


def _save(client: Client, file: Path) -> None:
    """The log in a file, whole or not at all: a part of it would look like one that was cut off."""
    import os
    import tempfile

    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for part in client.content(f"{EVENTS}/export"):
                stream.write(part)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    current().note(f"{file.stat().st_size:,} bytes in {file}")
