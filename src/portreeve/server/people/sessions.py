"""Sessions: a row for each, found by the hash of an opaque token. Decision record: docs/adr/0014.

A session ends after `IDLE` without a request, after `WHOLE` in any case, when it is ended, when its user sets a
password, and when its user is disabled or gone. Its token is new at each sign-in and whenever what it may do changes.

Sources: OWASP ASVS 5.0, 7.2 to 7.4; NIST SP 800-63B-4, section 5.2; threat API-06.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row

from portreeve.core.audit import Action, Actor, ObjectKind, Target, Via, ViaKind, escaped
from portreeve.core.authorization import Authentication
from portreeve.core.secret import SecretValue
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction
from portreeve.server.people import store
from portreeve.server.people.principals import Account, disabled
from portreeve.server.people.tokens import digest, new_token

IDLE: Final = timedelta(hours=8)
"""A working day: whoever goes home is signed out."""
WHOLE: Final = timedelta(hours=24)
SEEN_EVERY: Final = timedelta(minutes=1)
"""`seen_at` is written no more often: reading must not cost a write each time."""
MOST_PER_USER: Final = 20
"""Sessions of one user; the oldest ends when another one begins."""


@dataclass(frozen=True, slots=True)
class Started:
    """A session that has begun; `token` goes into the cookie and nowhere else."""

    id: str
    user: str
    token: SecretValue
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a session begins: by which proof, in which request, and in place of which cookie's session."""

    id: str
    how: Authentication
    request: str
    replaced: SecretValue | None = None
    oidc_groups: tuple[str, ...] = ()


async def begin(transaction: Transaction, who: Account, beginning: Beginning) -> Started:
    """Begin a session, with its event. The one that the browser had ends."""
    connection, now = transaction.connection, transaction.now
    await store.sweep_sessions(connection, now, now - IDLE, list(disabled(transaction.snapshot)))
    if beginning.replaced is not None:
        row = await store.session(connection, digest(beginning.replaced))
        if row is not None:
            await end(
                transaction, row, by=Actor(escaped(row.user), Via(ViaKind.SESSION, row.id)), request=beginning.request
            )
    mine = await store.sessions(connection, who.name, who.uid, now, now - IDLE)
    actor = Actor(escaped(who.name), Via(ViaKind.SESSION, beginning.id))
    for row in mine[: max(0, len(mine) + 1 - MOST_PER_USER)]:
        await end(transaction, row, by=actor, request=beginning.request)
    token, expires_at = new_token(), now + WHOLE
    await store.insert_session(
        connection,
        token=digest(token),
        id=beginning.id,
        user=who.name,
        user_uid=who.uid,
        method=str(beginning.how),
        oidc_groups=list(beginning.oidc_groups),
        created_at=now,
        seen_at=now,
        expires_at=expires_at,
    )
    transaction.record(Entry(actor, Action.SESSION_START, target(beginning.id), beginning.request))
    return Started(beginning.id, who.name, token, expires_at)


async def end(transaction: Transaction, row: Row[Any], *, by: Actor, request: str) -> None:
    """End a session, with its event."""
    if await store.delete_session(transaction.connection, row.id, row.user, row.user_uid):
        transaction.record(Entry(by, Action.SESSION_END, target(row.id), request))


async def end_all(transaction: Transaction, who: Account, *, by: Actor, request: str) -> None:
    """End all sessions of a user."""
    now = transaction.now
    for row in await store.sessions(transaction.connection, who.name, who.uid, now, now - IDLE):
        await end(transaction, row, by=by, request=request)


def alive(row: Row[Any], now: datetime) -> bool:
    """Whether it has not ended by time."""
    return bool(row.expires_at > now and row.seen_at + IDLE > now)


def target(session_id: str) -> Target:
    """A session as the audit log names it."""
    return Target(ObjectKind.SESSION, session_id)
