"""Where output goes and how it looks: data to standard output, everything else to standard error.

Text is line-oriented, so that grep, cut and a pager work on it. Only when standard output is a terminal are tables
drawn by rich; it is imported then and not before. Text that came from files is escaped: a manifest must not move the
cursor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import click

Color = Literal["auto", "always", "never"]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(slots=True)
class Terminal:
    """What the caller wants to see. `verbose` counts: 1 adds tracebacks of internal errors."""

    quiet: bool = False
    verbose: int = 0
    color: Color = "auto"
    styled: bool | None = field(default=None, init=False)

    def data(self, text: str = "") -> None:
        """Write a line of the answer to standard output."""
        sys.stdout.write(f"{text}\n")

    def flush(self) -> None:
        """Let the reader of standard output see what there is so far."""
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Write a hint or progress to standard error, unless quiet was asked for."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Write what must not be missed to standard error, on one line."""
        sys.stderr.write(f"{safe(text)}\n")

    def detail(self, text: str) -> None:
        """Write what only somebody who asked for more wants to know to standard error."""
        if self.verbose:
            self.warn(text)

    def paint(self, text: str, color: str, *, bold: bool = False) -> str:
        """`text` in a colour, if standard output takes one."""
        if self.styled is None:
            self.styled = takes_color(self.color, is_terminal=sys.stdout.isatty())
        return click.style(text, fg=color, bold=bold) if self.styled else text

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]], *, headed: bool = True) -> None:
        """Write rows below headers, aligned. Numbers are told by their text and stand to the right."""
        cells = [tuple(map(safe, row)) for row in rows]
        if sys.stdout.isatty():
            _rich_table(headers, cells, headed=headed, styled=takes_color(self.color, is_terminal=True))
            return
        for line in aligned([tuple(headers), *cells] if headed else cells):
            self.data(line)


def current() -> Terminal:
    """The terminal of the running command."""
    return click.get_current_context().find_root().ensure_object(Terminal)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a terminal option given before or after the verb; one that is not given changes nothing."""
    if value and param.name and ctx.get_parameter_source(param.name) is not click.core.ParameterSource.DEFAULT:
        setattr(ctx.find_root().ensure_object(Terminal), param.name, value)


def terminal_options(function: Decorated) -> Decorated:
    """-q, -v and --color: on the program and on every verb."""
    settings: dict[str, Any] = {"expose_value": False, "callback": _remember}
    for option in (
        click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
                     help="Colour the text; also NO_COLOR and CLICOLOR_FORCE.", **settings),
        click.option("-v", "--verbose", count=True, help="Say more on standard error.", **settings),
        click.option("-q", "--quiet", is_flag=True, help="No hints on standard error.", **settings),
    ):  # fmt: skip
        function = option(function)
    return function


def takes_color(wanted: Color, *, is_terminal: bool) -> bool:
    """Whether to colour. The flag decides; then NO_COLOR, then CLICOLOR_FORCE, then whether there is a terminal.

    Source: no-color.org, bixense.com/clicolors.
    """
    if wanted != "auto":
        return wanted == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def safe(text: str) -> str:
    """`text` with everything that a terminal acts on, or that reorders a line, escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with columns two spaces apart; a column of numbers stands to the right."""
    if not rows:
        return []
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [all(cell.isdigit() for cell in column[1:]) and len(column) > 1 for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]


def _rich_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, headed: bool, styled: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=headed, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, header in enumerate(headers):
        numeric = bool(rows) and all(row[index].isdigit() for row in rows)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, not str: a file name like "[bold]" is not markup.
        table.add_row(*map(Text, row))
    Console(no_color=not styled, highlight=False, soft_wrap=False).print(table)
