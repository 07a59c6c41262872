"""Rows of what is remembered of policies in environments: `core.stages.Watch`, one for each pair, and their days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.burn_down import Day
from portreeve.core.policy import Stage
from portreeve.core.stages import Watch
from portreeve.server.database.tables import STAGE_DAYS, STAGE_WATCHES

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


async def days(connection: AsyncConnection, first: date, policy: str | None = None) -> dict[Place, list[Day]]:
    """The days from the first on, sorted, of every place or of those of one policy."""
    query = select(STAGE_DAYS).where(STAGE_DAYS.c.day >= first.isoformat()).order_by(STAGE_DAYS.c.day)
    if policy is not None:
        query = query.where(STAGE_DAYS.c.policy == policy)
    found: dict[Place, list[Day]] = {}
    for row in (await connection.execute(query)).all():
        day = Day(
            date.fromisoformat(row.day),
            Stage(row.stage),
            row.version,
            row.text,
            row.violations,
            row.most,
            bool(row.known),
        )
        found.setdefault((row.policy, row.environment), []).append(day)
    return found


async def save_days(connection: AsyncConnection, held: Mapping[Place, Day]) -> None:
    """Put these in the place of those of the same day."""
    rows = [
        {
            "policy": policy,
            "environment": environment,
            "day": one.day.isoformat(),
            "stage": str(one.stage),
            "version": one.version,
            "text": one.text,
            "violations": one.violations,
            "most": one.most,
            "known": int(one.known),
        }
        for (policy, environment), one in sorted(held.items())
    ]
    for row in rows:
        here = [STAGE_DAYS.c[name] == row[name] for name in ("policy", "environment", "day")]
        await connection.execute(delete(STAGE_DAYS).where(*here))
    if rows:
        await connection.execute(insert(STAGE_DAYS), rows)


async def drop_days(connection: AsyncConnection, *, before: date) -> None:
    """Remember nothing of earlier days."""
    await connection.execute(delete(STAGE_DAYS).where(STAGE_DAYS.c.day < before.isoformat()))


async def forget_days(
    connection: AsyncConnection, *, policy: str | None = None, environment: str | None = None
) -> None:
    """Remember no day of a policy, or of an environment."""
    named = {"policy": policy, "environment": environment}
    here = [STAGE_DAYS.c[name] == value for name, value in named.items() if value is not None]
    if here:
        await connection.execute(delete(STAGE_DAYS).where(*here))
