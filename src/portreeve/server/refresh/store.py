"""Rows of leases and of peers: the state of `core.refresh` between two steps. SQL in, values out; no secret is here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.refresh import Bucket, Line, Notice, State, Wanted, Why
from portreeve.server.database.tables import MINT_LEASES, MINT_PEERS, MINTED_TOKENS
from portreeve.server.documents import store as documents


async def load(connection: AsyncConnection, key: str | None = None) -> State:
    """The state of all keys and peers, or of one key alone.

    A line whose token is not stored any more is left out, so that it begins anew.
    """
    leases = select(MINT_LEASES)
    tokens = select(MINTED_TOKENS.c.key, MINTED_TOKENS.c.version)
    if key is not None:
        leases, tokens = leases.where(MINT_LEASES.c.key == key), tokens.where(MINTED_TOKENS.c.key == key)
    stored = {row.key: row.version for row in (await connection.execute(tokens)).all()}
    lines = [_line(row) for row in (await connection.execute(leases)).all()]
    there = {one.wanted.key: one for one in lines if one.held is None or stored.get(one.wanted.key) == one.held.serial}
    peers = (await connection.execute(select(MINT_PEERS))).all() if key is None else ()
    return State(there, {row.peer: Bucket(row.level / 1000, row.at) for row in peers})


async def save_line(connection: AsyncConnection, line: Line, credential: str, holder: str, now: datetime) -> None:
    """Put a line in the place of the one before."""
    await drop_line(connection, line.wanted.key)
    values = {
        "key": line.wanted.key,
        "credential": credential,
        "holder": holder if line.minting_until else "",
        "lease_until": line.minting_until,
        "state": written(line),
        "next_due": line.due_at,
        "updated_at": now,
    }
    await connection.execute(insert(MINT_LEASES).values(**values))


async def drop_line(connection: AsyncConnection, key: str) -> None:
    """Delete a line; its token is another row."""
    await connection.execute(delete(MINT_LEASES).where(MINT_LEASES.c.key == key))


async def holder(connection: AsyncConnection, key: str) -> str:
    """Who has the lease of a key, "" for nobody."""
    found = await connection.scalar(select(MINT_LEASES.c.holder).where(MINT_LEASES.c.key == key))
    return str(found or "")


async def save_peers(connection: AsyncConnection, buckets: Mapping[str, Bucket]) -> None:
    """Put these buckets in the place of all."""
    await connection.execute(delete(MINT_PEERS))
    rows = [
        {"peer": peer, "level": int(bucket.level * 1000), "at": bucket.at} for peer, bucket in sorted(buckets.items())
    ]
    if rows:
        await connection.execute(insert(MINT_PEERS), rows)


def written(line: Line) -> dict[str, Any]:
    """A line as plain values, without its due time and its lease, which are columns."""
    held = line.held
    return {
        "peer": line.wanted.peer,
        "source": line.wanted.source,
        "lifeS": line.wanted.life_s,
        "setAt": line.set_at.isoformat(),
        "failures": line.failures,
        "why": str(line.why) if line.why else None,
        "code": line.code,
        "waitS": line.wait_s,
        "told": int(line.told),
        "attempt": line.attempt,
        "mintingFrom": line.minting_from,
        "held": None
        if held is None
        else {
            "serial": held.serial,
            "source": held.source,
            "issuedAt": held.issued_at.isoformat(),
            "expiresAt": held.expires_at.isoformat(),
        },
    }


def _line(row: Row[Any]) -> Line:
    state = row.state
    return Line(
        Wanted(row.key, state["peer"], state["source"], state["lifeS"]),
        row.next_due,
        datetime.fromisoformat(state["setAt"]),
        documents.held(state),
        state["failures"],
        Why(state["why"]) if state["why"] else None,
        state["code"],
        state["waitS"],
        Notice(state["told"]),
        state["attempt"],
        row.lease_until,
        state["mintingFrom"],
    )
