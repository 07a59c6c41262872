"""Rows of what was last handed over to whoever keeps a firewall."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.egress_rules import Rule
from portreeve.server.database.tables import EGRESS_EXPORTS


@dataclass(frozen=True, slots=True)
class Export:
    """What was handed over, by whom and when."""

    rules: tuple[Rule, ...]
    by: str
    at: datetime


async def find(connection: AsyncConnection, environment: str) -> Export | None:
    """The last export of an environment."""
    query = select(EGRESS_EXPORTS).where(EGRESS_EXPORTS.c.environment == environment)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return Export(tuple((str(host), int(port)) for host, port in row.rules), row.exported_by, row.exported_at)


async def save(connection: AsyncConnection, environment: str, rules: Iterable[Rule], by: str, now: datetime) -> None:
    """An export, in the place of the one before."""
    await forget(connection, environment)
    values = {
        "environment": environment,
        "rules": [[host, port] for host, port in rules],
        "exported_by": by,
        "exported_at": now,
    }
    await connection.execute(insert(EGRESS_EXPORTS).values(**values))


async def forget(connection: AsyncConnection, environment: str) -> None:
    """The environment is gone."""
    await connection.execute(delete(EGRESS_EXPORTS).where(EGRESS_EXPORTS.c.environment == environment))
