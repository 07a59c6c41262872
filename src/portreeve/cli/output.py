"""Answers for programs: one mapping as JSON or YAML, rows as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def write(answer: Any, form: str) -> None:
    """Write `answer` to standard output as `form`, json or yaml."""
    from portreeve.wire.text import as_json, as_yaml

    sys.stdout.write(as_json(answer) if form == "json" else as_yaml(answer))


def write_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, headed: bool = True) -> None:
    """Write rows as CSV, as reports do."""
    from portreeve.wire.reports.csv import cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    if headed:
        writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
