"""SARIF 2.1.0 for code scanning: one result per image use that is denied or unknown, and per thing not evaluated.

Fingerprints are of path, object, container and image, never of lines: moving lines keeps them. A log holds what
GitHub takes: 25,000 results per run, 20 runs; further runs are opened, what fits in none is left out, and both are said
in a notification.

Sources: OASIS SARIF 2.1.0 errata 01 (3.4 URIs, 3.11 messages, 3.27 results); GitHub, "SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from portreeve.core.findings import Finding, Inspection
from portreeve.core.manifests import NotEvaluated
from portreeve.core.policy import Stage
from portreeve.core.verdict import Decision
from portreeve.wire.reports.text import (
    DOCS_BASE,
    help_uri,
    printable,
    row,
    sentence,
    stage_of,
    tally,
    troubles,
)

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RESULTS_PER_RUN: Final = 25_000
MAX_RUNS: Final = 20
FINGERPRINT: Final = "portreeveImageUse/v1"

_LEVELS = {Stage.DENY: "error", Stage.WARN: "warning", Stage.AUDIT: "note", Stage.OFF: "note"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A result before its run is known. `identity` is what its fingerprint is made of."""

    rule: str
    level: str
    message: str
    file: str
    line: int
    identity: tuple[str, ...]
    logical: str = ""
    properties: tuple[tuple[str, str], ...] = ()


def render(inspection: Inspection, *, tool_version: str, results_per_run: int = RESULTS_PER_RUN) -> str:
    """The log; results are in the order denied, unknown, not evaluated."""
    entries = [
        *(_of_finding(finding, inspection) for finding in troubles(inspection)),
        *map(_of_missing, inspection.not_evaluated),
    ]
    results = list(_fingerprinted(entries))
    chunks = [results[i : i + results_per_run] for i in range(0, len(results), results_per_run)] or [[]]
    kept = chunks[:MAX_RUNS]
    runs = [_run(chunk, number, kept, len(results), inspection, tool_version) for number, chunk in enumerate(kept, 1)]
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=1) + "\n"


def _of_finding(finding: Finding, inspection: Inspection) -> _Entry:
    use, flat = finding.use, row(finding)
    level = _LEVELS[stage_of(finding, inspection)] if finding.decision is Decision.DENY else "warning"
    shown = {"image": use.image, "canonical": flat.canonical, "nearest": flat.nearest, "verdict": flat.verdict}
    return _Entry(
        rule=flat.code or "",
        level=level,
        message=sentence(finding),
        file=use.file,
        line=use.line,
        identity=(_path(use.file), use.kind, use.namespace, use.name, use.container, use.image),
        logical=printable(f"{use.namespace}/{use.kind}/{use.name}/{use.container}"),
        properties=tuple((name, printable(value)) for name, value in shown.items() if value),
    )


def _of_missing(missing: NotEvaluated) -> _Entry:
    return _Entry(
        rule=printable(missing.code),
        level="note",
        message=f"not evaluated: {printable(missing.reason)}",
        file=missing.file,
        line=missing.line,
        identity=(_path(missing.file), missing.code),
    )


def _fingerprinted(entries: Iterable[_Entry]) -> Iterable[tuple[_Entry, str]]:
    """Each entry with its fingerprint. The same image twice in one place is told apart by its turn, not by its line."""
    turns: Counter[tuple[str, ...]] = Counter()
    for entry in entries:
        turn = turns[entry.identity]
        turns[entry.identity] += 1
        text = json.dumps([*entry.identity, turn])
        yield entry, hashlib.sha256(text.encode()).hexdigest()


def _run(
    results: list[tuple[_Entry, str]],
    number: int,
    chunks: list[list[tuple[_Entry, str]]],
    total: int,
    inspection: Inspection,
    tool_version: str,
) -> Json:
    rules = sorted({entry.rule for entry, _ in results})
    index = {rule: i for i, rule in enumerate(rules)}
    suffix = f"{number}/" if len(chunks) > 1 else ""
    return {
        "tool": {
            "driver": {
                "name": "portreeve",
                "version": printable(tool_version),
                "informationUri": DOCS_BASE,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "automationDetails": {"id": f"portreeve/check/{suffix}"},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": _notifications(number, chunks, total, inspection),
            }
        ],
        "columnKind": "utf16CodeUnits",
        "results": [_result(entry, fingerprint, index[entry.rule]) for entry, fingerprint in results],
        "properties": {"policy": printable(inspection.policy or ""), "summary": tally(inspection)},
    }


def _notifications(
    number: int, chunks: list[list[tuple[_Entry, str]]], total: int, inspection: Inspection
) -> list[Json]:
    notes: list[tuple[str, str]] = [("note", tally(inspection))]
    if len(chunks) > 1:
        notes.append(("note", f"run {number} of {len(chunks)}: a run holds {len(chunks[0])} results of {total}"))
    if (left_out := total - sum(map(len, chunks))) and number == len(chunks):
        notes.append(("warning", f"{left_out} of {total} results are left out: a log holds {MAX_RUNS} runs"))
    return [{"level": level, "message": {"text": text}} for level, text in notes]


def _rule(code: str) -> Json:
    text = code.replace("_", " ")
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("_")) or "Rule",
        "shortDescription": {"text": message(text) or "?"},
        "fullDescription": {"text": f"{message(text)}: see {help_uri(code)}"},
        "helpUri": help_uri(code),
        "help": {"text": f"What happened, why, and what to do: {help_uri(code)}"},
        "properties": {"tags": ["security", "container-image"]},
    }


def _result(entry: _Entry, fingerprint: str, rule_index: int) -> Json:
    physical: Json = {"artifactLocation": artifact(entry.file)}
    if entry.line > 0:
        physical["region"] = {"startLine": entry.line}
    location: Json = {"physicalLocation": physical}
    if entry.logical:
        location["logicalLocations"] = [{"fullyQualifiedName": entry.logical, "kind": "resource"}]
    return {
        "ruleId": entry.rule,
        "ruleIndex": rule_index,
        "level": entry.level,
        "message": {"text": message(entry.message)},
        "locations": [location],
        "partialFingerprints": {FINGERPRINT: fingerprint},
        "properties": dict(entry.properties),
    }


def message(text: str) -> str:
    """Text in which nothing is a placeholder or a link (3.11.5, 3.11.6)."""
    braces = text.replace("{", "{{").replace("}", "}}")
    return braces.replace("[", "\\[").replace("]", "\\]") if "](" in braces else braces


def _path(file: str) -> str:
    return posixpath.normpath(file) if file != "-" else "stdin"


def artifact(file: str) -> Json:
    """Where the file is: relative to the root of the repository, or absolute if it was named so."""
    path = _path(file)
    # Names of files may hold bytes that are no UTF-8; Python carries those as surrogates.
    encoded = quote(path.encode("utf-8", "surrogatepass"), safe="/-._~")
    if path.startswith("/"):
        return {"uri": f"file:///{encoded.lstrip('/')}"}
    return {"uri": encoded, "uriBaseId": "%SRCROOT%"}
