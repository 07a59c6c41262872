"""Rows of refusals. One whose request is gone, or asks for something else by now, counts no more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.access_requests import Refusal
from portreeve.server.database.tables import ACCESS_REFUSALS


async def save(connection: AsyncConnection, environment: str, refusal: Refusal, by: str, now: datetime) -> None:
    """A refusal, in the place of one of the same name."""
    at = ACCESS_REFUSALS.c
    place = (at.environment == environment, at.namespace == refusal.namespace, at.name == refusal.name)
    await connection.execute(delete(ACCESS_REFUSALS).where(*place))
    values = {
        "environment": environment,
        "namespace": refusal.namespace,
        "name": refusal.name,
        "uid": refusal.uid,
        "generation": refusal.generation,
        "why": refusal.why,
        "decided_by": by,
        "decided_at": now,
    }
    await connection.execute(insert(ACCESS_REFUSALS).values(**values))


async def forget(connection: AsyncConnection, environment: str) -> None:
    """The environment is gone."""
    await connection.execute(delete(ACCESS_REFUSALS).where(ACCESS_REFUSALS.c.environment == environment))
