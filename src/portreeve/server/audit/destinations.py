"""Where copies of the log go, as the operator writes it in the setting `audit_sinks`.

    file:/var/log/portreeve/audit.jsonl
    syslog+tls://siem.example.com:6514?ca-file=/etc/portreeve/siem.pem
    cef+udp://siem.example.com:514
    webhook+https://hooks.example.com/portreeve?secret-file=/etc/portreeve/hook.secret

These addresses come from the settings alone, never from a document or a request, so they are trusted: private and
loopback ones are contacted without standing in `private_addresses`. A secret is named by its file. What is refused is
not repeated, as it may hold one. Source: docs/spec/audit.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from portreeve.errors import Invalid

MOST: Final = 4
"""Each may hold one of eight connections to the database while it sends."""


class Form(StrEnum):
    """What is sent."""

    LEAVES = "file"
    SYSLOG = "syslog"
    CEF = "cef"
    EVENTS = "webhook"


class Transport(StrEnum):
    """By what it is sent."""

    FILE = ""
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"


@dataclass(frozen=True, slots=True)
class Destination:
    """One sink. `name` is its row's key and may be shown; it holds no path of a webhook, as some are secrets."""

    name: str
    form: Form
    transport: Transport
    host: str = ""
    port: int = 0
    path: str = ""
    ca_file: Path | None = None
    secret_file: Path | None = None


_PORTS: Final = {Transport.UDP: 514, Transport.TCP: 601, Transport.TLS: 6514, Transport.HTTPS: 443}
"""Sources: RFC 5426, RFC 3195 (as syslog-ng uses it), RFC 5425, RFC 9110."""

_SOCKETS: Final = {
    f"{form}+{transport}": (form, transport)
    for form in (Form.SYSLOG, Form.CEF)
    for transport in (Transport.UDP, Transport.TCP, Transport.TLS)
}
_HOST: Final = re.compile(r"[A-Za-z0-9:](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
_VISIBLE: Final = re.compile(r"[!-~]{1,2048}")


def parse_all(texts: Sequence[str]) -> tuple[Destination, ...]:
    """Read the setting.

    Raises:
        Invalid: `audit_sink`, naming the sink by its number.
    """
    if len(texts) > MOST:
        raise Invalid("audit_sink", f"there are {len(texts)} audit sinks; {MOST} are the most")
    found = []
    for number, text in enumerate(texts, start=1):
        try:
            found.append(_parsed(text))
        except ValueError as wrong:
            hint = "docs/spec/audit.md shows each kind; what was written is not shown, as it may hold a secret"
            raise Invalid("audit_sink", f"audit sink {number}: {wrong}", hint=hint) from None
    if len({one.name for one in found}) != len(found):
        raise Invalid("audit_sink", "two audit sinks are the same one")
    return tuple(found)


def _parsed(text: str) -> Destination:
    if not _VISIBLE.fullmatch(text):
        raise ValueError("it is empty, too long, or holds spaces or other characters that must be encoded")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("it is no URI") from None
    if parts.fragment or parts.username is not None or parts.password is not None:
        raise ValueError("it holds a fragment, a user or a password")
    if parts.scheme == "file":
        return _file(parts)
    if parts.scheme in _SOCKETS:
        form, transport = _SOCKETS[parts.scheme]
        if parts.path not in {"", "/"}:
            raise ValueError("it has a path")
        options = _options(parts, {"ca-file"} if transport is Transport.TLS else set())
    elif parts.scheme == "webhook+https":
        form, transport = Form.EVENTS, Transport.HTTPS
        options = _options(parts, {"ca-file", "secret-file"})
        if "secret-file" not in options:
            raise ValueError("a webhook needs secret-file: without it a receiver cannot tell who sends")
    else:
        raise ValueError("its scheme is none of file, syslog+…, cef+… and webhook+https")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise ValueError("it names no host")
    found = port if port is not None else _PORTS[transport]
    shown = f"[{host}]" if ":" in host else host
    name = f"{parts.scheme}://{shown}:{found}"
    path = parts.path or "/"
    if form is Form.EVENTS:
        name += f"#{sha256(path.encode()).hexdigest()[:8]}"
    return Destination(name, form, transport, host, found, path, options.get("ca-file"), options.get("secret-file"))


def _file(parts: SplitResult) -> Destination:
    path = unquote(parts.path)
    if parts.netloc or parts.query or not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError("a file is file:/PATH with an absolute path, and nothing else")
    return Destination(f"file:{path}", Form.LEAVES, Transport.FILE, path=path)


def _options(parts: SplitResult, known: set[str]) -> dict[str, Path]:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=4)
    except ValueError:
        raise ValueError("its options cannot be read") from None
    found = {name: Path(value) for name, value in pairs}
    if len(found) != len(pairs) or found.keys() - known:
        raise ValueError(f"its options are none of {', '.join(sorted(known)) or 'none'}, each once")
    if not all(path.is_absolute() for path in found.values()):
        raise ValueError("an option is no absolute path")
    return found
