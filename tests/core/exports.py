"""Exports for tests, signed with a key whose seed is no secret."""

from __future__ import annotations

from portreeve.core.audit import Event, encode
from portreeve.core.audit_export import checkpoint_line, event_line
from portreeve.core.audit_verify import Trust
from portreeve.core.checkpoint import Checkpoint, Note
from portreeve.core.merkle import Frontier, leaf_hash
from portreeve.vault import notes
from tests.core.events import event

ORIGIN = "portreeve.example.com/audit"
KEY = notes.SigningKey(ORIGIN, bytes(range(32)))
STRANGER = notes.SigningKey(ORIGIN, bytes(32))


def signed(events: list[Event], key: notes.SigningKey = KEY) -> Note:
    """A checkpoint over all events."""
    tree = Frontier()
    for one in events:
        tree = tree.append(leaf_hash(encode(one)))
    return key.sign(Checkpoint(key.name, tree.size, tree.root))


def export(events: list[Event], every: int, key: notes.SigningKey = KEY) -> list[bytes]:
    """Lines with a checkpoint behind every so many events."""
    lines: list[bytes] = []
    tree = Frontier()
    for one in events:
        lines.append(event_line(one))
        tree = tree.append(leaf_hash(encode(one)))
        if tree.size % every == 0:
            lines.append(checkpoint_line(key.sign(Checkpoint(key.name, tree.size, tree.root))))
    return lines


def log(count: int) -> list[Event]:
    """So many events, every third one refused."""
    return [event(number, refused=number % 3 == 2) for number in range(count)]


def trust(kept: Note | None = None) -> Trust:
    """Trust in the key, and in a kept checkpoint."""
    return Trust((KEY.verifier,), notes.verify, kept.checkpoint if kept else None)
