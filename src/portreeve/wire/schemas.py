"""JSON Schemas of the documents, for editors and for the documentation. Imports pydantic: import it late.

A schema says less than the reader: what fields mean together (twins, scopes, prefixes) only `read_documents` knows.
Source: JSON Schema 2020-12.
"""

from __future__ import annotations

from typing import Any

from portreeve.core.policy import API_VERSION
from portreeve.wire.documents import MODELS, OTHER_KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """The schema of one kind; of a kind that is not read here, only its envelope.

    Raises:
        KeyError: not a kind of ours.
    """
    if kind in OTHER_KINDS:
        return {"$schema": DIALECT, "title": kind, **_envelope(kind)}
    return {"$schema": DIALECT, **MODELS[kind].model_json_schema(by_alias=True), "title": kind}


def schemas() -> dict[str, dict[str, Any]]:
    """Kind → schema, for every kind, sorted by kind."""
    return {kind: schema(kind) for kind in sorted({*MODELS, *OTHER_KINDS})}


def _envelope(kind: str) -> dict[str, Any]:
    name = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind},
            "metadata": name,
            "spec": {"type": "object"},
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }
