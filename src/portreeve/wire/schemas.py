"""JSON Schemas of the documents, for editors and for the documentation. Imports pydantic: import it late.

A schema says less than the reader: what fields mean together (twins, scopes, prefixes) only `read_documents` knows.
Source: JSON Schema 2020-12.
"""

from __future__ import annotations

from typing import Any

from portreeve.wire.documents import MODELS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """The schema of one kind.

    Raises:
        KeyError: not a kind of ours.
    """
    return {"$schema": DIALECT, **MODELS[kind].model_json_schema(by_alias=True), "title": kind}


def schemas() -> dict[str, dict[str, Any]]:
    """Kind → schema, for every kind, sorted by kind."""
    return {kind: schema(kind) for kind in sorted(MODELS)}
