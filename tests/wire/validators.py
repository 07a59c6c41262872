"""One validator for each kind: `jsonschema.validate` looks into the schema each time, which costs more."""

from __future__ import annotations

from functools import cache

from jsonschema import Draft202012Validator

from portreeve.wire.schemas import schema


@cache
def validator(kind: str) -> Draft202012Validator:
    """Of the schema of a kind, which test_schemas.py finds sound."""
    return Draft202012Validator(schema(kind))
