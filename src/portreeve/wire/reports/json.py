"""`check -o json`: the shape of documents.md in the design, every value as it was given.

Source: RFC 8259. Only ASCII is written, so that nothing in it can act on a terminal.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from portreeve.core.findings import Inspection
from portreeve.wire.reports.text import row


def render(inspection: Inspection, *, tool_version: str) -> str:  # noqa: ARG001 - one signature for all formats
    """One JSON object; `verdict` is null without a policy."""
    summary = inspection.summary
    document = {
        "policy": inspection.policy,
        "findings": [asdict(row(finding)) for finding in inspection.findings],
        "notEvaluated": [
            {"file": n.file, "line": n.line, "code": n.code, "reason": n.reason} for n in inspection.not_evaluated
        ],
        "summary": {
            "allowed": summary.allowed,
            "denied": summary.denied,
            "unknown": summary.unknown,
            "notEvaluated": summary.not_evaluated,
        },
    }
    return json.dumps(document, indent=2) + "\n"
