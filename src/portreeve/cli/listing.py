"""Documents as rows of a table: the columns of their kind, cells as text, times as ages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from portreeve.cli.kinds import Kind, at, name_of

NOTHING: Final = "-"
"""A cell without a value: an empty one would let every column behind it move up when a line is split at blanks."""

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def headers(kind: Kind, *, wide: bool) -> list[str]:
    """The names of the columns."""
    return ["NAME", *(title for title, _ in _columns(kind, wide=wide))]


def row(kind: Kind, document: Mapping[str, Any], now: datetime, *, wide: bool) -> list[str]:
    """One document as cells."""
    cells = [_cell(title, at(document, path), now) for title, path in _columns(kind, wide=wide)]
    return [name_of(document), *cells]


def record(kind: Kind, document: Mapping[str, Any]) -> dict[str, str]:
    """One document as cells for a program: times stay times, nothing is empty."""
    found = {title: text(at(document, path)) for title, path in _columns(kind, wide=True)}
    return {"NAME": name_of(document), **found}


def _columns(kind: Kind, *, wide: bool) -> Sequence[tuple[str, str]]:
    return (*kind.columns, *kind.wide) if wide else kind.columns


def _cell(title: str, value: Any, now: datetime) -> str:
    if title == "AGE" and isinstance(value, str):
        return age(value, now)
    return text(value) or NOTHING


def text(value: Any) -> str:
    """A value as one cell. A list is joined; nothing is empty."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(map(text, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)


def age(written: str, now: datetime) -> str:
    """How long ago an RFC 3339 time was, in its largest unit."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return written
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = max(0, int((now - moment).total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), ("s", 1))
    return f"{seconds // size}{unit}"
