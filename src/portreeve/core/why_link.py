"""The link of an admission message: the page that explains the refusal, to whoever holds the message.

    https://portreeve.example.com/why#TOKEN/NAMESPACE/IMAGE

TOKEN belongs to one policy in one environment and cannot be guessed: the message is the permission to ask why. All of
it is a fragment, which no browser sends and no proxy logs. Up to NAMESPACE it is one constant of the compiled policy;
what follows is written by CEL, which encodes nothing, so only what may stand in a fragment as it is gets there.

Left out: how a token comes about (`server.why`). Source: RFC 3986, section 3.5.
"""

from __future__ import annotations

import re
from typing import Final

PAGE: Final = "why"
MAX_ADDRESS: Final = 500
"""Characters: the message has room for them beside eight images (`core.expressions`)."""

TOKEN_PATTERN: Final = "[A-Za-z0-9_-]{24}"  # noqa: S105 -- the form of one
_ADDRESS: Final = r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~-]+)*"
_URL: Final = re.compile(rf"{_ADDRESS}/{PAGE}#{TOKEN_PATTERN}/")


def why_url(address: str, token: str) -> str:
    """The link up to the namespace; "" if the address is none that may stand in a message."""
    found = f"{address}/{PAGE}#{token}/"
    return found if is_why_url(found) else ""


def is_why_url(text: str) -> bool:
    """Whether the text is such a link, up to the namespace."""
    return len(text) <= MAX_ADDRESS + len(PAGE) + 32 and _URL.fullmatch(text) is not None
