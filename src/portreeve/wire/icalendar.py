"""The calendar of what ends as iCalendar: an event for each end, with an alarm 30, 14, 7 and 1 days before it.

An event has the same UID whenever it is fetched, so a calendar program moves it when its end has moved. What never ends
has no day to stand on and is left out. Source: RFC 5545, 3.1 (folding at 75 octets), 3.3.11 (escapes), 3.6.1, 3.6.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Final

from portreeve.core.calendar import DAYS, Entry, Lane

MAX_OCTETS: Final = 75
"""Octets of one line, without its end. Source: RFC 5545, 3.1."""

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
"""Characters that a text may not have. Source: RFC 5545, 3.1, CONTROL."""

_SPECIAL: Final = re.compile(r"[\\;,]")


def render(entries: Iterable[Entry], now: datetime) -> str:
    """The whole file; lines end in CRLF."""
    return "".join(f"{fold(line)}\r\n" for line in _lines(entries, now))


def fold(line: str) -> str:
    """The line in pieces of at most 75 octets, never within a character."""
    pieces, piece, size = [], "", 0
    for character in line:
        octets = len(character.encode(errors="replace"))
        if size + octets > MAX_OCTETS:
            pieces.append(piece)
            # The space that a piece begins with counts.
            piece, size = "", 1
        piece, size = piece + character, size + octets
    return "\r\n ".join([*pieces, piece])


def text(value: str) -> str:
    """A value of type TEXT."""
    clean = _CONTROL.sub("", value.encode(errors="replace").decode())
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", clean).replace("\n", "\\n")


def _lines(entries: Iterable[Entry], now: datetime) -> Iterator[str]:
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Portreeve//Calendar//EN", "CALSCALE:GREGORIAN")
    yield "X-WR-CALNAME:Portreeve"
    for one in entries:
        if one.expires_at is not None:
            yield from _event(one, one.expires_at, now)
    yield "END:VCALENDAR"


def _event(entry: Entry, expires_at: datetime, now: datetime) -> Iterator[str]:
    impact = entry.impact
    summary = f"{entry.lane} {entry.name} ends"
    told = f"{impact.grants} grants, {impact.namespaces} namespaces, {impact.environments} environments hang on it."
    yield "BEGIN:VEVENT"
    yield f"UID:{entry.lane}-{sha256(entry.key.encode()).hexdigest()[:32]}@portreeve"
    yield f"DTSTAMP:{_time(now)}"
    yield f"DTSTART:{_time(expires_at)}"
    yield f"SUMMARY:{text(summary)}"
    yield f"DESCRIPTION:{text(told)}"
    yield f"CATEGORIES:{text(str(entry.lane))}"
    yield "TRANSP:TRANSPARENT"
    # A token is renewed by itself, several times a day.
    for days in DAYS if entry.lane is not Lane.TOKEN else ():
        yield from (
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"TRIGGER:-P{days}D",
            f"DESCRIPTION:{text(summary)}",
            "END:VALARM",
        )
    yield "END:VEVENT"


def _time(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")
