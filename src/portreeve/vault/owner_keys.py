"""One random key-encryption key for each owner, wrapped by a master key.

Destroying it is crypto-erase: everything that the owner ever stored is lost at once, wherever the ciphertexts are. So
the key is random and not derived: a derived one would come back from the master key.

An owner's keys are numbered by `epoch`, which is never used twice; a destroyed key leaves its number behind. The id of
the master key is bound into the wrap, and owner and epoch with it.

Left out: erasing the wrapped key from backups. Until they age out, a backup together with its master key opens what was
in it; moving the other owners to a new master key and destroying the old one ends that at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.vault import aead
from portreeve.vault.binding import Owner, encoded
from portreeve.vault.ports import MasterKey, MasterKeys


@dataclass(frozen=True, slots=True, eq=False)
class OwnerKey:
    """An owner's key, ready for use."""

    owner: Owner
    epoch: int
    key: SecretValue


@dataclass(frozen=True, slots=True)
class WrappedOwnerKey:
    """An owner's key as it is stored."""

    owner: Owner
    epoch: int
    master_key_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class DestroyedOwnerKey:
    """What remains of an owner's key; nothing opens with it."""

    owner: Owner
    epoch: int


StoredOwnerKey = WrappedOwnerKey | DestroyedOwnerKey


def create(owner: Owner, past: Iterable[StoredOwnerKey], master: MasterKey) -> WrappedOwnerKey:
    """A new random key for `owner`.

    Args:
        past: all keys that the owner ever had, destroyed ones included; the first epoch is 1.
    """
    epoch = max((stored.epoch for stored in past if stored.owner == owner), default=0) + 1
    return _wrap(OwnerKey(owner, epoch, aead.new_key()), master)


def unwrap(stored: StoredOwnerKey, masters: MasterKeys) -> OwnerKey:
    """The key, ready for use.

    Raises:
        Stalled: destroyed, its master key is not configured, or the record was changed.
    """
    if isinstance(stored, DestroyedOwnerKey):
        raise Stalled(
            "owner_key_destroyed",
            f"the key {stored.epoch} of {stored.owner} was destroyed, and all that it protected with it",
            hint="store the credentials again",
        )
    master = masters.named(stored.master_key_id)
    key = master.unwrap(stored.wrapped, context=_context(stored.owner, stored.epoch, stored.master_key_id))
    return OwnerKey(stored.owner, stored.epoch, key)


def rewrapped(stored: WrappedOwnerKey, masters: MasterKeys) -> WrappedOwnerKey:
    """The same key under the current master key. Owner and epoch come from the record, never from a caller."""
    return _wrap(unwrap(stored, masters), masters.current)


def destroyed(stored: WrappedOwnerKey) -> DestroyedOwnerKey:
    """What to store in place of the key to erase all that it protects. There is no way back."""
    return DestroyedOwnerKey(stored.owner, stored.epoch)


def _wrap(key: OwnerKey, master: MasterKey) -> WrappedOwnerKey:
    context = _context(key.owner, key.epoch, master.key_id)
    return WrappedOwnerKey(key.owner, key.epoch, master.key_id, master.wrap(key.key, context=context))


def _context(owner: Owner, epoch: int, master_key_id: str) -> bytes:
    return encoded("owner key", str(owner), epoch, master_key_id)
