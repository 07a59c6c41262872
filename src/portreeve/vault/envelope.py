"""Stored secrets: AES-256-GCM under a data key of their own, which the owner's key wraps.

Theory of operation
-------------------
An envelope is one string of bytes::

    magic "PRV" | format | algorithm | epoch (4) | wrapped data key (60) | nonce (12) | ciphertext | tag (16)

Every version of every field gets a fresh random data key, so that no key encrypts two payloads and no nonce repeats
under one. Both encryptions are bound to the place (owner, record, field, version), rebuilt by the reader from
authoritative columns. The wrap is bound to the owner key's epoch as well, the payload is not: changing the owner's key
writes the first 69 bytes anew and leaves the payload as it is.

What is not hidden: the length of the secret, whose it is, and which key protects it.

Sources: NIST SP 800-38D; OWASP ASVS 5.0 11.2.2 (crypto agility), 11.3; CVE-2026-22728 (a re-wrap that took its scope
from the caller).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.vault import aead
from portreeve.vault.binding import Place, encoded
from portreeve.vault.owner_keys import OwnerKey

_MAGIC: Final = b"PRV"
_FORMAT: Final = 1
_AES_256_GCM: Final = 1
_PREFIX: Final = _MAGIC + bytes((_FORMAT, _AES_256_GCM))
_EPOCH_BYTES: Final = 4
_HEADER_BYTES: Final = len(_PREFIX) + _EPOCH_BYTES
_WRAP_BYTES: Final = aead.KEY_BYTES + aead.OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class _Parts:
    epoch: int
    wrap: bytes
    payload: bytes


def seal(secret: SecretValue, place: Place, key: OwnerKey) -> bytes:
    """The envelope to store at `place`.

    Raises:
        Stalled: the key is another owner's.
    """
    _refuse_foreign(place, key, key.epoch)
    data_key = aead.new_key()
    payload = aead.encrypt(data_key, secret, _payload_binding(place))
    return _joined(_wrap(data_key, place, key), payload, key.epoch)


def open_sealed(envelope: bytes, place: Place, key: OwnerKey) -> SecretValue:
    """The secret that was sealed for exactly this place.

    Raises:
        Stalled: changed, moved or rolled back, sealed under another key, or of a format that is not known here.
    """
    parts = _parse(envelope)
    _refuse_foreign(place, key, parts.epoch)
    data_key = aead.decrypt(key.key, parts.wrap, _wrap_binding(place, parts.epoch))
    return aead.decrypt(data_key, parts.payload, _payload_binding(place))


def rewrapped(envelope: bytes, place: Place, old: OwnerKey, new: OwnerKey) -> bytes:
    """The same payload, byte for byte, with its data key under the owner's new key.

    The place cannot change: the old wrap opens at `place` only, and the new one is bound to the same.
    """
    parts = _parse(envelope)
    _refuse_foreign(place, old, parts.epoch)
    _refuse_foreign(place, new, new.epoch)
    data_key = aead.decrypt(old.key, parts.wrap, _wrap_binding(place, parts.epoch))
    aead.decrypt(data_key, parts.payload, _payload_binding(place))
    return _joined(_wrap(data_key, place, new), parts.payload, new.epoch)


def epoch_of(envelope: bytes) -> int:
    """Which of the owner's keys opens it. A changed number finds a key that does not open it."""
    return _parse(envelope).epoch


def _wrap(data_key: SecretValue, place: Place, key: OwnerKey) -> bytes:
    return aead.encrypt(key.key, data_key, _wrap_binding(place, key.epoch))


def _joined(wrap: bytes, payload: bytes, epoch: int) -> bytes:
    return _PREFIX + epoch.to_bytes(_EPOCH_BYTES) + wrap + payload


def _parse(envelope: bytes) -> _Parts:
    if envelope[: len(_PREFIX)] != _PREFIX or len(envelope) < _HEADER_BYTES + _WRAP_BYTES + aead.OVERHEAD_BYTES:
        raise Stalled(
            "envelope_format",
            "a stored value is no envelope, or one of a format or algorithm that this release does not know",
            hint="use the release that wrote it, or restore the record from a backup",
        )
    epoch = int.from_bytes(envelope[len(_PREFIX) : _HEADER_BYTES])
    rest = envelope[_HEADER_BYTES:]
    return _Parts(epoch, rest[:_WRAP_BYTES], rest[_WRAP_BYTES:])


def _refuse_foreign(place: Place, key: OwnerKey, epoch: int) -> None:
    if (key.owner, key.epoch) != (place.owner, epoch):
        raise Stalled(
            "envelope_key",
            f"a value of {place.owner} under key {epoch} was met with key {key.epoch} of {key.owner}",
            hint="the record was moved or changed; restore it from a backup",
        )


def _payload_binding(place: Place) -> bytes:
    return encoded("payload", _PREFIX, str(place.owner), place.record, place.field, place.version)


def _wrap_binding(place: Place, epoch: int) -> bytes:
    return encoded("data key", _PREFIX, str(place.owner), place.record, place.field, place.version, epoch)
