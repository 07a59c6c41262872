"""Which addresses we talk to at all, and how an address is shown.

Left out: where a name leads. For addresses that users enter there is `outward`, which asks `address_rules`; what goes
through `session` is in the settings of whoever runs Portreeve.

Sources: RFC 3986 section 3; RFC 6761 section 6.3 (localhost is loopback).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from portreeve.errors import Invalid

HIDDEN_ADDRESS: Final = "(an address that cannot be shown)"

_WRITTEN: Final = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without the backslash: readers disagree about where a host ends at one, and some drop spaces."""


def parsed(url: str) -> SplitResult:
    """The parts of an address that we may talk to.

    Raises:
        Invalid: not https (or http to this machine), without a host, or with a user, password or fragment in it.
    """
    parts = split(url)
    if parts is None:
        raise _refused("an address cannot be read as one")
    if "@" in parts.netloc:
        raise _refused("an address holds a user or password", "credentials have settings of their own")
    if "#" in url:
        raise _refused("an address holds a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise _refused(f"{redacted(url)} is not encrypted", "use https; http is for this machine alone")
    if parts.scheme not in {"http", "https"}:
        raise _refused("an address is neither https nor http")
    return parts


def redacted(url: str) -> str:
    """An address for a message: scheme, host, port and path. User, password, query and fragment are never shown."""
    parts = split(url)
    if parts is None:
        return HIDDEN_ADDRESS
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its very name or number; no name is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split(url: str) -> SplitResult | None:
    """The parts of any address, or None for what has no host or cannot be split.

    urllib's own message would quote the address.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and _WRITTEN.fullmatch(url) is not None
    except ValueError:
        return None
    return parts if usable else None


def _refused(message: str, hint: str = "write it as https://host.example.com/path") -> Invalid:
    return Invalid("url_refused", message, hint=hint)
