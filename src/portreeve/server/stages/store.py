"""Rows of what is remembered of policies in environments: `core.stages.Watch`, one for each pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.stages import Watch
from portreeve.server.database.tables import STAGE_WATCHES

Place = tuple[str, str]
"""Policy and environment."""

_FIELDS = tuple(Watch.__dataclass_fields__)


async def find(connection: AsyncConnection, policy: str | None = None) -> dict[Place, Watch]:
    """Everything that is remembered, or that of one policy."""
    query = select(STAGE_WATCHES)
    if policy is not None:
        query = query.where(STAGE_WATCHES.c.policy == policy)
    rows = (await connection.execute(query)).all()
    return {(row.policy, row.environment): Watch(**{name: getattr(row, name) for name in _FIELDS}) for row in rows}


async def save(connection: AsyncConnection, watches: Mapping[Place, Watch]) -> None:
    """Put these in the place of those before."""
    await drop(connection, watches)
    rows = [
        {"policy": policy, "environment": environment, **{name: getattr(watch, name) for name in _FIELDS}}
        for (policy, environment), watch in sorted(watches.items())
    ]
    if rows:
        await connection.execute(insert(STAGE_WATCHES), rows)


async def drop(connection: AsyncConnection, places: Iterable[Place]) -> None:
    """Remember nothing of these."""
    for policy, environment in sorted(places):
        here = (STAGE_WATCHES.c.policy == policy) & (STAGE_WATCHES.c.environment == environment)
        await connection.execute(delete(STAGE_WATCHES).where(here))
