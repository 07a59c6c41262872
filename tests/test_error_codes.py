"""Every stable code has a heading in docs/errors.md: codes are collected from the source, not from a list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from portreeve.core.audit_verify import Fault
from portreeve.core.reference import Refusal
from portreeve.core.verdict import Code

ROOT = Path(__file__).parent.parent
CODE = re.compile("[a-z][a-z0-9_]*")

# callable → position of the code among its arguments. Methods count by their last name.
POSITIONS = {
    "Problem": 0,
    "Invalid": 0,
    "InvalidPrefix": 0,
    "Denied": 0,
    "NotFound": 0,
    "Conflict": 0,
    "Unavailable": 0,
    "TimedOut": 0,
    "Stalled": 0,
    "Unauthenticated": 0,
    "Outdated": 0,
    "Unconfirmed": 0,
    "Throttled": 0,
    "TooBusy": 0,
    "Gone": 0,
    "Exists": 0,
    "NamespaceEnding": 0,
    "Rejected": 1,
    "PortreeveError": 0,
    "_refused": 0,
    "_JsonError": 0,
    "_Refused": 0,
    "_RefusedError": 0,
    "JsonError": 2,
    "NotEvaluated": 2,
    "Broken": 2,
    "not_evaluated": 0,
    "Hold": 1,
}

# Codes that a reader of files gives, wherever it lives.
READING = {
    "alias_bomb",
    "binary",
    "chart_not_rendered",
    "duplicate_key",
    "encoding",
    "image_missing",
    "image_not_text",
    "kustomization_not_rendered",
    "not_found",
    "not_recognised",
    "shape",
    "template",
    "too_deep",
    "too_large",
    "unreadable",
    "yaml_syntax",
}


def codes_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        position = POSITIONS.get(name)
        named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        placed = [] if position is None else node.args[position : position + 1]
        for value in [*placed, *(named if position is not None else [])]:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and CODE.fullmatch(value.value):
                yield value.value


def codes() -> set[str]:
    found = set(READING) | set(Code) | set(Refusal) | set(Fault)
    for path in (ROOT / "src/portreeve").rglob("*.py"):
        found.update(codes_in(path.read_text(encoding="utf-8")))
    return {str(code) for code in found}


def headings() -> list[str]:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    return re.findall("^### (.+)$", text, re.MULTILINE)


def test_every_code_has_a_heading() -> None:
    assert sorted(codes() - set(headings())) == []


def test_no_heading_stands_twice() -> None:
    assert len(set(headings())) == len(headings())


def test_every_heading_has_a_few_lines_that_say_what_to_do() -> None:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    for section in re.split("^### ", text, flags=re.MULTILINE)[1:]:
        body = section.split("\n## ")[0].strip().splitlines()[1:]
        assert 2 <= len([line for line in body if line.strip()]) <= 6, section


def test_codes_are_found_wherever_they_are_raised() -> None:
    assert set(
        codes_in('raise Invalid("one", "…"); Problem(code="two", message="…"); self.not_evaluated("three", x)')
    ) == {
        "one",
        "two",
        "three",
    }
