"""Answers for programs: one mapping as JSON or YAML, rows as CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def write(answer: Any, form: str) -> None:
    """Write `answer` to standard output as `form`, json or yaml."""
    sys.stdout.write(as_json(answer) if form == "json" else as_yaml(answer))


def as_json(answer: Any) -> str:
    """JSON with a closing line break, keys in the order given."""
    return f"{json.dumps(answer, indent=2, ensure_ascii=False)}\n"


def as_yaml(*documents: Any) -> str:
    """YAML, one document per argument, keys in the order given."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(
        yaml.dump_all(
            documents, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
        )
    )


def write_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, headed: bool = True) -> None:
    """Write rows as CSV, as reports do."""
    from portreeve.wire.reports.csv import cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    if headed:
        writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
