"""Sealing and opening stored secrets, with the owner's key of the database and the master key of the process.

Unwrapped owners' keys are held in memory for as long as the process lives; a destroyed one is let go of at the next
use, as every use reads the stored record first. Wrapping may ask a key service, so it happens in a thread.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.credential import Login, encode_login
from portreeve.core.refresh import Held
from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.server.credentials import store
from portreeve.server.database.tables import MINTED_TOKENS
from portreeve.server.documents.snapshot import CredentialRow
from portreeve.vault import envelope, owner_keys
from portreeve.vault.binding import Owner, Place
from portreeve.vault.owner_keys import OwnerKey, StoredOwnerKey, WrappedOwnerKey
from portreeve.vault.ports import MasterKeys

FIELD = "secret"
TOKEN_FIELD = "token"  # noqa: S105 -- the name of a field
"""What an envelope is of. One of a token opens in no place of a secret."""


class Keeper:
    """Seals and opens. `masters` holds the key that wraps, and those that still unwrap."""

    def __init__(self, masters: MasterKeys) -> None:
        self.masters = masters
        self._unwrapped: dict[WrappedOwnerKey, OwnerKey] = {}

    async def seal(
        self, connection: AsyncConnection, secret: SecretValue, row: CredentialRow, now: datetime
    ) -> tuple[bytes, int]:
        """The envelope of a secret for this credential at this version, and the epoch of the key around it."""
        return await self._seal(connection, secret, place(row, row.version), now)

    async def keep_token(
        self, connection: AsyncConnection, login: Login, row: CredentialRow, key: str, held: Held, now: datetime
    ) -> None:
        """Seal a token that was minted from the credential, and put it in the place of the one before."""
        sealed, epoch = await self._seal(connection, encode_login(login), token_place(row, held.serial), now)
        await store.save_token(connection, row, key, held, sealed, epoch)

    async def drop_token(self, connection: AsyncConnection, credential: str) -> None:
        """Delete the token that was minted from a credential."""
        await store.drop_token(connection, credential)

    async def open_token(self, connection: AsyncConnection, row: CredentialRow, serial: int) -> SecretValue:
        """The login with this number that was minted from the credential, as `core.credential.encode_login` wrote it.

        Raises:
            Stalled: as `open`.
        """
        sealed = await store.envelope(connection, row.id, serial, MINTED_TOKENS)
        if sealed is None:
            hint = "it is minted again"
            raise Stalled("credential_missing", f"the token {serial} of {row.registry} is not stored", hint=hint)
        return await self._open(connection, sealed, token_place(row, serial))

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
        return await self._open(connection, sealed, place(row, wanted))

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

    async def _seal(
        self, connection: AsyncConnection, secret: SecretValue, at: Place, now: datetime
    ) -> tuple[bytes, int]:
        key = await self._current(connection, at.owner, now)
        return envelope.seal(secret, at, key), key.epoch

    async def _open(self, connection: AsyncConnection, sealed: bytes, at: Place) -> SecretValue:
        epoch = envelope.epoch_of(sealed)
        for stored in await store.owner_keys(connection, at.owner):
            if stored.epoch == epoch:
                return envelope.open_sealed(sealed, at, await self._unwrap(stored))
        raise _no_key(epoch, at.owner)

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


def token_place(row: CredentialRow, serial: int) -> Place:
    """Where a token that was minted from a credential is stored."""
    return Place(Owner(row.owner), row.id, TOKEN_FIELD, serial)
