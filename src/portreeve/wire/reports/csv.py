"""CSV for auditors: a header, one line per image use, one per thing that was not evaluated.

Sources: RFC 4180; OWASP, "CSV Injection" (a cell that begins like a formula gets an apostrophe in front).
"""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, fields

from portreeve.core.findings import Inspection
from portreeve.wire.reports.text import Row, printable, row

NOT_EVALUATED = "NOT_EVALUATED"

_FORMULA = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")  # Excel also takes the full-width signs


def render(inspection: Inspection, *, tool_version: str) -> str:  # noqa: ARG001 - one signature for all formats
    """The table; what was not evaluated has NOT_EVALUATED as its verdict."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows([cell(value) for value in astuple(row(finding))] for finding in inspection.findings)
    for missing in inspection.not_evaluated:
        values: dict[str, str | int] = {
            "file": missing.file,
            "line": missing.line,
            "verdict": NOT_EVALUATED,
            "code": missing.code,
            "reason": missing.reason,
        }
        writer.writerow([cell(values.get(field.name)) for field in fields(Row)])
    return out.getvalue()


def cell(value: str | int | None) -> str:
    """A value that no spreadsheet takes for a formula."""
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
