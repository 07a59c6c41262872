"""An audit event as one line for other systems: syslog (RFC 5424) with the leaf in it, and CEF.

Both are copies for searching and alerting; what can be verified is the export. Values come from people and identity
providers: each format's own marks are escaped here, control characters were escaped before (`core.audit.escaped`).
Left out: the transport, and the line break or length that it frames a line with.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from portreeve.core.audit import Event, Outcome, encode, time_text

FACILITY: Final = 13
"""Log audit. Source: RFC 5424, section 6.2.1, table 1."""
SEVERITY: Final = {Outcome.DONE: 6, Outcome.INTENDED: 6, Outcome.REFUSED: 4, Outcome.FAILED: 3}
"""Informational, warning and error. Source: RFC 5424, section 6.2.1, table 2."""
_OUTCOMES: Final = {
    Outcome.DONE: "success",
    Outcome.INTENDED: "intended",
    Outcome.REFUSED: "failure",
    Outcome.FAILED: "failure",
}

CEF_SEVERITY: Final = {Outcome.DONE: 3, Outcome.INTENDED: 3, Outcome.REFUSED: 6, Outcome.FAILED: 5}
"""Low and medium. Source: ArcSight Common Event Format, Header Field Definitions."""
SD_ID: Final = "portreeve@32473"
"""We have no enterprise number; this one is kept for examples (RFC 5612) and belongs to nobody."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOST: Final = re.compile(r"[!-~]{1,255}")
# What ends a line for some reader but is no control character to us would still split one event into two.
_BREAKS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def rfc5424(event: Event, *, hostname: str) -> str:
    """The line without framing. `hostname` is our own; what is no host name is sent as unknown.

    Source: RFC 5424, section 6.
    """
    host = hostname if _HOST.fullmatch(hostname) else "-"
    params = " ".join(f'{name}="{_param(value)}"' for name, value in _fields(event).items())
    head = f"<{FACILITY * 8 + SEVERITY[event.outcome]}>1 {time_text(event.time)} {host} portreeve - {event.action}"
    # The message is ASCII, so it needs no byte order mark (section 6.4).
    return f"{head} [{SD_ID} {params}] {encode(event).decode('ascii')}"


def cef(event: Event, *, version: str) -> str:
    """The line in the Common Event Format, version 0. Source: ArcSight Common Event Format."""
    fields = _fields(event)
    extension = {
        "rt": str((event.time - _EPOCH) // (_EPOCH.resolution * 1000)),
        "externalId": fields["sequence"],
        "act": fields["action"],
        "outcome": _OUTCOMES[event.outcome],
        "suser": fields["principal"],
        "cs1Label": "object",
        "cs1": f"{fields['kind']}/{fields['object']}",
        "cs2Label": "request",
        "cs2": fields["request"],
    }
    for number, name in enumerate(("onBehalfOf", "environment", "project", "agent"), start=3):
        if name in fields:
            extension |= {f"cs{number}Label": name, f"cs{number}": fields[name]}
    if event.reason:
        extension["reason"] = event.reason
    header = ["CEF:0", "Portreeve", "Portreeve", version, event.action, event.action, str(CEF_SEVERITY[event.outcome])]
    body = " ".join(f"{name}={_value(value)}" for name, value in extension.items())
    return f"{'|'.join(map(_header, header))}|{body}"


def _fields(event: Event) -> dict[str, str]:
    """Name → value, without the fields that are empty."""
    agent = event.agent
    fields = {
        "sequence": str(event.sequence),
        "principal": event.actor.principal,
        "onBehalfOf": event.actor.on_behalf_of,
        "via": f"{event.actor.via.kind}:{event.actor.via.id}",
        "action": str(event.action),
        "kind": str(event.target.kind),
        "object": event.target.name,
        "environment": event.target.environment,
        "project": event.target.project,
        "outcome": str(event.outcome),
        "reason": event.reason,
        "request": event.request,
        "agent": f"{agent.id}:{agent.generation}" if agent else None,
    }
    return {name: value for name, value in fields.items() if value}


def _param(text: str) -> str:
    """Source: RFC 5424, section 6.3.3."""
    return re.sub(r'(["\\\]])', r"\\\1", _one_line(text))


def _header(text: str) -> str:
    """Source: ArcSight Common Event Format, Character Encoding."""
    return re.sub(r"([|\\])", r"\\\1", _one_line(text))


def _value(text: str) -> str:
    return re.sub(r"([=\\])", r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return _BREAKS.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)
