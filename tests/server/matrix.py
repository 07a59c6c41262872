"""The authorisation matrix: cells of tests/cases/operations.yaml, each as one HTTP request and what its answer says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from tests.server.scene import CALLERS, Scene
from tests.server.stream import begin_of_stream

CASES: Final = Path(__file__).parents[1] / "cases/operations.yaml"
WHERE: Final = "add it to tests/cases/operations.yaml, with a row of letters for each tenancy"

_DEFAULTS: Final = {"form": "json", "purpose": "pull"}
_WORDS: Final = frozenset(
    {"answers", "stream", "document", "path", "query", "body", "headers", "accept", "before", "refusal"}
)


@dataclass(frozen=True)
class Operation:
    """One operation of the OpenAPI document, and what is expected of it."""

    id: str
    method: str
    path: str
    expected: Mapping[str, Any]

    @property
    def rows(self) -> Mapping[str, str]:
        """Tenancy → letters."""
        return {name: row for name, row in self.expected.items() if name not in _WORDS}

    @property
    def plural(self) -> str:
        """What the path names first: "registries" of /api/v1/registries/{name}/credentials/{purpose}."""
        return self.path.removeprefix("/api/v1/").partition("/")[0].partition(".")[0].partition("?")[0]


@dataclass(frozen=True)
class Cell:
    """One caller, one operation, one object. `yes`: they may."""

    operation: Operation
    tenancy: str
    letter: str
    yes: bool

    def __str__(self) -> str:
        return f"{self.operation.id}/{self.tenancy}/{self.letter}"


@cache
def expectations() -> Mapping[str, Mapping[str, Any]]:
    """Operation id → what stands in the file."""
    found: dict[str, Mapping[str, Any]] = {}
    for names, expected in yaml.load(CASES.read_text(encoding="utf-8"), yaml.BaseLoader).items():
        for name in names.split():
            assert name not in found, f"{name} stands twice in {CASES.name}"
            found[name] = expected
    return found


def described(document: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Operation id → method and path, of an OpenAPI document."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def operation(document: Mapping[str, Any], name: str) -> Operation:
    """One operation with its expectations."""
    method, path = described(document)[name]
    return Operation(name, method, path, expectations()[name])


def cells(one: Operation) -> Iterator[Cell]:
    """Its cells, row by row."""
    for tenancy, row in one.rows.items():
        assert len(row) == len(CALLERS), (one.id, tenancy, row)
        for letter, sign in zip(CALLERS, row, strict=True):
            assert sign in {letter, "."}, (one.id, tenancy, row)
            yield Cell(one, tenancy, letter, sign == letter)


async def ask(scene: Scene, cell: Cell) -> httpx2.Response:
    """The request of a cell."""
    one = cell.operation
    if "before" in one.expected:
        setting = operation(scene.plane.app.state.described, one.expected["before"])
        await _send(scene, Cell(setting, cell.tenancy, "P", yes=True))
    return await _send(scene, cell)


async def _send(scene: Scene, cell: Cell) -> httpx2.Response:
    one, names = cell.operation, scene.names(cell.tenancy, cell.letter)
    words = {
        **_DEFAULTS,
        **names,
        "name": names.get(one.plural, ""),
        "plan_id": names["plans"],
    }
    words |= {word: text.format_map(words) for word, text in one.expected.get("path", {}).items()}
    path = one.path.format_map(words)
    query = {name: value.format_map(words) for name, value in one.expected.get("query", {}).items()}
    headers = dict(one.expected.get("headers", {}))
    body: Any = one.expected.get("body")
    if body == "{plan}":
        body = scene.plan(cell.tenancy)
    if body == "{draft}":
        body = {"document": scene.document("policies", cell.tenancy, cell.letter)}
    if "document" in one.expected:
        body = scene.document(one.plural, cell.tenancy, cell.letter)
        if one.method == "POST" and cell.tenancy == "none":
            # Where nothing refuses it, it is stored: so each caller takes a name of their own.
            body["metadata"]["name"] += f"-{cell.letter.lower()}"
    if one.method in {"PUT", "DELETE"} and one.path.endswith("/{name}") and cell.tenancy != "same":
        headers["If-Match"] = '"x.1"'
    client = scene.clients[cell.letter]
    if "stream" in one.expected:
        return await begin_of_stream(client, path, query)
    sent: dict[str, Any] = {} if body is None else {"json": body}
    return await client.request(one.method, path, params=query, headers=headers, **sent)


def wrong(scene: Scene, cell: Cell, answer: httpx2.Response) -> str:
    """Why the answer is not the one of this cell; "" if it is."""
    one, told = cell.operation, f"{cell} answered {answer.status_code} {answer.text[:300]!r}"
    if cell.letter == "X" and not cell.yes:
        return "" if (answer.status_code, _code(answer)) == (401, "unauthenticated") else told
    if one.expected.get("answers") == "list":
        name = scene.names(cell.tenancy, cell.letter)[scene_word(one)]
        shown = answer.status_code == 200 and name in answer.text
        return "" if answer.status_code == 200 and shown == cell.yes else told
    if cell.yes:
        passed = answer.is_success or f"{answer.status_code} {_code(answer)}" in one.expected.get("accept", ())
        return "" if passed else told
    refusal = one.expected.get("refusal", "404 not_found")
    return "" if f"{answer.status_code} {_code(answer)}" == refusal else told


def scene_word(one: Operation) -> str:
    """Which name a list is looked through for."""
    return str(one.expected.get("query", {}).get("kind", one.plural))


def told(scene: Scene, cell: Cell, answer: httpx2.Response) -> str:
    """What a refusal says, without the names of what was asked for and without the request's id."""
    body = answer.json()
    body.pop("request", None)
    text = json.dumps(body, sort_keys=True)
    names = scene.names(cell.tenancy, cell.letter)
    for word, name in sorted(names.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(f"{name}-{cell.letter.lower()} ", f"{word} ").replace(name, word) if name else text
    return text


async def red(scene: Scene, one: Operation, only: str = "") -> list[tuple[Cell, str]]:
    """The cells of an operation whose answers are not theirs, and why; of one tenancy alone, if it is named."""
    found: list[tuple[Cell, str]] = []
    heard: dict[str, dict[str, str]] = {}
    asked = [cell for cell in cells(one) if only in {"", cell.tenancy}]
    for tenancy in dict.fromkeys(cell.tenancy for cell in asked):
        row = [cell for cell in asked if cell.tenancy == tenancy]
        for cell, answer in zip(row, await _answers(scene, row), strict=True):
            if why := wrong(scene, cell, answer):
                found.append((cell, why))
            elif answer.status_code == 404:
                before = heard.setdefault(cell.letter, {})
                text = told(scene, cell, answer)
                if any(text != earlier for earlier in before.values()):
                    found.append((cell, f"{cell} can be told from {sorted(before)}: {text}"))
                before[cell.tenancy] = text
    return found


async def _answers(scene: Scene, row: list[Cell]) -> list[httpx2.Response]:
    """The answers to a row. Side by side, as that is quicker; one by one where each needs a state of its own."""
    if "before" in row[0].operation.expected:
        return [await ask(scene, cell) for cell in row]
    return await asyncio.gather(*(ask(scene, cell) for cell in row))


def _code(answer: httpx2.Response) -> str:
    found = answer.headers.get("content-type", "")
    return str(answer.json().get("code")) if found.startswith("application/problem+json") else ""
