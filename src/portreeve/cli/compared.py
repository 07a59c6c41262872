"""Lists of grants beside what is used, as `needed` and `unused` show them: the same filters and the same forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, no_headers_option, read_option
from portreeve.cli.terminal import current, terminal_options

Columns = Sequence[tuple[str, str]]
"""Title and field of each column."""

FORMS: Final = ("table", "json", "yaml", "csv")


def list_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both verbs."""
    for option in (
        terminal_options,
        server_options,
        no_headers_option,
        read_option(*FORMS),
        click.option("-n", "--namespace", cls=NamedOption, metavar="NS", help="Only what is of this namespace."),
        click.option("--environment", metavar="NAME", help="Only what is of this environment."),
    ):
        function = option(function)
    return function


def listed(path: str, columns: Columns, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask for the rows and write them; the metadata of the answer."""
    with connected() as client:
        rows, metadata = client.listed(path, {name: options[name] for name in ("environment", "namespace")})
    write_rows(rows, columns, options["output"], headed=not options["no_headers"])
    return metadata or {}


def write_rows(rows: Sequence[Any], columns: Columns, output: str, *, headed: bool) -> None:
    """Write rows in one of FORMS, or as a projection."""
    from portreeve.cli import output as forms
    from portreeve.cli import projection
    from portreeve.cli.listing import NOTHING, text

    document, titles = {"items": list(rows)}, [title for title, _ in columns]
    cells = [[text(row.get(field)) for _, field in columns] for row in rows]
    if projection.write(output, document, rows, headed=headed):
        return
    if output in {"json", "yaml"}:
        forms.write(document, output)
    elif output == "csv":
        forms.write_rows((dict(zip(titles, row, strict=True)) for row in cells), titles, headed=headed)
    elif not rows:
        current().note("nothing")
    else:
        current().table(titles, [[cell or NOTHING for cell in row] for row in cells], headed=headed)
