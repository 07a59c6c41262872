"""Rows of tokens, sessions, links and passwords. Tokens are found by their hash and are nowhere in clear."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.server.database.tables import API_TOKENS


async def api_token(connection: AsyncConnection, hashed: bytes, now: datetime) -> Row[Any] | None:
    """The API token of this hash, unless it has ended."""
    query = select(API_TOKENS).where(API_TOKENS.c.token == hashed, API_TOKENS.c.expires_at > now)
    return (await connection.execute(query)).one_or_none()


async def insert_api_token(connection: AsyncConnection, **values: Any) -> None:
    """Store a new API token."""
    await connection.execute(insert(API_TOKENS).values(**values))


async def delete_api_token(connection: AsyncConnection, token_id: str, user: str) -> int:
    """Forget a token of this user's; how many there were."""
    done = await connection.execute(delete(API_TOKENS).where(API_TOKENS.c.id == token_id, API_TOKENS.c.user == user))
    return int(done.rowcount)
