"""A literal secret in a Registry document: found by its field's name or by its looks, refused, never echoed.

Documents are committed to Git. A secret that reached one is to be replaced, not moved, and the message says so.
Source: rule 5 of the design ("write-only is a type"); RFC 7468 (labels of textual keys).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from portreeve.errors import Problem
from portreeve.wire.documents.problems import Location, path_of

_ENDINGS: Final = (
    "auth",
    "authorization",
    "cookie",
    "dockerconfigjson",
    "key",
    "keyjson",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
)
"""Ends of field names, without case, dashes and underscores. Names of public things go on: accessKeyId, tokenUrl."""

_HINT: Final = "name where it is found: credentialFrom: {env: NAME}; and replace the secret, as it was in a file"


def without_secrets(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The document without what looks like a secret below `spec`, and a problem for each such field."""
    problems: list[Problem] = []
    cleaned = {name: _clean(value, (name,), problems) if name == "spec" else value for name, value in document.items()}
    return cleaned, tuple(problems)


def _clean(value: Any, location: Location, problems: list[Problem]) -> Any:
    if isinstance(value, dict):
        return {
            name: _clean(inner, (*location, name), problems)
            for name, inner in value.items()
            if not _reported(name, inner, (*location, name), problems)
        }
    if isinstance(value, list):
        return [_clean(inner, (*location, index), problems) for index, inner in enumerate(value)]
    return value


def _reported(name: str, value: Any, location: Location, problems: list[Problem]) -> bool:
    bare = re.sub("[^a-z]", "", name.lower())
    if bare.endswith(_ENDINGS) or (isinstance(value, str) and "PRIVATE KEY" in value):
        problems.append(Problem("secret_in_document", "looks like a secret (not shown)", path_of(location), _HINT))
        return True
    return False
