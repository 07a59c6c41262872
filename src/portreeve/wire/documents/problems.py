"""From a validator's errors to `Problem`s that a person can act on: field paths, stable codes, hints.

Nothing here echoes a value: a mistyped document may hold a secret anywhere. It does not know the validator
either: errors come as the plain dictionaries of `ValidationError.errors()`, known names as a `Names` tree.

Source: pydantic, "Validation errors" (the values of `type`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portreeve.core.reference import shown
from portreeve.errors import Problem

Location = Sequence[str | int]

WORD = "<word>"
MAPPING = "<mapping>"
"""Names of the two forms of a field that takes either (`scope: Global`, `scope: {namespaces: […]}`). The validator
puts them into its locations; they are no part of a path."""


@dataclass(frozen=True, slots=True)
class Names:
    """The field names of one level of a document, each with what lies below; a leaf has none."""

    fields: Mapping[str, Names] = field(default_factory=dict)

    def at(self, location: Location) -> Names:
        """The level that a location leads to; list indexes stay on the same level."""
        level = self
        for step in location:
            if isinstance(step, str):
                level = level.fields.get(step, Names())
        return level

    def paths(self, name: str, above: str = "") -> list[str]:
        """Every path at which a field of this name exists, in the order of the fields."""
        found: list[str] = []
        for own, below in self.fields.items():
            here = f"{above}.{own}" if above else own
            found += [here] if own == name else []
            found += below.paths(name, here)
        return found


def path_of(location: Location) -> str:
    """A location as text: `spec.restrict.allowedSources[3].prefix`. Foreign names are escaped."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{shown(step, 60)}" if text else shown(step, 60)
    return text


def to_problem(error: Mapping[str, Any], names: Names) -> Problem:
    """One error of the validator as a problem."""
    location: Location = [step for step in error["loc"] if step not in {WORD, MAPPING}]
    where = path_of(location)
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return Problem("field_missing", "is missing", where, _FORMS.get(where.rpartition(".")[2], ""))
        case "extra_forbidden":
            return Problem("field_unknown", "is not a field of this document", where, _nearest(location, names))
        case "enum" | "literal_error":
            hint = _FORMS.get(where.rpartition(".")[2]) or f"write {context['expected']}"
            return Problem("field_value", "is not one of the allowed values", where, hint)
        case "string_type" | "bool_type" | "bool_parsing" | "int_parsing" | "int_type":
            return Problem("field_type", error["msg"].lower(), where, "numbers as text need quotes")
        case "list_type" | "tuple_type":
            return Problem("field_type", "must be a list", where)
        case "model_type" | "dict_type" | "model_attributes_type":
            return Problem("field_type", "must be a mapping", where)
        case "too_short" | "string_too_short":
            return Problem("field_empty", "must not be empty", where)
        case code:
            return Problem(str(code), str(error["msg"]), where, str(context.get("hint", "")))


_FORMS = {
    "scope": "write scope: Global, or scope: {namespaces: […]}",
    "serviceAccounts": "write default, all, none, {names: […]} or {selector: …}",
}


def _nearest(location: Location, names: Names) -> str:
    """The name that was probably meant: misspelled on this level, or right but on another one."""
    unknown = str(location[-1])
    if elsewhere := names.paths(unknown):
        return f"it belongs at {elsewhere[0]}"
    known = list(names.at(location[:-1]).fields)
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(unknown[:80].lower(), folded, n=1, cutoff=0.6)
    if near:
        return f"did you mean {folded[near[0]]}?"
    return f"known here: {', '.join(known)}" if known else ""
