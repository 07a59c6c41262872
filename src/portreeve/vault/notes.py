"""Ed25519 for checkpoints: making keys, signing, verifying. The text forms are those of `core.checkpoint`.

Ed25519 signing takes no randomness (RFC 8032), so a checkpoint has one signature by a key. Where the private key lies,
and that it is not the database, is for whoever calls. Left out: other algorithms, and cosignatures of witnesses.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from portreeve.core.checkpoint import ED25519, Checkpoint, Note, Signature, VerifierKey
from portreeve.errors import Invalid

SEED_BYTES: Final = 32
_PRIVATE: Final = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the name of its log. Neither its representation nor an error shows the seed."""

    name: str
    _seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if type(self._seed) is not bytes or len(self._seed) != SEED_BYTES:
            raise _refused()
        _ = self.verifier  # refuses a name that no note can hold

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self._key().public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> Note:
        """The checkpoint with this key's signature. A log must sign none that contradicts one that it signed before.

        Raises:
            Invalid: `audit_key`: the checkpoint is one of another log.
        """
        if checkpoint.origin != self.name:
            raise Invalid("audit_key", f"the key of {self.name} does not sign for {checkpoint.origin}")
        value = self._key().sign(checkpoint.body.encode())
        return Note(checkpoint, (Signature(self.name, self.verifier.key_id, value),))

    def reveal(self) -> str:
        """The private key as text, for the place where it is kept and for no other."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{b64encode(ED25519 + self._seed).decode()}"

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._seed)


def generate(name: str) -> SigningKey:
    """A new key for the log of that name."""
    return SigningKey(name, Ed25519PrivateKey.generate().private_bytes_raw())


def parse_signing_key(text: str) -> SigningKey:
    """Read what `SigningKey.reveal` wrote.

    Raises:
        Invalid: `audit_key`; the text is not shown.
    """
    name, _, encoded = [*text.removeprefix(_PRIVATE).split("+", 2), "", ""][:3]
    try:
        raw = b64decode(encoded, validate=True)
    except ValueError:
        raise _refused() from None
    key = SigningKey(name, raw[1:])
    if key.reveal() != text:
        raise _refused()
    return key


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's over `message`; False for anything that is no signature or key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _refused() -> Invalid:
    return Invalid("audit_key", "not a private note key", hint="it begins with PRIVATE+KEY+ and is kept in one piece")
