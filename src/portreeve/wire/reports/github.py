"""Workflow commands: annotations on the lines of a change.

Source: GitHub Actions, "Workflow commands"; escaping as in actions/toolkit, packages/core/src/command.ts. The runner
reads one command per line, so other control characters are made printable first.
"""

from __future__ import annotations

from portreeve.core.findings import Finding, Inspection
from portreeve.core.policy import Stage
from portreeve.core.verdict import Decision
from portreeve.wire.reports.text import printable, sentence, stage_of, tally, troubles

_ORDER = ("::error", "::warning", "::notice")
_LEVELS = {Stage.DENY: "error", Stage.WARN: "warning", Stage.AUDIT: "notice", Stage.OFF: "notice"}


def render(inspection: Inspection, *, tool_version: str) -> str:  # noqa: ARG001 - one signature for all formats
    """One command per trouble, errors first, as only the first ten of a level are shown. The counts come last."""
    lines = [_annotation(finding, inspection) for finding in troubles(inspection)]
    lines += [
        command("warning", f"not evaluated: {printable(n.reason)}", file=n.file, line=n.line, title=n.code)
        for n in inspection.not_evaluated
    ]
    lines.sort(key=lambda line: next(i for i, level in enumerate(_ORDER) if line.startswith(level)))
    return "\n".join([*lines, command("notice", tally(inspection), title="portreeve"), ""])


def _annotation(finding: Finding, inspection: Inspection) -> str:
    denied = finding.decision is Decision.DENY
    level = _LEVELS[stage_of(finding, inspection)] if denied else "warning"
    title = str(finding.verdict.reasons[0].code) if finding.verdict else ""
    return command(level, sentence(finding), file=finding.use.file, line=finding.use.line, title=title)


def command(level: str, message: str, *, file: str = "", line: int = 0, title: str = "") -> str:
    """`::level file=…,line=…,title=…::message`; what is empty is left out."""
    values = {"file": file, "line": str(line) if line > 0 else "", "title": title}
    properties = ",".join(f"{name}={_property(printable(value))}" for name, value in values.items() if value)
    return f"::{level}{' ' if properties else ''}{properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
