"""Rows of alerts that were told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.server.database.tables import CALENDAR_ALERTS


async def told(connection: AsyncConnection) -> dict[str, tuple[datetime, int]]:
    """Credential → the end that was told of, and at which day."""
    rows = (await connection.execute(select(CALENDAR_ALERTS))).all()
    return {row.credential: (row.expires_at, row.days) for row in rows}


async def save(connection: AsyncConnection, credential: str, expires_at: datetime, days: int, now: datetime) -> None:
    """It is told."""
    await connection.execute(delete(CALENDAR_ALERTS).where(CALENDAR_ALERTS.c.credential == credential))
    values = {"credential": credential, "expires_at": expires_at, "days": days, "told_at": now}
    await connection.execute(insert(CALENDAR_ALERTS).values(**values))
