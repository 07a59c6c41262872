"""What `approve` and `deny` share: which request they are about."""

from __future__ import annotations

from urllib.parse import quote

from portreeve.cli.requests import PATH
from portreeve.errors import Invalid

WHAT = ("request",)
"""What can be decided on by these verbs; exemptions have theirs under `exempt`."""


def request_path(place: str, verb: str) -> str:
    """Where a decision on ENVIRONMENT/NAMESPACE/NAME is sent.

    Raises:
        Invalid: `usage`: it names no request.
    """
    parts = place.split("/")
    if len(parts) != 3 or not all(parts):
        hint = "portreeve requests lists them"
        raise Invalid("usage", "a request is named as ENVIRONMENT/NAMESPACE/NAME", hint=hint)
    return "/".join([PATH, *(quote(part, safe="") for part in parts), verb])
