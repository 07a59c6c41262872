"""JSONPath templates: text with paths, and what a document answers to them. `jsonpath_reader` reads them.

What is not there is nothing, as with kubectl; a name that is asked of a list is an error here, as whoever did so forgot
`[*]`. Source: kubernetes.io, "JSONPath Support"; client-go, `util/jsonpath`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, NoReturn, TypeAlias

from portreeve.errors import Invalid


@dataclass(frozen=True, slots=True)
class Key:
    """What stands under a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Deep:
    """What stands under a name, at any depth."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """One entry of a list; from its end, if it is negative."""

    at: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Some entries of a list."""

    bounds: slice


@dataclass(frozen=True, slots=True)
class Each:
    """Every entry of a list, every value of an object."""


@dataclass(frozen=True, slots=True)
class Union:
    """What several steps find, one after the other."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the template itself."""

    value: Any


@dataclass(frozen=True, slots=True)
class Filter:
    """The entries of a list for which the comparison holds; without an operator, those for which `left` is there."""

    left: Path | Literal
    operator: str = ""
    right: Path | Literal = Literal(None)


Step: TypeAlias = Key | Deep | Index | Slice | Each | Union | Filter


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from where one is, or from the whole document."""

    steps: tuple[Step, ...]
    from_root: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """Its body for each value of a path."""

    path: Path
    body: tuple[Part, ...]


Part: TypeAlias = str | Path | Range


def rendered(parts: Sequence[Part], document: Any, shown: Callable[[Any], str]) -> str:
    """The template's text for a document. `shown` makes a value a text.

    Raises:
        Invalid: `usage`: a name is asked of a list, or a number of an object.
    """
    return "".join(_rendered(parts, document, document, shown))


def _rendered(parts: Sequence[Part], here: Any, root: Any, shown: Callable[[Any], str]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Path):
            yield " ".join(map(shown, values(part, here, root)))
        else:
            for one in values(part.path, here, root):
                yield from _rendered(part.body, one, root, shown)


def values(path: Path, here: Any, root: Any) -> list[Any]:
    """What a path finds, in the document's order; empty where there is nothing.

    Raises:
        Invalid: as `rendered`.
    """
    found = [root if path.from_root else here]
    for step in path.steps:
        found = [inner for value in found for inner in _taken(step, value, root)]
    return found


def _taken(step: Step, value: Any, root: Any) -> Sequence[Any]:
    match step:
        case Key(name):
            if isinstance(value, list):
                _misplaced(
                    f".{name} is asked of a list", f"write [*].{name} for each of its entries, [0].{name} for one"
                )
            return [value[name]] if isinstance(value, Mapping) and name in value else []
        case Deep(name):
            return [*_deep(name, value)]
        case Each():
            return [*value.values()] if isinstance(value, Mapping) else value if isinstance(value, list) else []
        case Union(steps):
            return [inner for one in steps for inner in _taken(one, value, root)]
        case _:
            if isinstance(value, Mapping):
                _misplaced("an entry of a list is asked of an object", f"it has the names {', '.join(map(str, value))}")
            return _of_list(step, value, root) if isinstance(value, list) else []


def _of_list(step: Index | Slice | Filter, value: list[Any], root: Any) -> list[Any]:
    match step:
        case Index(at):
            return [value[at]] if -len(value) <= at < len(value) else []
        case Slice(bounds):
            return value[bounds]
        case _:
            return [one for one in value if _holds(step, one, root)]


def _deep(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping) and name in value:
        yield value[name]
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _deep(name, inner)


def _holds(step: Filter, entry: Any, root: Any) -> bool:
    left = _operands(step.left, entry, root)
    if not step.operator or not left:
        return bool(left)
    right = _operands(step.right, entry, root)
    if not right:
        return False
    one, other = left[0], right[0]
    if step.operator in {"==", "!="}:
        # True is no 1 in JSON.
        equal = one == other and isinstance(one, bool) == isinstance(other, bool)
        return equal == (step.operator == "==")
    if not (_ordered(one) and _ordered(other) and isinstance(one, str) == isinstance(other, str)):
        return False
    return bool({"<": lt, "<=": le, ">": gt, ">=": ge}[step.operator](one, other))


def _ordered(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _operands(side: Path | Literal, entry: Any, root: Any) -> list[Any]:
    return [side.value] if isinstance(side, Literal) else values(side, entry, root)


def _misplaced(what: str, fix: str) -> NoReturn:
    raise Invalid("usage", f"jsonpath: {what}", hint=fix)
