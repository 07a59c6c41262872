"""Rows of what was found of registries: the last checklist of each, and readings of how much may still be pulled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.rate_limit import Reading
from portreeve.server.database.tables import RATE_LIMITS, REGISTRY_CHECKS


async def save_checks(
    connection: AsyncConnection, registry: str, outcome: str, checks: Sequence[dict[str, Any]], ms: int, now: datetime
) -> None:
    """The checklist of a registry, in the place of the one before."""
    await connection.execute(delete(REGISTRY_CHECKS).where(REGISTRY_CHECKS.c.registry == registry))
    values = {"registry": registry, "outcome": outcome, "checks": list(checks), "ms": ms, "checked_at": now}
    await connection.execute(insert(REGISTRY_CHECKS).values(**values))


async def checks(connection: AsyncConnection, registry: str) -> list[dict[str, Any]] | None:
    """The stages of the last checklist of a registry; None if there is none."""
    query = select(REGISTRY_CHECKS.c.checks).where(REGISTRY_CHECKS.c.registry == registry)
    found: list[dict[str, Any]] | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def forget(connection: AsyncConnection, registry: str) -> None:
    """The registry is gone, and with it what was found of it."""
    await connection.execute(delete(REGISTRY_CHECKS).where(REGISTRY_CHECKS.c.registry == registry))
    await connection.execute(delete(RATE_LIMITS).where(RATE_LIMITS.c.registry == registry))


async def save_reading(connection: AsyncConnection, registry: str, reading: Reading, *, keep_since: datetime) -> None:
    """One more reading; those before `keep_since` go."""
    old = (RATE_LIMITS.c.registry == registry) & (RATE_LIMITS.c.at < keep_since)
    await connection.execute(delete(RATE_LIMITS).where(old))
    there = (
        (RATE_LIMITS.c.registry == registry)
        & (RATE_LIMITS.c.source == reading.source)
        & (RATE_LIMITS.c.at == reading.at)
    )
    await connection.execute(delete(RATE_LIMITS).where(there))
    values = {
        "registry": registry,
        "source": reading.source,
        "at": reading.at,
        "limit": reading.limit,
        "remaining": reading.remaining,
        "window_s": reading.window_s,
    }
    await connection.execute(insert(RATE_LIMITS).values(**values))


async def readings(connection: AsyncConnection, registry: str) -> Iterable[Reading]:
    """Every reading that is kept of a registry, by time."""
    query = select(RATE_LIMITS).where(RATE_LIMITS.c.registry == registry).order_by(RATE_LIMITS.c.at)
    rows = (await connection.execute(query)).all()
    return [Reading(row.at, row.limit, row.remaining, row.window_s, row.source) for row in rows]
