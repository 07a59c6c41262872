"""What a ciphertext is bound to, as bytes that can be read in one way only.

A binding is rebuilt from authoritative columns whenever something is opened and is never stored beside the ciphertext:
whoever moves a ciphertext to another row cannot move its binding along.

Source: NIST SP 800-38D section 5.2.1.1 (additional authenticated data). The encoding is that of PAE in PASETO, with
lengths of four bytes: a count, then each part with its length in front.
"""

from __future__ import annotations

from dataclasses import dataclass

DOMAIN = "portreeve.io/vault"


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """Who a secret belongs to: a project by its unchanging id, or everybody when `project` is empty."""

    project: str = ""

    def __str__(self) -> str:
        return f"project/{self.project}" if self.project else "global"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a secret is stored: the authoritative columns of its record.

    `version` is the one that the reader expects, from a place that whoever can write the ciphertext cannot write.
    """

    owner: Owner
    record: str
    field: str
    version: int


def encoded(purpose: str, *parts: str | int | bytes) -> bytes:
    """`purpose` and `parts`, each with its length in front; numbers are eight bytes and not negative."""
    pieces = [_bytes(part) for part in (DOMAIN, purpose, *parts)]
    return len(pieces).to_bytes(4) + b"".join(len(piece).to_bytes(4) + piece for piece in pieces)


def _bytes(part: str | int | bytes) -> bytes:
    if isinstance(part, int):
        return part.to_bytes(8)
    return part.encode() if isinstance(part, str) else part
