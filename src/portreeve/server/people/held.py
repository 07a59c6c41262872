"""The sessions and API tokens that a user holds: listed and ended, by themselves or by whoever may change the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Outcome, Target, escaped
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.errors import NotFound
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Refusal, Transaction
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import may, may_not, refused, refused_change
from portreeve.server.people import api_tokens, sessions, store
from portreeve.server.people.authenticator import People
from portreeve.server.people.principals import Account


async def sessions_of(people: People, who: Account) -> Sequence[Row[Any]]:
    """The sessions of a user, the oldest first."""
    now = people.clock()
    async with people.database.reader.connect() as connection:
        return await store.sessions(connection, who.name, who.uid, now, now - sessions.IDLE)


async def tokens_of(people: People, who: Account) -> Sequence[Row[Any]]:
    """The API tokens of a user, the oldest first."""
    async with people.database.reader.connect() as connection:
        return await store.api_tokens(connection, who.name, who.uid, people.clock())


async def end_session(transaction: Transaction, caller: Caller, who: Account, session_id: str) -> None:
    """End a session of this user.

    Raises:
        NotFound: `not_found`: they have none of this id, whoever else may have one.
    """
    now = transaction.now
    for row in await store.sessions(transaction.connection, who.name, who.uid, now, now - sessions.IDLE):
        if row.id == session_id:
            await sessions.end(transaction, row, by=caller.actor, request=caller.request)
            return
    raise NotFound("not_found", f"there is no session {session_id} here")


async def revoke_token(transaction: Transaction, caller: Caller, who: Account, token_id: str) -> None:
    """Revoke an API token of this user.

    Raises:
        NotFound: `not_found`.
    """
    await api_tokens.revoke(transaction, who, token_id, by=caller.actor, request=caller.request)


def seen(caller: Caller, snapshot: Snapshot, name: str) -> Account:
    """The user of this name, for whoever may read them. A disabled one still holds what can be listed.

    Raises:
        NotFound: there is none, or not for this caller.
    """
    stored = snapshot.documents.get(Key("User", name))
    if stored is None:
        raise refused(may_not(caller, Action.READ, Kind.USER, name), named=True)
    decision = may(caller, Action.READ, snapshot.parts(stored))
    if not decision.allowed:
        raise refused(decision, named=True)
    return Account(name, stored.uid)


def changed(transaction: Transaction, caller: Caller, name: str, recorded: Recorded) -> Account:
    """The user of this name, for whoever may change them.

    Raises:
        Refusal: there is none, or not for this caller; with the event of the attempt.
    """
    stored = transaction.snapshot.documents.get(Key("User", name))
    if stored is None or not may(caller, Action.UPDATE, transaction.snapshot.parts(stored)).allowed:
        error = refused_change(Kind.USER, name)
        target = Target(ObjectKind.USER, escaped(name))
        raise Refusal(error, Entry(caller.actor, recorded, target, caller.request, Outcome.REFUSED, error.code))
    return Account(name, stored.uid)
