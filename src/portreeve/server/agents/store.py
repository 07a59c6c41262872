"""Rows of agents and of the tokens that they enrol with. Tokens are found by their hash and are nowhere in clear."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.agent_identity import ADMITTED, Enrolment, State
from portreeve.server.database.tables import AGENTS, ENROLMENTS
from portreeve.server.documents.snapshot import AgentRow


@dataclass(frozen=True, slots=True)
class Held:
    """An environment's agent as it is stored."""

    environment: str
    uid: str
    enrolment: Enrolment
    cluster: str
    sealed_for: str
    enrolled_at: datetime
    expires_at: datetime
    seen_at: datetime | None = None
    report: int = 0

    @property
    def row(self) -> AgentRow:
        """What the snapshot holds of it."""
        state = str(self.enrolment.state)
        return AgentRow(self.environment, state, self.cluster, self.enrolled_at, self.expires_at, self.seen_at)

    def standing(self, enrolment: Enrolment) -> Held:
        """The same agent, whose enrolment stands otherwise."""
        return replace(self, enrolment=enrolment)


async def of_environment(connection: AsyncConnection, environment: str) -> Held | None:
    """The agent of an environment."""
    query = select(AGENTS).where(AGENTS.c.environment == environment)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _held(row)


async def of_uid(connection: AsyncConnection, uid: str) -> Held | None:
    """The agent whose certificates name this uid."""
    row = (await connection.execute(select(AGENTS).where(AGENTS.c.environment_uid == uid))).one_or_none()
    return None if row is None else _held(row)


async def save(connection: AsyncConnection, held: Held) -> None:
    """Put the agent in the place of the environment's agent before."""
    await connection.execute(delete(AGENTS).where(AGENTS.c.environment == held.environment))
    values = {
        "environment": held.environment,
        "environment_uid": held.uid,
        "state": str(held.enrolment.state),
        "first": held.enrolment.first,
        "counter": held.enrolment.counter,
        "key": held.enrolment.key,
        "pending_key": held.enrolment.pending_key,
        "activated_at": held.enrolment.activated_at,
        "cluster": held.cluster,
        "sealed_for": held.sealed_for,
        "enrolled_at": held.enrolled_at,
        "expires_at": held.expires_at,
        "seen_at": held.seen_at,
        "report": held.report,
    }
    await connection.execute(insert(AGENTS), values)


async def acknowledge(connection: AsyncConnection, environment: str, number: int) -> None:
    """The agent's report of this number was taken."""
    await connection.execute(update(AGENTS).where(AGENTS.c.environment == environment).values(report=number))


async def see(connection: AsyncConnection, seen: Mapping[str, datetime]) -> None:
    """Note when agents were seen."""
    for environment, at in sorted(seen.items()):
        known = (AGENTS.c.environment == environment) & (AGENTS.c.seen_at.is_(None) | (AGENTS.c.seen_at < at))
        await connection.execute(update(AGENTS).where(known).values(seen_at=at))


async def seen(connection: AsyncConnection) -> dict[str, datetime | None]:
    """Environment → when its agent was seen."""
    rows = (await connection.execute(select(AGENTS.c.environment, AGENTS.c.seen_at))).all()
    return {row.environment: row.seen_at for row in rows}


async def forget(connection: AsyncConnection, environment: str) -> None:
    """The environment is gone, and with it everything of its agents."""
    await connection.execute(delete(AGENTS).where(AGENTS.c.environment == environment))
    await connection.execute(delete(ENROLMENTS).where(ENROLMENTS.c.environment == environment))


async def insert_enrolment(connection: AsyncConnection, **values: Any) -> None:
    """Store a new token's hash."""
    await connection.execute(insert(ENROLMENTS), {"used_key": b"", "used_cluster": "", **values})


async def enrolment(connection: AsyncConnection, token: bytes, now: datetime) -> Row[Any] | None:
    """The enrolment of this token, unless it has ended."""
    query = select(ENROLMENTS).where(ENROLMENTS.c.token == token, ENROLMENTS.c.expires_at > now)
    return (await connection.execute(query)).one_or_none()


async def use_enrolment(connection: AsyncConnection, token: bytes, key: bytes, cluster: str) -> bool:
    """Take the token for this key; whether nobody had taken it."""
    free = (ENROLMENTS.c.token == token) & (ENROLMENTS.c.used_key == b"")
    done = await connection.execute(update(ENROLMENTS).where(free).values(used_key=key, used_cluster=cluster))
    return int(done.rowcount) == 1


async def void_enrolments(connection: AsyncConnection, environment: str, now: datetime) -> int:
    """Let no token of this environment count any more; how many there were. What has ended goes with them."""
    done = await connection.execute(delete(ENROLMENTS).where(ENROLMENTS.c.environment == environment))
    await connection.execute(delete(ENROLMENTS).where(ENROLMENTS.c.expires_at <= now))
    return int(done.rowcount)


async def shut_out(connection: AsyncConnection, environments: Collection[str]) -> set[str]:
    """Those of the environments whose agent is admitted no more, or that are gone."""
    admitted = sorted(map(str, ADMITTED))
    rows = await connection.scalars(select(AGENTS.c.environment).where(AGENTS.c.state.in_(admitted)))
    return set(environments) - set(rows)


def _held(row: Row[Any]) -> Held:
    state = Enrolment(
        State(row.state), row.first, row.counter, bytes(row.key), row.activated_at, bytes(row.pending_key)
    )
    return Held(
        row.environment,
        row.environment_uid,
        state,
        row.cluster,
        row.sealed_for,
        row.enrolled_at,
        row.expires_at,
        row.seen_at,
        row.report,
    )
