"""`portreeve diagnose`: why images could not be pulled, from what a cluster says of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from portreeve.cli.options import no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

MAX_BYTES = 32 << 20
"""The events of a large cluster have a few MB."""

EPILOG = """\b
Examples:
  kubectl describe pod api-0 | portreeve diagnose -
  kubectl get events -A | portreeve diagnose -
  portreeve diagnose events.txt -o json

Exit code 1: a failure was found. 0: none was."""


@click.command(epilog=EPILOG)
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH...")
@output_option("table", "json", "yaml", "csv")
@no_headers_option
@terminal_options
def command(paths: tuple[str, ...], output: str, no_headers: bool) -> int:
    """Say why images could not be pulled, from events or the output of kubectl describe, and what to do.

    PATH is a file, or - for standard input. Nothing is contacted. A cause that is not known is said to be unknown.
    """
    from portreeve.cli.output import write, write_rows
    from portreeve.core.pull_failure import ADVICE, Failure, counted, in_lines

    terminal = current()
    found: list[Failure] = []
    for path in paths:
        found += [failure for _, failure in in_lines(_text(path))]
    columns = ("cause", "times", "image", "host", "meaning", "do")
    rows = [
        {
            "cause": str(one.cause),
            "times": times,
            "image": one.image,
            "host": one.host,
            "meaning": ADVICE[one.cause].meaning,
            "do": ADVICE[one.cause].do,
        }
        for one, times in counted(found)
    ]
    match output:
        case "json" | "yaml":
            write({"failures": rows}, output)
        case "csv":
            write_rows(rows, columns, headed=not no_headers)
        case _ if rows:
            shown = [[str(row["cause"]), str(row["times"]), str(row["image"]) or "-"] for row in rows]
            terminal.table(["CAUSE", "TIMES", "IMAGE"], shown, headed=not no_headers)
            for row in {str(row["cause"]): row for row in rows}.values():
                terminal.note(f"{row['cause']}: {row['meaning']}")
                terminal.note(f"do: {row['do']}")
        case _:
            terminal.note("no failed pull in it")
    return 1 if rows else 0


def _text(path: str) -> str:
    from portreeve.errors import Invalid

    if path == "-":
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Invalid("file_too_large", f"{path} has more than {MAX_BYTES:,} bytes", hint="give it a part")
    return content.decode(errors="replace")
