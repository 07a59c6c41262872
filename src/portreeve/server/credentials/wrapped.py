"""The two kinds of records that are wrapped with a key, as `rewrap` moves them: owners' keys, and envelopes.

A record is moved in two parts. `prepared` reads it and wraps it anew; the job that it gives replaces the record only if
it still is what was read, and notes the event of that. Which key a record needs and what it is bound to come from its
own columns; an effect names nothing but the record.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import Action, Actor, ObjectKind, Target, digest, escaped
from portreeve.core.rewrap import Item, Move, ReadPage
from portreeve.server.audit.journal import Entry
from portreeve.server.credentials import store
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.database.writer import Job, Transaction
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.answers import json_bytes
from portreeve.vault import owner_keys
from portreeve.vault.binding import Owner, Place
from portreeve.vault.owner_keys import WrappedOwnerKey


class Records(Protocol):
    """One kind of record."""

    async def page(self, connection: AsyncConnection, effect: ReadPage) -> tuple[Item, ...]:
        """As `core.rewrap` asks."""

    async def left(self, connection: AsyncConnection, target: str) -> int:
        """As `core.rewrap` asks."""

    async def prepared(self, connection: AsyncConnection, move: Move) -> Job[bool] | None:
        """The job that replaces the record, and answers whether it was still as it was read. None: it is no more.

        Raises:
            PortreeveError: it cannot be wrapped anew.
        """


class OwnerKeys:
    """Owners' keys: a record is `owner#epoch`, a key id that of a master key."""

    def __init__(self, keeper: Keeper, actor: Actor, request: str) -> None:
        self._keeper = keeper
        self._actor = actor
        self._request = request

    async def page(self, connection: AsyncConnection, effect: ReadPage) -> tuple[Item, ...]:
        """As `Records`."""
        found = await store.wrapped_page(connection, after=effect.after, target=effect.target, limit=effect.limit)
        return tuple(Item(f"{key.owner.project}#{key.epoch}", key.master_key_id) for key in found)

    async def left(self, connection: AsyncConnection, target: str) -> int:
        """As `Records`."""
        return await store.not_under(connection, target)

    async def prepared(self, connection: AsyncConnection, move: Move) -> Job[bool] | None:
        """As `Records`."""
        owner, epoch = _parted(move.record)
        held = {stored.epoch: stored for stored in await store.owner_keys(connection, Owner(owner))}
        old = held.get(epoch)
        if not isinstance(old, WrappedOwnerKey) or old.master_key_id != move.from_key:
            return None
        found = old
        new = await asyncio.to_thread(owner_keys.rewrapped, found, self._keeper.masters)

        async def job(transaction: Transaction) -> bool:
            replaced = await store.replace_wrap(transaction.connection, found, new)
            if replaced:
                entry = key_entry(self._actor, self._request, transaction.snapshot, before=found, after=new)
                transaction.record(entry)
            return replaced

        return job


class Envelopes:
    """The envelopes of one owner in one table: a record is `credential#version`, a key id the epoch of the owner's key.

    `field` is what they are of.
    """

    def __init__(self, keeper: Keeper, actor: Actor, request: str, owner: Owner, table: Table, field: str) -> None:
        self._table = table
        self._field = field
        self._keeper = keeper
        self._actor = actor
        self._request = request
        self._owner = owner

    async def page(self, connection: AsyncConnection, effect: ReadPage) -> tuple[Item, ...]:
        """As `Records`."""
        found = await store.envelopes_page(
            connection, self._owner, self._table, after=effect.after, epoch=int(effect.target), limit=effect.limit
        )
        return tuple(Item(record, str(epoch)) for record, epoch in found)

    async def left(self, connection: AsyncConnection, target: str) -> int:
        """As `Records`."""
        return await store.envelopes_left(connection, self._owner, self._table, int(target))

    async def prepared(self, connection: AsyncConnection, move: Move) -> Job[bool] | None:
        """As `Records`."""
        credential, version = _parted(move.record)
        old = await store.envelope(connection, credential, version, self._table)
        if old is None:
            return None
        sealed, epoch = old, int(move.to_key)
        at = Place(self._owner, credential, self._field, version)
        new = await self._keeper.rewrapped(connection, sealed, at, epoch)

        async def job(transaction: Transaction) -> bool:
            replaced = await store.replace_envelope(
                transaction.connection, self._table, credential, version, sealed, new, epoch
            )
            if replaced:
                transaction.record(self._entry(transaction.snapshot, credential, move))
            return replaced

        return job

    def _entry(self, snapshot: Snapshot, credential: str, move: Move) -> Entry:
        row = next((row for row in snapshot.credentials.values() if row.id == credential), None)
        name = credential if row is None else f"{row.registry}/{row.purpose}"
        target = Target(ObjectKind.CREDENTIAL, escaped(name), project=_project(snapshot, self._owner))
        return Entry(
            self._actor,
            Action.KEY_ROTATE,
            target,
            self._request,
            before=digest(json_bytes([move.record, int(move.from_key)])),
            after=digest(json_bytes([move.record, int(move.to_key)])),
        )


def key_entry(
    actor: Actor, request: str, snapshot: Snapshot, *, after: WrappedOwnerKey, before: WrappedOwnerKey | None = None
) -> Entry:
    """The event of an owner's key that was made, or moved to another master key."""
    name = f"{after.owner.project or 'global'}#{after.epoch}"
    target = Target(ObjectKind.KEY, escaped(name), project=_project(snapshot, after.owner))
    previous = None if before is None else _digest(before)
    return Entry(actor, Action.KEY_ROTATE, target, request, before=previous, after=_digest(after))


def _digest(key: WrappedOwnerKey) -> str:
    """Of what may be told of a key; the wrap itself is no part of it."""
    return digest(json_bytes([key.owner.project, key.epoch, key.master_key_id]))


def _project(snapshot: Snapshot, owner: Owner) -> str | None:
    if not owner.project:
        return None
    projects = snapshot.of_kind("Project").values()
    return next((escaped(one.key.name) for one in projects if one.uid == owner.project), None)


def _parted(record: str) -> tuple[str, int]:
    name, _, number = record.rpartition("#")
    return name, int(number)
