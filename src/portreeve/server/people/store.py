"""Rows of tokens, sessions, links, passwords and failures. Tokens are found by their hash and are nowhere in clear.

What belongs to a user names the uid of their document, too: a user who was deleted and made again is somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.server.database.tables import (
    API_TOKENS,
    IDENTITIES,
    PASSWORDS,
    SESSIONS,
    SIGN_IN_FAILURES,
    SIGN_IN_LINKS,
    SIGN_INS,
)


async def api_token(connection: AsyncConnection, hashed: bytes, now: datetime) -> Row[Any] | None:
    """The API token of this hash, unless it has ended."""
    query = select(API_TOKENS).where(API_TOKENS.c.token == hashed, API_TOKENS.c.expires_at > now)
    return (await connection.execute(query)).one_or_none()


async def insert_api_token(connection: AsyncConnection, **values: Any) -> None:
    """Store a new API token."""
    await connection.execute(insert(API_TOKENS), values)


async def api_tokens(connection: AsyncConnection, user: str, uid: str, now: datetime) -> Sequence[Row[Any]]:
    """The API tokens of a user that have not ended, the oldest first."""
    mine = (API_TOKENS.c.user == user, API_TOKENS.c.user_uid == uid, API_TOKENS.c.expires_at > now)
    query = select(API_TOKENS).where(*mine).order_by(API_TOKENS.c.created_at, API_TOKENS.c.id)
    return (await connection.execute(query)).all()


async def delete_api_token(connection: AsyncConnection, token_id: str, user: str, uid: str) -> int:
    """Forget a token of this user's; how many there were."""
    at = (API_TOKENS.c.id == token_id, API_TOKENS.c.user == user, API_TOKENS.c.user_uid == uid)
    return int((await connection.execute(delete(API_TOKENS).where(*at))).rowcount)


async def use_api_token(connection: AsyncConnection, token_id: str, now: datetime) -> None:
    """Note when a token was used."""
    await connection.execute(update(API_TOKENS).where(API_TOKENS.c.id == token_id).values(used_at=now))


async def sweep_api_tokens(connection: AsyncConnection, now: datetime) -> None:
    """Forget those that have ended."""
    await connection.execute(delete(API_TOKENS).where(API_TOKENS.c.expires_at <= now))


async def session(connection: AsyncConnection, hashed: bytes) -> Row[Any] | None:
    """The session of this token's hash, ended or not."""
    return (await connection.execute(select(SESSIONS).where(SESSIONS.c.token == hashed))).one_or_none()


async def insert_session(connection: AsyncConnection, **values: Any) -> None:
    """Store a new session."""
    await connection.execute(insert(SESSIONS), values)


async def sessions(
    connection: AsyncConnection, user: str, uid: str, now: datetime, seen: datetime
) -> Sequence[Row[Any]]:
    """The sessions of a user that have not ended and were seen after `seen`, the oldest first."""
    mine = (SESSIONS.c.user == user, SESSIONS.c.user_uid == uid, SESSIONS.c.expires_at > now, SESSIONS.c.seen_at > seen)
    query = select(SESSIONS).where(*mine).order_by(SESSIONS.c.created_at, SESSIONS.c.id)
    return (await connection.execute(query)).all()


async def see_session(connection: AsyncConnection, session_id: str, now: datetime) -> None:
    """Note that it was used."""
    await connection.execute(update(SESSIONS).where(SESSIONS.c.id == session_id).values(seen_at=now))


async def delete_session(connection: AsyncConnection, session_id: str, user: str, uid: str) -> int:
    """End a session of this user's; how many there were."""
    at = (SESSIONS.c.id == session_id, SESSIONS.c.user == user, SESSIONS.c.user_uid == uid)
    return int((await connection.execute(delete(SESSIONS).where(*at))).rowcount)


async def sweep_sessions(connection: AsyncConnection, now: datetime, seen: datetime, disabled: Sequence[str]) -> None:
    """Forget those that have ended, those not seen after `seen`, and those of disabled users."""
    over = (SESSIONS.c.expires_at <= now) | (SESSIONS.c.seen_at <= seen) | SESSIONS.c.user.in_(disabled)
    await connection.execute(delete(SESSIONS).where(over))


async def password(connection: AsyncConnection, user: str, uid: str) -> str | None:
    """The hash of a user's password, None without one."""
    query = select(PASSWORDS.c.hash).where(PASSWORDS.c.user == user, PASSWORDS.c.user_uid == uid)
    return await connection.scalar(query)


async def set_password(connection: AsyncConnection, user: str, uid: str, hashed: str, now: datetime) -> None:
    """Store it in place of the one before."""
    await connection.execute(delete(PASSWORDS).where(PASSWORDS.c.user == user))
    await connection.execute(insert(PASSWORDS).values(user=user, user_uid=uid, hash=hashed, updated_at=now))


async def insert_link(
    connection: AsyncConnection, *, token: bytes, user: str, uid: str, expires_at: datetime, now: datetime
) -> None:
    """Store a one-time link in place of those that the user had, and forget those that have ended."""
    await delete_links(connection, user)
    await connection.execute(delete(SIGN_IN_LINKS).where(SIGN_IN_LINKS.c.expires_at <= now))
    values = {"token": token, "user": user, "user_uid": uid, "expires_at": expires_at}
    await connection.execute(insert(SIGN_IN_LINKS), values)


async def delete_links(connection: AsyncConnection, user: str) -> None:
    """Forget a user's links."""
    await connection.execute(delete(SIGN_IN_LINKS).where(SIGN_IN_LINKS.c.user == user))


async def take_link(connection: AsyncConnection, hashed: bytes, now: datetime) -> Row[Any] | None:
    """The link of this hash, which is gone now; None if it is none or has ended. Of two callers one gets it."""
    at = SIGN_IN_LINKS.c.token == hashed
    taken = delete(SIGN_IN_LINKS).where(at).returning(*SIGN_IN_LINKS.c)
    row = (await connection.execute(taken)).one_or_none()
    return row if row is not None and row.expires_at > now else None


async def failures(connection: AsyncConnection, buckets: Sequence[bytes], since: datetime) -> dict[bytes, Row[Any]]:
    """Bucket → its count, for those that have failed since then."""
    at = (SIGN_IN_FAILURES.c.bucket.in_(buckets), SIGN_IN_FAILURES.c.last_at > since)
    rows = (await connection.execute(select(SIGN_IN_FAILURES).where(*at))).all()
    return {bytes(row.bucket): row for row in rows}


async def count_failure(connection: AsyncConnection, bucket: bytes, now: datetime) -> None:
    """One more."""
    at = SIGN_IN_FAILURES.c.bucket == bucket
    more = update(SIGN_IN_FAILURES).where(at).values(failures=SIGN_IN_FAILURES.c.failures + 1, last_at=now)
    if not (await connection.execute(more)).rowcount:
        await connection.execute(insert(SIGN_IN_FAILURES).values(bucket=bucket, failures=1, last_at=now))


async def uncount_failure(connection: AsyncConnection, bucket: bytes) -> None:
    """One less."""
    at = (SIGN_IN_FAILURES.c.bucket == bucket, SIGN_IN_FAILURES.c.failures > 0)
    await connection.execute(update(SIGN_IN_FAILURES).where(*at).values(failures=SIGN_IN_FAILURES.c.failures - 1))


async def forget_bucket(connection: AsyncConnection, bucket: bytes) -> None:
    """None any more."""
    await connection.execute(delete(SIGN_IN_FAILURES).where(SIGN_IN_FAILURES.c.bucket == bucket))


async def forget_failures(connection: AsyncConnection, before: datetime) -> None:
    """Forget buckets that have not failed since."""
    await connection.execute(delete(SIGN_IN_FAILURES).where(SIGN_IN_FAILURES.c.last_at <= before))


async def identity(connection: AsyncConnection, issuer: str, subject: str) -> Row[Any] | None:
    """Which user somebody at an identity provider is."""
    at = (IDENTITIES.c.issuer == issuer, IDENTITIES.c.subject == subject)
    return (await connection.execute(select(IDENTITIES).where(*at))).one_or_none()


async def insert_identity(
    connection: AsyncConnection, *, issuer: str, subject: str, user: str, uid: str, now: datetime
) -> None:
    """Link somebody at an identity provider to a user, in place of one who is gone."""
    at = (IDENTITIES.c.issuer == issuer, IDENTITIES.c.subject == subject)
    await connection.execute(delete(IDENTITIES).where(*at))
    values = {"issuer": issuer, "subject": subject, "user": user, "user_uid": uid, "created_at": now}
    await connection.execute(insert(IDENTITIES), values)


async def insert_sign_in(connection: AsyncConnection, **values: Any) -> None:
    """Store a sign-in that is under way."""
    await connection.execute(insert(SIGN_INS), values)


async def take_sign_in(connection: AsyncConnection, state: bytes, browser: bytes, now: datetime) -> Row[Any] | None:
    """The sign-in of this state that this browser began, which is gone now. Another browser's stays."""
    at = (SIGN_INS.c.state == state, SIGN_INS.c.browser == browser)
    row = (await connection.execute(delete(SIGN_INS).where(*at).returning(*SIGN_INS.c))).one_or_none()
    return row if row is not None and row.expires_at > now else None


async def sign_ins(connection: AsyncConnection, address: bytes | None = None) -> int:
    """How many are under way, from this address if one is given."""
    query = select(func.count()).select_from(SIGN_INS)
    if address is not None:
        query = query.where(SIGN_INS.c.address == address)
    return int(await connection.scalar(query) or 0)


async def sweep_sign_ins(connection: AsyncConnection, now: datetime) -> None:
    """Forget those that have ended."""
    await connection.execute(delete(SIGN_INS).where(SIGN_INS.c.expires_at <= now))
