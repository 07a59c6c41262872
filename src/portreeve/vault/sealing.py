"""Credentials sealed for one agent: HPKE with ML-KEM-768 and X25519 together.

Theory of operation
-------------------
A proxy that ends TLS, a message log or a backup of the channel sees ciphertext only, and who records it today does not
open it with a quantum computer later: both halves of the hybrid would have to fall. An agent makes its key itself; the
private half never leaves its cluster.

`info` binds what is delivered: environment, registry, credential, version and generation, and the recipient's key. The
library's `encrypt` takes no additional data; RFC 9180 section 8.1 names `info` for that in single-shot use.

HPKE's base mode does not say who sealed. That a delivery comes from our server is for the signature on the document
around it.

A sealed delivery is `magic "PRS" | format | key fingerprint (8) | encapsulated key (1120) | ciphertext and tag`.
A private key is stored as both seeds, 64 bytes for ML-KEM (FIPS 203 section 7.1: d and z) and 32 for X25519; a public
key as both encodings, 1,184 and 32 bytes; each behind its own magic.

Sources: RFC 9180; draft-ietf-hpke-pq (MLKEM768-X25519, KEM 0x647a); FIPS 203.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled
from portreeve.vault.binding import encoded

_MLKEM_SEED_BYTES: Final = 64
_MLKEM_PUBLIC_BYTES: Final = 1184
_X25519_BYTES: Final = 32
_FINGERPRINT_BYTES: Final = 8

_MAX_FILE_BYTES: Final = 1024

_FORMAT: Final = b"\x01"
_SEALED: Final = b"PRS" + _FORMAT
_PRIVATE: Final = b"PRK" + _FORMAT
_PUBLIC: Final = b"PRP" + _FORMAT


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a sealed credential is for; the agent rebuilds it from the document that it was sent in."""

    environment: str
    registry: str
    credential: str
    version: int
    generation: int


@dataclass(frozen=True, slots=True)
class SealingKey:
    """An agent's public key, both halves as bytes."""

    mlkem: bytes
    x25519: bytes

    @property
    def fingerprint(self) -> bytes:
        """Which key it is: 64 bits of SHA-256 of its encoding."""
        return hashlib.sha256(public_bytes(self)).digest()[:_FINGERPRINT_BYTES]


@dataclass(frozen=True, slots=True, eq=False)
class OpeningKey:
    """An agent's private key, both seeds."""

    mlkem_seed: SecretValue
    x25519: SecretValue

    @property
    def sealing_key(self) -> SealingKey:
        """Its public half."""
        mlkem = MLKEM768PrivateKey.from_seed_bytes(self.mlkem_seed.reveal())
        x25519 = X25519PrivateKey.from_private_bytes(self.x25519.reveal())
        return SealingKey(mlkem.public_key().public_bytes_raw(), x25519.public_key().public_bytes_raw())


def generate() -> OpeningKey:
    """A new random key."""
    mlkem = MLKEM768PrivateKey.generate()
    x25519 = X25519PrivateKey.generate()
    return OpeningKey(SecretValue(mlkem.private_bytes_raw()), SecretValue(x25519.private_bytes_raw()))


def public_bytes(key: SealingKey) -> bytes:
    """The public key for the wire."""
    return _PUBLIC + key.mlkem + key.x25519


def private_bytes(key: OpeningKey) -> SecretValue:
    """The private key for the agent's own storage."""
    return SecretValue(_PRIVATE + key.mlkem_seed.reveal() + key.x25519.reveal())


def read_public(data: bytes) -> SealingKey:
    """A public key from the wire.

    Raises:
        Invalid: it is none, or its halves are not valid.
    """
    mlkem, x25519 = _halves(data, _PUBLIC, _MLKEM_PUBLIC_BYTES)
    try:
        MLKEM768PublicKey.from_public_bytes(mlkem)
        X25519PublicKey.from_public_bytes(x25519)
    except ValueError:
        raise _no_key() from None
    return SealingKey(mlkem, x25519)


def read_private(data: SecretValue) -> OpeningKey:
    """A private key from the agent's own storage.

    Raises:
        Invalid: it is none.
    """
    mlkem, x25519 = _halves(data.reveal(), _PRIVATE, _MLKEM_SEED_BYTES)
    return OpeningKey(SecretValue(mlkem), SecretValue(x25519))


def from_file(path: Path) -> OpeningKey:
    """The private key in a file, one line of base64; a new one is made where there is none, for its owner alone.

    Raises:
        Invalid: `sealing_key`: the file holds none. Stalled: `sealing_key_file`: it can be neither read nor made.
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
        data = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        data = b""
    return read_private(SecretValue(data))


def _created(path: Path) -> OpeningKey:
    key = generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(private_bytes(key).reveal()) + b"\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise _unusable(path, error) from None
    return key


def _unusable(path: Path, error: OSError) -> Stalled:
    return Stalled("sealing_key_file", f"the key {path} cannot be used: {error.strerror}", hint="see its mode")


def seal(secret: SecretValue, delivery: Delivery, key: SealingKey) -> bytes:
    """`secret` for whoever holds the private half of `key`, another ciphertext each time.

    Raises:
        Invalid: the key cannot be used, such as an X25519 point of small order.
    """
    try:
        public = hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(key.mlkem), X25519PublicKey.from_public_bytes(key.x25519)
        )
        sealed = _suite().encrypt(secret.reveal(), public, info=_info(delivery, key.fingerprint))
    except ValueError:
        raise _no_key() from None
    return _SEALED + key.fingerprint + sealed


def open_sealed(sealed: bytes, delivery: Delivery, key: OpeningKey) -> SecretValue:
    """What was sealed for this key and this delivery.

    Raises:
        Stalled: sealed for another key, or for another delivery, or changed.
    """
    fingerprint = key.sealing_key.fingerprint
    header = _SEALED + fingerprint
    if sealed[: len(header)] != header:
        raise Stalled(
            "sealed_for_another_key",
            "a delivery was sealed for another key than this agent's, or has a format that it does not know",
            hint="let the agent report its present key; the server seals again",
        )
    private = hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(key.mlkem_seed.reveal()),
        X25519PrivateKey.from_private_bytes(key.x25519.reveal()),
    )
    try:
        return SecretValue(_suite().decrypt(sealed[len(header) :], private, info=_info(delivery, fingerprint)))
    except (InvalidTag, ValueError):
        pass
    raise Stalled(
        "sealed_refused",
        "a delivery was changed on its way, or was sealed for another environment, registry, version or generation",
        hint="the agent keeps what it has and asks again; if it stays, look for who changes the channel",
    )


def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def _info(delivery: Delivery, fingerprint: bytes) -> bytes:
    return encoded(
        "sealed credential",
        _SEALED,
        fingerprint,
        delivery.environment,
        delivery.registry,
        delivery.credential,
        delivery.version,
        delivery.generation,
    )


def _halves(data: bytes, magic: bytes, mlkem_bytes: int) -> tuple[bytes, bytes]:
    if data[: len(magic)] != magic or len(data) != len(magic) + mlkem_bytes + _X25519_BYTES:
        raise _no_key()
    halves = data[len(magic) :]
    return halves[:mlkem_bytes], halves[mlkem_bytes:]


def _no_key() -> Invalid:
    return Invalid(
        "sealing_key", "this is no key for sealed deliveries", hint="let the agent make a new one and join again"
    )
