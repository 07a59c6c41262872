"""Pages of lists, and their twins: the same rows as JSON, CSV and YAML, by the same permission and filters.

A cursor is the name behind which the next page begins, with the filters that it belongs to; it cannot be carried over
to another list. It is no secret: what it names the caller has just seen.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from starlette.responses import Response

from portreeve.server.http.answers import json_bytes
from portreeve.server.http.problems import Rejected
from portreeve.wire.text import as_yaml

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500
"""Rows of one page. A browser shows 200 at most; a program pages."""

MAX_ROWS: Final = 200_000
"""Rows of one twin: all that match, as a spreadsheet wants them."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page:
    """What of a list is asked for. `query` is what makes it this list: kind, filters, order."""

    query: Mapping[str, Any]
    limit: int = DEFAULT_LIMIT
    after: str = ""

    def cursor(self, last: str) -> str:
        """The cursor of the page behind a row."""
        text = json.dumps([last, self.query], separators=(",", ":"), sort_keys=True)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page(query: Mapping[str, Any], *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page:
    """A page of the list of this query.

    Raises:
        Rejected: 400 `cursor`: it is none of ours, or belongs to another list.
    """
    if cursor is None:
        return Page(query, limit)
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        last, asked = json.loads(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
    except (ValueError, TypeError, UnicodeError, binascii.Error, RecursionError):
        last, asked = None, None
    if not isinstance(last, str) or asked != json.loads(json.dumps(query)):
        raise Rejected(400, "cursor", "the cursor does not belong to this list", hint="begin again without a cursor")
    return Page(query, limit, last)


def cut(
    rows: Sequence[Row], page: Page, key: Callable[[Row], str], *, descending: bool = False
) -> tuple[Sequence[Row], str | None]:
    """The rows of a page out of all of them, sorted by `key`, and the cursor of the next page."""
    start = 0
    if page.after:
        low, high = 0, len(rows)
        while low < high:
            middle = (low + high) // 2
            at = key(rows[middle])
            passed = at >= page.after if descending else at <= page.after
            low, high = (middle + 1, high) if passed else (low, middle)
        start = low
    found = rows[start : start + page.limit]
    more = start + page.limit < len(rows)
    return found, page.cursor(key(found[-1])) if more and found else None


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted: by the value at a path, "" for the name alone; rows of equal values go by name."""

    path: str = ""
    descending: bool = False

    def key(self, value: Any, name: str) -> str:
        """What a row is sorted by, and what the cursor behind it holds; what has no value counts as more than any."""
        if not self.path:
            return name
        if value is None or value == "" or value == []:
            return f"1\0{name}"
        text = f"{value:020d}" if isinstance(value, int) and not isinstance(value, bool) else cell(value).casefold()
        return f"0{text}\0{name}"


def order(asked: str | None, sorts: Mapping[str, str]) -> Order:
    """The order that a request asks for: a word of `sorts`, or `name`; with a minus before it the other way round.

    Raises:
        Rejected: 400 `sort_unknown`.
    """
    if asked is None:
        return Order()
    word = asked.removeprefix("-")
    if word != "name" and word not in sorts:
        hint = f"one of name, {', '.join(sorts)}; with a minus before it the other way round"
        raise Rejected(400, "sort_unknown", "the list cannot be sorted by that", hint=hint)
    return Order(sorts.get(word, ""), asked.startswith("-"))


def at(document: Any, path: str) -> Any:
    """The value at a path like "spec.groups" of a document, None where there is nothing."""
    for step in path.split("."):
        document = document.get(step) if isinstance(document, Mapping) else None
    return document


def cell(value: Any) -> str:
    """A value as one cell of text. A list is joined; nothing is empty."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(map(cell, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the begin of a formula. Source: OWASP, "CSV Injection"."""


def guarded(text: str) -> str:
    """A cell that no spreadsheet evaluates."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_twin(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """All rows as CSV (RFC 4180), with a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([[guarded(cell(value)) for value in row] for row in rows])
    return Response(text.getvalue().encode(), media_type="text/csv; charset=utf-8; header=present")


def json_twin(items: Sequence[Any]) -> Response:
    """All rows as one JSON list."""
    return Response(json_bytes(items), media_type="application/json")


def yaml_twin(items: Sequence[Any]) -> Response:
    """All rows as YAML, one document each: what `apply -f` takes."""
    return Response(as_yaml(*items).encode() if items else b"", media_type="application/yaml")
