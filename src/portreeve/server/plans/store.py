"""Rows of plans. What is stored is what was proposed and what it stood on; a plan holds no secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.server.database.tables import PLANS


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan that was made. `proposal` and `summary` are plain values; `state` is open, confirmed or replaced."""

    id: str
    digest: str
    proposer: str
    proposal: dict[str, Any]
    basis: dict[str, Any]
    summary: dict[str, Any]
    state: str
    created_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None = None


async def insert_plan(connection: AsyncConnection, plan: StoredPlan) -> None:
    """Store a new plan."""
    values = {name: getattr(plan, name) for name in StoredPlan.__dataclass_fields__}
    await connection.execute(insert(PLANS), values)


async def find(connection: AsyncConnection, plan_id: str) -> StoredPlan | None:
    """The plan of this id."""
    row = (await connection.execute(select(PLANS).where(PLANS.c.id == plan_id))).one_or_none()
    return None if row is None else StoredPlan(**row._mapping)


async def find_by_digest(connection: AsyncConnection, digest: str, proposer: str, now: datetime) -> StoredPlan | None:
    """The newest open plan of this digest that this user has made."""
    mine = (PLANS.c.digest == digest) & (PLANS.c.proposer == proposer) & (PLANS.c.expires_at > now)
    query = select(PLANS).where(mine, PLANS.c.state == "open").order_by(PLANS.c.created_at.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else StoredPlan(**row._mapping)


async def confirmed(connection: AsyncConnection, plan_id: str, now: datetime) -> None:
    """The plan has run."""
    values = {"state": "confirmed", "confirmed_at": now}
    await connection.execute(update(PLANS).where(PLANS.c.id == plan_id).values(**values))


async def purge(connection: AsyncConnection, now: datetime) -> None:
    """Forget plans that can no longer be confirmed."""
    await connection.execute(delete(PLANS).where(PLANS.c.expires_at < now))
