"""Sealing and opening stored secrets, with the owner's key of the database and the master key of the process.

Unwrapped owners' keys are held in memory for as long as the process lives; a destroyed one is let go of at the next
use, as every use reads the stored record first. Wrapping may ask a key service, so it happens in a thread.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.server.credentials import store
from portreeve.server.documents.snapshot import CredentialRow
from portreeve.vault import envelope, owner_keys
from portreeve.vault.binding import Owner, Place
from portreeve.vault.owner_keys import OwnerKey, StoredOwnerKey, WrappedOwnerKey
from portreeve.vault.ports import MasterKeys

FIELD = "secret"


class Keeper:
    """Seals and opens. `masters` holds the key that wraps, and those that still unwrap."""

    def __init__(self, masters: MasterKeys) -> None:
        self.masters = masters
        self._unwrapped: dict[WrappedOwnerKey, OwnerKey] = {}

    async def seal(
        self, connection: AsyncConnection, secret: SecretValue, row: CredentialRow, now: datetime
    ) -> tuple[bytes, int]:
        """The envelope of a secret for this credential at this version, and the epoch of the key around it."""
        key = await self._current(connection, Owner(row.owner), now)
        return envelope.seal(secret, place(row, row.version), key), key.epoch

    async def open(self, connection: AsyncConnection, row: CredentialRow, version: int | None = None) -> SecretValue:
        """The secret of a credential, of its present version unless another is named.

        Raises:
            Stalled: it is not there, or was changed, or its key was destroyed.
        """
        wanted = row.version if version is None else version
        sealed = await store.envelope(connection, row.id, wanted)
        if sealed is None:
            raise Stalled(
                "credential_missing",
                f"version {wanted} of the credential of {row.registry} is not stored",
                hint="set the credential again",
            )
        epoch = envelope.epoch_of(sealed)
        for stored in await store.owner_keys(connection, Owner(row.owner)):
            if stored.epoch == epoch:
                return envelope.open_sealed(sealed, place(row, wanted), await self._unwrap(stored))
        raise _no_key(epoch, Owner(row.owner))

    async def next_key(self, connection: AsyncConnection, owner: Owner, now: datetime) -> WrappedOwnerKey | None:
        """Store the next key of an owner, which seals from now on; None if the owner has none that could be followed.

        The keys before it stay, and open what lies under them.
        """
        past = await store.owner_keys(connection, owner)
        if not any(isinstance(stored, WrappedOwnerKey) for stored in past):
            return None
        made = await asyncio.to_thread(owner_keys.create, owner, past, self.masters.current)
        await store.insert_owner_key(connection, made, now)
        return made

    async def rewrapped(self, connection: AsyncConnection, sealed: bytes, at: Place, epoch: int) -> bytes:
        """The envelope at this place with its data key under the owner's key of this epoch.

        Raises:
            Stalled: it does not open at this place, or one of the keys was destroyed.
        """
        held = {stored.epoch: stored for stored in await store.owner_keys(connection, at.owner)}
        found = envelope.epoch_of(sealed)
        for needed in (found, epoch):
            if needed not in held:
                raise _no_key(needed, at.owner)
        return envelope.rewrapped(sealed, at, await self._unwrap(held[found]), await self._unwrap(held[epoch]))

    async def _current(self, connection: AsyncConnection, owner: Owner, now: datetime) -> OwnerKey:
        past = await store.owner_keys(connection, owner)
        live = [stored for stored in past if isinstance(stored, WrappedOwnerKey)]
        if live:
            return await self._unwrap(live[-1])
        made = await asyncio.to_thread(owner_keys.create, owner, past, self.masters.current)
        await store.insert_owner_key(connection, made, now)
        return await self._unwrap(made)

    async def _unwrap(self, stored: StoredOwnerKey) -> OwnerKey:
        if not isinstance(stored, WrappedOwnerKey):
            return owner_keys.unwrap(stored, self.masters)
        found = self._unwrapped.get(stored)
        if found is None:
            found = self._unwrapped[stored] = await asyncio.to_thread(owner_keys.unwrap, stored, self.masters)
        return found


def _no_key(epoch: int, owner: Owner) -> Stalled:
    return Stalled("owner_key_destroyed", f"the key {epoch} of {owner} is not stored", hint="set it again")


def place(row: CredentialRow, version: int) -> Place:
    """Where a secret is stored, from the columns that count."""
    return Place(Owner(row.owner), row.id, FIELD, version)
