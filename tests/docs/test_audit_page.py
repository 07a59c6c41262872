"""docs/spec/audit.md: its example verifies with its key, and it names every field, action and kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

from portreeve.core.audit import Action, ObjectKind, Outcome, ViaKind
from portreeve.core.audit_export import Entry, parse_line
from portreeve.core.audit_verify import Result, Trust, verify
from portreeve.core.checkpoint import parse_key
from portreeve.vault import notes

PAGE = (Path(__file__).parents[2] / "docs/spec/audit.md").read_text(encoding="utf-8")
FIELDS = PAGE.partition("## Fields")[2].partition("## Working with it")[0]


def block(language: str) -> str:
    found = re.search(f"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def lines() -> list[bytes]:
    return block("json").encode().splitlines(keepends=True)


def test_the_example_is_intact() -> None:
    report = verify(lines(), Trust((parse_key(block("text").strip()),), notes.verify))
    assert (report.result, report.events, report.checkpoints) == (Result.INTACT, 2, 1)


def test_the_page_names_every_field() -> None:
    def names(value: object, path: str = "") -> set[str]:
        if not isinstance(value, dict):
            return {path}
        return {name for key, below in value.items() for name in names(below, f"{path}.{key}".strip("."))}

    fields = set().union(
        *(names(json.loads(item.leaf)) for item in map(parse_line, lines()) if isinstance(item, Entry))
    )
    assert len(fields) == 19
    assert {name for name in fields if f"`{name}`" not in FIELDS} == set()


def test_the_page_names_every_value() -> None:
    values = {*Action, *ObjectKind, *Outcome, *ViaKind}
    assert {str(value) for value in values if f"`{value}`" not in FIELDS} == set()
