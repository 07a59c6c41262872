"""Digests: their grammar, and content held against them.

Nothing that a registry says of content counts until it is hashed here. Source: OCI Image Specification 1.1, descriptor;
the registered algorithms, and sha384 which Docker's own grammar knows as well.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from portreeve.core.reference import shown
from portreeve.errors import Invalid, Stalled

_DIGEST: Final = re.compile(r"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})", re.ASCII)


def is_digest(text: str) -> bool:
    """Whether it is a digest: a known algorithm, and all of its hex in lower case."""
    return _DIGEST.fullmatch(text) is not None


def checked(text: str) -> str:
    """The digest.

    Raises:
        Invalid: `digest_grammar`.
    """
    if not is_digest(text):
        raise Invalid(
            "digest_grammar",
            f"{shown(text, 80)} is not a digest",
            hint="write sha256: and 64 hexadecimal digits in lower case",
        )
    return text


def of(content: bytes, like: str = "sha256:") -> str:
    """The digest of content, by the algorithm of another digest."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def held(content: bytes, digest: str, *, where: str) -> str:
    """The digest, after content was found to have it.

    Args:
        digest: as the registry, or whoever refers to the content, gave it.
        where: for messages: a redacted address.
    Raises:
        Stalled: `digest_mismatch`.
    """
    if not is_digest(digest):
        raise mismatch(where, f"it calls it by {shown(digest, 80)}, which is not a digest")
    if of(content, digest) != digest:
        raise mismatch(where, f"it has not the digest {digest}")
    return digest


def mismatch(where: str, why: str) -> Stalled:
    """The failure of content that is not what it is said to be."""
    return Stalled(
        "digest_mismatch",
        f"{where} sent content that is not what was asked for: {why}",
        hint="do not use it; ask again, and look at what stands between here and the registry if it stays so",
    )
