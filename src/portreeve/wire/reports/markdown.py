"""Markdown for a comment on a change or a job's summary: the counts, what failed, what was not evaluated.

Foreign text stands in `<code>` with entities for whatever Markdown or HTML could act on, so that it makes no link,
mention, table cell or tag. Sources: CommonMark 0.31 (2.5, entities); GitHub Flavored Markdown (4.10, tables).
"""

from __future__ import annotations

import re
from typing import Final

from portreeve.core.findings import Finding, Inspection
from portreeve.core.manifests import NotEvaluated
from portreeve.wire.reports.text import help_uri, place_of, printable, row, tally, troubles

MAX_LENGTH: Final = 60_000
"""Characters of the whole text. Source: a comment on GitHub holds 65,536."""

MAX_CELL: Final = 600

_ACTIVE = re.compile(r"[&<>\"'`|\\*_~\[\](){}#!@$]|:(?=//)|\bw(?=ww\.)", re.IGNORECASE)


def render(inspection: Inspection, *, tool_version: str) -> str:
    """The summary; it is cut, and says so, where a comment could not hold it."""
    policy = "No policy was given"
    if inspection.policy is not None:
        policy = f"Policy {code(inspection.policy)}, stage {inspection.stage}"
    head = ["## Portreeve: may these images run?", "", f"**{tally(inspection)}**", "", policy, ""]
    foot = ["", f"<sub>portreeve {code(tool_version)}</sub>", ""]
    room = MAX_LENGTH - sum(map(len, [*head, *foot])) - 500
    body: list[str] = []
    for lines in (_findings(troubles(inspection)), _missing(inspection.not_evaluated)):
        kept = _fitting(lines, room)
        room -= sum(map(len, kept))
        body += kept
    return "\n".join([*head, *body, *foot])


def code(text: str, limit: int = MAX_CELL) -> str:
    """Foreign text as inert code."""
    inert = _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", printable(text, limit))
    return f"<code>{inert}</code>" if inert.strip() else "<code> </code>"


def _findings(findings: list[Finding]) -> list[str]:
    if not findings:
        return []
    lines = ["| Verdict | Where | Object | Image | Why |", "|---|---|---|---|---|"]
    for finding in findings:
        r = row(finding)
        image = code(r.image) + (f"<br>{code(r.canonical)}" if r.canonical and r.canonical != r.image else "")
        nearest = f"<br>nearest: {code(r.nearest)}" if r.nearest else ""
        why = f"[{r.code}]({help_uri(r.code or '')}): {code(r.reason or '')}{nearest}"
        thing = code(f"{r.kind}/{r.name}, {r.container}") + f" in {code(r.namespace)}"
        lines.append(f"| {r.verdict} | {code(f'{r.file}:{r.line}')} | {thing} | {image} | {why} |")
    return lines


def _missing(missing: tuple[NotEvaluated, ...]) -> list[str]:
    if not missing:
        return []
    lines = ["", "Not evaluated:", "", "| Where | Why |", "|---|---|"]
    return [*lines, *(f"| {code(place_of(n))} | {code(f'{n.code}: {n.reason}')} |" for n in missing)]


def _fitting(lines: list[str], room: int) -> list[str]:
    kept: list[str] = []
    for index, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            return [*kept, "", f"… and {len(lines) - index} more lines that a comment could not hold.", ""]
        kept.append(line)
    return kept
