"""What somebody asks for of an answer: `-o jsonpath=TEMPLATE` and `-o custom-columns=TITLE:PATH,…`.

A template is answered by what `-o json` would show: a list as one document with `items`, one document by itself.
Columns are answered by each document of a list. Both are read before anything is asked of a control plane.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from portreeve.cli import jsonpath
from portreeve.cli.jsonpath_reader import Reader
from portreeve.cli.options import COLUMNS, JSONPATH, PROJECTIONS
from portreeve.cli.terminal import current, safe
from portreeve.errors import Invalid

NONE: Final = "<none>"
"""A cell without a value, as kubectl writes it: scripts that read its columns read ours."""


@dataclass(frozen=True, slots=True)
class Template:
    """Text with paths."""

    parts: tuple[jsonpath.Part, ...]

    def write(self, document: Any) -> None:
        """Write the text, and nothing behind it: a line ends where the template says so."""
        sys.stdout.write(jsonpath.rendered(self.parts, document, shown))


@dataclass(frozen=True, slots=True)
class Columns:
    """Titles and the paths of their cells."""

    titles: tuple[str, ...]
    paths: tuple[jsonpath.Path, ...]

    def cells(self, document: Any) -> list[str]:
        """One document as a row."""
        found = (jsonpath.values(path, document, document) for path in self.paths)
        return [",".join(map(text, values)) or NONE for values in found]

    def write(self, rows: Sequence[Any], *, headed: bool) -> None:
        """Write a table."""
        current().table(self.titles, map(self.cells, rows), headed=headed)


def read(output: str) -> Template | Columns | None:
    """The projection that a form is; None for every other form.

    Raises:
        Invalid: `usage`: it cannot be read; where, and what to write.
    """
    if output.startswith(JSONPATH):
        return _template(output.removeprefix(JSONPATH))
    return _columns(output.removeprefix(COLUMNS)) if output.startswith(COLUMNS) else None


def write(output: str, document: Any, rows: Sequence[Any], *, headed: bool = True) -> bool:
    """Write a projection of an answer; False, and nothing is written, if `output` is another form."""
    found = read(output)
    if isinstance(found, Template):
        found.write(document)
    elif isinstance(found, Columns):
        found.write(rows, headed=headed)
    return found is not None


def _template(written: str) -> Template:
    if "{" not in written:
        raise Invalid(
            "usage",
            f"jsonpath: {written[:200]!r} has no braces, and so says nothing of any document",
            hint=f"put paths in braces, and all of it in quotes: -o '{JSONPATH}{PROJECTIONS[JSONPATH]}'",
        )
    return Template(Reader(written).parts())


def _columns(written: str) -> Columns:
    reader = Reader(written)
    titles, paths = [], []
    while True:
        title, colon, _ = written[reader.at :].partition(":")
        if not title or not colon or "," in title:
            reader.fail("a column has no title or no path", f"write TITLE:PATH, as {PROJECTIONS[COLUMNS]}")
        reader.at += len(title) + 1
        titles.append(title)
        braced = reader.took("{")
        paths.append(reader.bare_path())
        if braced:
            reader.expect("}", "end the braces, or leave them out")
        if reader.ended():
            return Columns(tuple(titles), tuple(paths))
        reader.expect(",", "write a comma between columns, and odd names as ['odd,name']")


def text(value: Any) -> str:
    """A value as text: itself, if it is one; else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shown(value: Any) -> str:
    """A value of a template. A person's terminal must not obey what a document says; a program gets it as it is."""
    return safe(text(value)) if sys.stdout.isatty() else text(value)
