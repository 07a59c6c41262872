"""A subject's rows are its own: no other subject of the server reads or writes them through its store.

The rows of documents are everybody's, as every change is one of documents (docs/adr/0013).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SERVER = Path(__file__).parents[2] / "src/portreeve/server"
SHARED = frozenset({"documents"})


def stores_of_others(source: str, subject: str) -> Iterator[str]:
    """The stores of other subjects that a module imports."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[:2] == ["portreeve", "server"] and parts[3:4] == ["store"] and parts[2] not in {subject, *SHARED}:
                yield name


def test_no_subject_reaches_into_the_rows_of_another() -> None:
    found = {
        f"{path.relative_to(SERVER)}: {name}"
        for path in SERVER.rglob("*.py")
        for name in stores_of_others(path.read_text(encoding="utf-8"), path.relative_to(SERVER).parts[0])
    }
    assert found == set()


def test_reaching_into_the_rows_of_another_is_seen() -> None:
    reaching = "from portreeve.server.plans import store\nimport portreeve.server.people.store\n"
    reaching += "from portreeve.server.plans.store import find\n"
    assert set(stores_of_others(reaching, "documents")) == {
        "portreeve.server.plans.store",
        "portreeve.server.people.store",
        "portreeve.server.plans.store.find",
    }
    assert list(stores_of_others(reaching.replace("people", "plans"), "plans")) == []
    assert list(stores_of_others("from portreeve.server.documents import store", "images")) == []
