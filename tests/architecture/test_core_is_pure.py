"""Core decides on values alone: what import contracts cannot see is read from the syntax tree.

Clock, randomness, files, sockets, environment and logs come in from outside, as parameters; simulation and fault tests
rest on it, and it cannot be added later.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "src" / "portreeve" / "core"
MODULES = sorted(CORE.rglob("*.py"))

ALLOWED_IMPORTS = {
    "__future__", "base64", "bisect", "collections", "dataclasses", "datetime", "difflib", "enum", "functools",
    "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math", "operator", "portreeve", "re", "string",
    "textwrap", "types", "typing", "unicodedata",
}  # fmt: skip
"""Parts of the standard library that neither see nor touch the world."""

FORBIDDEN_CALLS = {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"}
FORBIDDEN_ATTRIBUTES = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def impurities(source: str) -> Iterator[str]:
    """What a module of core must not do, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            roots = {name.partition(".")[0] for name in names} - ALLOWED_IMPORTS
            yield from (f"line {node.lineno}: imports {root}" for root in sorted(roots))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield f"line {node.lineno}: calls {node.func.id}"
        elif isinstance(node, ast.Attribute) and _dotted(node) in FORBIDDEN_ATTRIBUTES:
            yield f"line {node.lineno}: reads the clock"


def _dotted(node: ast.Attribute) -> tuple[str, str]:
    return (node.value.id if isinstance(node.value, ast.Name) else "", node.attr)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_of_core_touches_nothing_outside(module: Path) -> None:
    assert list(impurities(module.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os", "line 1: imports os"),
        ("from time import time", "line 1: imports time"),
        ("import yaml.nodes", "line 1: imports yaml"),
        ("x = open('f')", "line 1: calls open"),
        ("from datetime import datetime\nnow = datetime.now()", "line 2: reads the clock"),
        ("def f():\n    import logging", "line 2: imports logging"),
        ("import random", "line 1: imports random"),
    ],
)
def test_the_guard_sees_what_it_guards_against(source: str, found: str) -> None:
    assert found in list(impurities(source))
