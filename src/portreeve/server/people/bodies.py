"""Bodies of a few named fields. A secret is wrapped where it is read, and what was sent is repeated in no message."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Problem
from portreeve.server.http.problems import Rejected

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def fields(body: Any, *, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """The body, which has these fields and no others; null counts as absent.

    Raises:
        Rejected: 400 `body_type`: it is no mapping.
        Invalid: `request_invalid`.
    """
    if not isinstance(body, dict):
        raise Rejected(400, "body_type", "the body must be a JSON object")
    found = {name: value for name, value in body.items() if value is not None}
    for name in required:
        if name not in found:
            raise wrong(name, "is missing")
    # A field's own name is not repeated either: it may be a password in the wrong place.
    if set(found) - {*required, *optional}:
        raise wrong("", f"there are fields besides {', '.join([*required, *optional])}")
    return found


def text(found: dict[str, Any], name: str, most: int) -> str:
    """A field of 1 to `most` characters without control characters.

    Raises:
        Invalid: `request_invalid`.
    """
    value = found[name]
    if not isinstance(value, str) or not 0 < len(value) <= most or _CONTROLS.search(value):
        raise wrong(name, f"must be text of 1 to {most} characters, without control characters")
    return value


def secret(found: dict[str, Any], name: str) -> SecretValue:
    """A field that nobody sees again: it is taken out of the body.

    Raises:
        Invalid: `request_invalid`.
    """
    value = found.pop(name)
    if not isinstance(value, str) or not value:
        raise wrong(name, "must be text, and not empty")
    return SecretValue(value)


def wrong(field: str, message: str) -> Invalid:
    """What is wrong with one field."""
    problem = Problem("parameter", message, field)
    return Invalid("request_invalid", "the request's body cannot be used", problems=(problem,))
