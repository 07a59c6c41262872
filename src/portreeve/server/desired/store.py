"""Rows of desired states, and of the keys that agents open their credentials with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.server.database.tables import AGENT_KEYS, DESIRED_STATES


@dataclass(frozen=True, slots=True)
class StoredState:
    """The present document of one environment."""

    environment: str
    generation: int
    hash: str
    previous_hash: str
    document: bytes
    revision: int
    not_after: datetime
    updated_at: datetime


CLOCKS_APART: Final = timedelta(minutes=10)
"""How far times that replicas wrote may be out of order. Source: reliability, clocks of replicas ± 5 min."""


async def every(connection: AsyncConnection) -> dict[str, StoredState]:
    """Environment → its document."""
    rows = (await connection.execute(select(DESIRED_STATES))).all()
    return {row.environment: StoredState(**row._mapping) for row in rows}


async def find(connection: AsyncConnection, environment: str) -> StoredState | None:
    """The document of one environment."""
    query = select(DESIRED_STATES).where(DESIRED_STATES.c.environment == environment)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else StoredState(**row._mapping)


async def save(connection: AsyncConnection, state: StoredState) -> None:
    """Put the document in the place of the one before."""
    await connection.execute(delete(DESIRED_STATES).where(DESIRED_STATES.c.environment == state.environment))
    values = {name: getattr(state, name) for name in StoredState.__dataclass_fields__}
    await connection.execute(insert(DESIRED_STATES), values)


async def sealing_keys(connection: AsyncConnection) -> dict[str, bytes]:
    """Environment → the public key of its agent."""
    rows = (await connection.execute(select(AGENT_KEYS.c.environment, AGENT_KEYS.c.sealing_key))).all()
    return {row.environment: bytes(row.sealing_key) for row in rows}


async def save_sealing_key(connection: AsyncConnection, environment: str, key: bytes, now: datetime) -> None:
    """An agent has told its key."""
    await connection.execute(delete(AGENT_KEYS).where(AGENT_KEYS.c.environment == environment))
    await connection.execute(insert(AGENT_KEYS).values(environment=environment, sealing_key=key, updated_at=now))


async def withdraw_sealing_key(connection: AsyncConnection, environment: str) -> None:
    """There is nobody any more to seal for."""
    await connection.execute(delete(AGENT_KEYS).where(AGENT_KEYS.c.environment == environment))


async def generations(connection: AsyncConnection, since: datetime | None) -> tuple[dict[str, int], datetime | None]:
    """Environment → generation, of what was written since (all without it), and when the newest of it was."""
    columns = (DESIRED_STATES.c.environment, DESIRED_STATES.c.generation)
    query = select(*columns, DESIRED_STATES.c.updated_at)
    if since is not None:
        query = query.where(DESIRED_STATES.c.updated_at >= since - CLOCKS_APART)
    rows = (await connection.execute(query)).all()
    newest = max((row.updated_at for row in rows), default=since)
    return {row.environment: row.generation for row in rows}, newest
