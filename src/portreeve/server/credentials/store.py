"""Rows of credentials and of owners' keys. Envelopes go in and out as they are; nothing here can open one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, delete, func, insert, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.refresh import Held
from portreeve.server.database.tables import (
    CALENDAR_ALERTS,
    CREDENTIAL_OVERLAPS,
    CREDENTIAL_VERSIONS,
    CREDENTIALS,
    MINT_LEASES,
    MINTED_TOKENS,
    OWNER_KEYS,
)
from portreeve.server.documents.snapshot import CredentialRow
from portreeve.vault.binding import Owner
from portreeve.vault.owner_keys import DestroyedOwnerKey, StoredOwnerKey, WrappedOwnerKey

SEALED: Final = (CREDENTIAL_VERSIONS, MINTED_TOKENS)
"""Tables of envelopes under owners' keys: with columns id, version, envelope, owner and epoch."""


async def save(connection: AsyncConnection, row: CredentialRow, now: datetime, *, new: bool) -> None:
    """Write what is told of a credential, with the overlap of its last rotation, if that lasts."""
    values = {"version": row.version, "expires_at": row.expires_at, "updated_at": now}
    if new:
        whole = {"registry": row.registry, "purpose": row.purpose, "id": row.id, "owner": row.owner, **values}
        await connection.execute(insert(CREDENTIALS), whole)
    else:
        await connection.execute(update(CREDENTIALS).where(CREDENTIALS.c.id == row.id).values(**values))
    await drop_overlap(connection, row.id)
    if (overlap := row.overlap) is not None:
        whole = {
            "credential": row.id,
            "version": overlap.version,
            "declared": dict(overlap.declared),
            "expires_at": overlap.expires_at,
            "begun_at": overlap.begun_at,
            "until": overlap.until,
        }
        await connection.execute(insert(CREDENTIAL_OVERLAPS), whole)


async def save_version(
    connection: AsyncConnection, row: CredentialRow, envelope: bytes, epoch: int, now: datetime
) -> None:
    """Write the envelope of the present version."""
    values = {
        "id": row.id,
        "version": row.version,
        "envelope": envelope,
        "owner": row.owner,
        "epoch": epoch,
        "created_at": now,
    }
    await connection.execute(insert(CREDENTIAL_VERSIONS), values)


async def set_at(connection: AsyncConnection, rows: Sequence[CredentialRow]) -> dict[str, datetime]:
    """Credential → when its present version was stored."""
    columns = (CREDENTIAL_VERSIONS.c.id, CREDENTIAL_VERSIONS.c.version, CREDENTIAL_VERSIONS.c.created_at)
    query = select(*columns).where(CREDENTIAL_VERSIONS.c.id.in_([row.id for row in rows]))
    present = {(row.id, row.version) for row in rows}
    return {row.id: row.created_at for row in (await connection.execute(query)) if (row.id, row.version) in present}


async def drop_overlap(connection: AsyncConnection, credential: str) -> None:
    """The version before is delivered no more."""
    await connection.execute(delete(CREDENTIAL_OVERLAPS).where(CREDENTIAL_OVERLAPS.c.credential == credential))


async def keep_versions(connection: AsyncConnection, row: CredentialRow) -> None:
    """Delete all versions but the present one, and the one before as long as a rotation delivers it."""
    kept = [row.version, *([row.overlap.version] if row.overlap else [])]
    old = (CREDENTIAL_VERSIONS.c.id == row.id) & CREDENTIAL_VERSIONS.c.version.not_in(kept)
    await connection.execute(delete(CREDENTIAL_VERSIONS).where(old))


async def drop(connection: AsyncConnection, credential: str) -> None:
    """Delete a credential with all its versions, and with the token that was minted from it."""
    await drop_token(connection, credential)
    await drop_overlap(connection, credential)
    await connection.execute(delete(MINT_LEASES).where(MINT_LEASES.c.credential == credential))
    await connection.execute(delete(CALENDAR_ALERTS).where(CALENDAR_ALERTS.c.credential == credential))
    await connection.execute(delete(CREDENTIAL_VERSIONS).where(CREDENTIAL_VERSIONS.c.id == credential))
    await connection.execute(delete(CREDENTIALS).where(CREDENTIALS.c.id == credential))


async def save_token(
    connection: AsyncConnection, row: CredentialRow, key: str, held: Held, envelope: bytes, epoch: int
) -> None:
    """Put a minted token in the place of the one before."""
    await drop_token(connection, row.id)
    values = {
        "id": row.id,
        "version": held.serial,
        "source": held.source,
        "key": key,
        "envelope": envelope,
        "owner": row.owner,
        "epoch": epoch,
        "issued_at": held.issued_at,
        "expires_at": held.expires_at,
    }
    await connection.execute(insert(MINTED_TOKENS).values(**values))


async def drop_token(connection: AsyncConnection, credential: str) -> None:
    """Delete the token that was minted from a credential."""
    await connection.execute(delete(MINTED_TOKENS).where(MINTED_TOKENS.c.id == credential))


async def envelope(
    connection: AsyncConnection, credential: str, version: int, table: Table = CREDENTIAL_VERSIONS
) -> bytes | None:
    """The envelope of one version of a credential; with `MINTED_TOKENS` of the token of that number."""
    there = (table.c.id == credential) & (table.c.version == version)
    found = await connection.scalar(select(table.c.envelope).where(there))
    return None if found is None else bytes(found)


async def owner_keys(connection: AsyncConnection, owner: Owner) -> list[StoredOwnerKey]:
    """All keys that the owner ever had, by epoch."""
    query = select(OWNER_KEYS).where(OWNER_KEYS.c.owner == owner.project).order_by(OWNER_KEYS.c.epoch)
    return [_owner_key(row) for row in (await connection.execute(query)).all()]


async def insert_owner_key(connection: AsyncConnection, key: WrappedOwnerKey, now: datetime) -> None:
    """Store a new key of an owner."""
    values = {
        "owner": key.owner.project,
        "epoch": key.epoch,
        "master_key": key.master_key_id,
        "wrapped": key.wrapped,
        "created_at": now,
    }
    await connection.execute(insert(OWNER_KEYS), values)


async def destroy_owner_keys(connection: AsyncConnection, owner: Owner, now: datetime) -> int:
    """Erase all keys of an owner, and the tokens under them; the keys' numbers stay. How many there were."""
    await connection.execute(delete(MINTED_TOKENS).where(MINTED_TOKENS.c.owner == owner.project))
    gone = (OWNER_KEYS.c.owner == owner.project) & OWNER_KEYS.c.wrapped.is_not(None)
    values = {"master_key": None, "wrapped": None, "destroyed_at": now}
    done = await connection.execute(update(OWNER_KEYS).where(gone).values(**values))
    return int(done.rowcount)


async def wrapped_page(
    connection: AsyncConnection, *, after: str, target: str, limit: int
) -> Sequence[WrappedOwnerKey]:
    """Owners' keys that are not under the target, in the order of their records, behind `after`."""
    owner, _, epoch = after.rpartition("#")
    behind = (OWNER_KEYS.c.owner > owner) | ((OWNER_KEYS.c.owner == owner) & (OWNER_KEYS.c.epoch > int(epoch or 0)))
    query = select(OWNER_KEYS).where(OWNER_KEYS.c.wrapped.is_not(None), OWNER_KEYS.c.master_key != target)
    if after:
        query = query.where(behind)
    rows = (await connection.execute(query.order_by(OWNER_KEYS.c.owner, OWNER_KEYS.c.epoch).limit(limit))).all()
    return [key for key in map(_owner_key, rows) if isinstance(key, WrappedOwnerKey)]


async def not_under(connection: AsyncConnection, target: str) -> int:
    """How many owners' keys are not under the target."""
    there = (OWNER_KEYS.c.wrapped.is_not(None), OWNER_KEYS.c.master_key != target)
    return int(await connection.scalar(select(func.count()).select_from(OWNER_KEYS).where(*there)) or 0)


async def replace_wrap(connection: AsyncConnection, old: WrappedOwnerKey, new: WrappedOwnerKey) -> bool:
    """Put the new wrap in the place of the old, if that is still there."""
    there = (
        OWNER_KEYS.c.owner == old.owner.project,
        OWNER_KEYS.c.epoch == old.epoch,
        OWNER_KEYS.c.master_key == old.master_key_id,
        OWNER_KEYS.c.wrapped == old.wrapped,
    )
    values = {"master_key": new.master_key_id, "wrapped": new.wrapped}
    done = await connection.execute(update(OWNER_KEYS).where(*there).values(**values))
    return bool(done.rowcount == 1)


async def owners_behind(connection: AsyncConnection) -> list[tuple[Owner, int]]:
    """Owners with envelopes under an older key than their newest, and the epoch of that; sorted."""
    newest = (
        select(OWNER_KEYS.c.owner, func.max(OWNER_KEYS.c.epoch).label("epoch"))
        .where(OWNER_KEYS.c.wrapped.is_not(None))
        .group_by(OWNER_KEYS.c.owner)
        .subquery()
    )
    behind = union(
        *(
            select(newest.c.owner, newest.c.epoch).join(
                table, (table.c.owner == newest.c.owner) & (table.c.epoch < newest.c.epoch)
            )
            for table in SEALED
        )
    )
    return sorted((Owner(row.owner), int(row.epoch)) for row in (await connection.execute(behind)).all())


async def envelopes_page(
    connection: AsyncConnection, owner: Owner, sealed: Table, *, after: str, epoch: int, limit: int
) -> list[tuple[str, int]]:
    """Records of the owner's envelopes under older keys than this, as `id#version` and epoch, behind `after`."""
    credential, _, version = after.rpartition("#")
    table = sealed.c
    behind = (table.id > credential) | ((table.id == credential) & (table.version > int(version or 0)))
    query = select(table.id, table.version, table.epoch).where(*_older(sealed, owner, epoch), behind)
    rows = (await connection.execute(query.order_by(table.id, table.version).limit(limit))).all()
    return [(f"{row.id}#{row.version}", int(row.epoch)) for row in rows]


async def envelopes_left(connection: AsyncConnection, owner: Owner, sealed: Table, epoch: int) -> int:
    """How many of the owner's envelopes are under older keys than this."""
    query = select(func.count()).select_from(sealed).where(*_older(sealed, owner, epoch))
    return int(await connection.scalar(query) or 0)


async def replace_envelope(
    connection: AsyncConnection, sealed: Table, credential: str, version: int, old: bytes, new: bytes, epoch: int
) -> bool:
    """Put the new envelope in the place of the old, if that is still there."""
    table = sealed.c
    there = (table.id == credential, table.version == version, table.envelope == old)
    done = await connection.execute(update(sealed).where(*there).values(envelope=new, epoch=epoch))
    return bool(done.rowcount == 1)


def _older(sealed: Table, owner: Owner, epoch: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return sealed.c.owner == owner.project, sealed.c.epoch < epoch


def _owner_key(row: Row[Any]) -> StoredOwnerKey:
    owner = Owner(row.owner)
    if row.wrapped is None:
        return DestroyedOwnerKey(owner, row.epoch)
    return WrappedOwnerKey(owner, row.epoch, row.master_key, bytes(row.wrapped))
