"""The lines of an audit export: JSON Lines, one event or checkpoint each, in one spelling.

    {"event":{…},"type":"event"}
    {"checkpoint":"origin\\n300\\n…","type":"checkpoint"}

The bytes between the colon and the comma before the type are the leaf itself, so a verifier of few lines can take
them as they are. An export begins with the first event; a checkpoint stands directly behind the last event it covers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from portreeve.core.audit import Event, decode, encode
from portreeve.core.checkpoint import Note, parse
from portreeve.errors import Invalid

MAX_LINE_BYTES: Final = 65_536
"""More than the longest event, and than the longest checkpoint with every byte escaped in JSON."""

_EVENT: Final = (b'{"event":', b',"type":"event"}\n')
_CHECKPOINT: Final = (b'{"checkpoint":', b',"type":"checkpoint"}\n')


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with its leaf, as it stood in the line."""

    event: Event
    leaf: bytes


def event_line(event: Event) -> bytes:
    """The line of an event."""
    return stored_event_line(encode(event))


def checkpoint_line(note: Note) -> bytes:
    """The line of a checkpoint."""
    return stored_checkpoint_line(str(note).encode())


def stored_event_line(leaf: bytes) -> bytes:
    """The line of an event as it was stored. It is not read: an export shows what is there, and verifying judges it."""
    return leaf.join(_EVENT)


def stored_checkpoint_line(note: bytes) -> bytes:
    """The line of a checkpoint as it was stored, as above."""
    return json.dumps(note.decode(errors="replace")).encode("ascii").join(_CHECKPOINT)


def parse_line(line: bytes) -> Entry | Note:
    """Read one line with its line break.

    Raises:
        Invalid: `audit_line` when it is no line of an export; else as the event or checkpoint in it says.
    """
    if len(line) > MAX_LINE_BYTES:
        raise Invalid("audit_line", f"the line is longer than {MAX_LINE_BYTES:,} bytes")
    if not line.endswith(b"\n"):
        raise Invalid("audit_line", "the line has no end; the export was cut in the middle of it")
    if (leaf := _between(line, *_EVENT)) is not None:
        return Entry(decode(leaf), leaf)
    if (text := _between(line, *_CHECKPOINT)) is not None:
        note = parse(_text(text))
        if checkpoint_line(note) != line:
            raise Invalid("audit_line", "the checkpoint is not in the one spelling that an export has")
        return note
    raise Invalid("audit_line", "the line is neither an event nor a checkpoint")


def _between(line: bytes, start: bytes, end: bytes) -> bytes | None:
    fits = line.startswith(start) and line.endswith(end) and len(line) >= len(start) + len(end)
    return line[len(start) : -len(end)] if fits else None


def _text(data: bytes) -> bytes:
    try:
        value = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError) as wrong:
        raise Invalid("audit_line", "the checkpoint is not a JSON text") from wrong
    if type(value) is not str:
        raise Invalid("audit_line", "the checkpoint is not a JSON text")
    return value.encode(errors="surrogatepass")
