"""Ed25519 for documents that agents act on: the control plane's signature, which they pin when they enrol.

The signed bytes begin with a purpose, so that no signature made for one thing can be passed off as one for another.
Checkpoints of the audit log are signed by `notes`, in their own form and with their own key.

Source: RFC 8032.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled
from portreeve.vault.binding import encoded

SEED_BYTES: Final = 32
_MAX_FILE_BYTES: Final = 128


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key."""

    seed: SecretValue

    @property
    def public(self) -> bytes:
        """The public half, 32 bytes."""
        return self._key().public_key().public_bytes_raw()

    def sign(self, purpose: str, document: bytes) -> bytes:
        """The signature over a document for one purpose, 64 bytes."""
        return self._key().sign(encoded("signed document", purpose, document))

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed.reveal())


def generate() -> SigningKey:
    """A new random key."""
    return SigningKey(SecretValue(os.urandom(SEED_BYTES)))


def verify(public: bytes, purpose: str, document: bytes, signature: bytes) -> bool:
    """Whether the signature is that key's over this document for this purpose."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, encoded("signed document", purpose, document))
    except (InvalidSignature, ValueError):
        return False
    return True


def from_file(path: Path) -> SigningKey:
    """The key in a file, one line of base64; a new one is made where there is none, for its owner alone.

    Raises:
        Invalid: the file holds no key. Stalled: it can be neither read nor made.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _created(path)
    except OSError as error:
        raise _unusable(path, error) from None
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_MAX_FILE_BYTES)
    try:
        seed = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise Invalid("signing_key", f"{path} holds no signing key", hint="restore it, or enrol all agents anew")
    return SigningKey(SecretValue(seed))


def _created(path: Path) -> SigningKey:
    key = generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(key.seed.reveal()) + b"\n")
        file.flush()
        os.fsync(descriptor)
    return key


def _unusable(path: Path, error: OSError) -> Stalled:
    return Stalled("signing_key_file", f"the signing key {path} cannot be used: {error.strerror}", hint="see its mode")
