"""Setting one's own password. Nobody sets another's: whoever has none gets a one-time link.

Only a session may set one. It has to know the password of now: a browser left open is not yet an account lost;
a session that came from a one-time link need not, as that is what the link is for. All sessions of the user end, unused
links are void, and the browser gets a new session. API tokens stay: they are listed, and ended one by one.

Sources: OWASP ASVS 5.0, 6.2.3, 7.4.3; threat API-06.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from portreeve.core.audit import Action, ObjectKind, Outcome, Target, ViaKind, escaped
from portreeve.core.authorization import Authentication
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, PortreeveError
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Refusal, Transaction
from portreeve.server.http.caller import Caller
from portreeve.server.people import passwords, sessions, store, throttle
from portreeve.server.people.authenticator import People
from portreeve.server.people.principals import Account, account, unauthenticated
from portreeve.server.people.sessions import Started
from portreeve.server.people.sign_in import SignIn, of_client


class OwnPassword:
    """The service."""

    def __init__(self, people: People, sign_in: SignIn) -> None:
        self._people = people
        self._sign_in = sign_in

    async def set(
        self, request: Request, caller: Caller, password: SecretValue, current: SecretValue | None
    ) -> Started:
        """Set it; the answer is the session that takes the place of all others.

        Raises:
            Denied: `session_needed`, `password_wrong`.
            Invalid: `password_unsuitable`.
            Throttled: `sign_in_throttled`, `sign_in_busy`.
        """
        people, user = self._people, caller.principal.user
        refuse_tokens(caller)
        passwords.refuse_unsuitable(password, user)
        who = account(await people.writer.current(), user)
        stored = await self._sign_in.stored_password(who)
        by_user, by_address = throttle.of_user(user), of_client(request)
        by_link = caller.principal.how is Authentication.LINK
        right = by_link
        if not by_link:
            if current is None:
                raise _wrong("the current password is missing")
            passwords.refuse_too_long(current, "current")
            await self._sign_in.charge(by_user, by_address)
            right = await people.passwords.verified(stored, current)
        hashed = await people.passwords.hashed(password) if right else ""
        beginning = self._sign_in.beginning(request, Authentication.PASSWORD)

        async def job(transaction: Transaction) -> Started:
            if not right:
                raise _refusal(caller, _wrong("the current password is another one"))
            now = await self._unchanged(transaction, caller, who, stored)
            if not by_link:
                await throttle.forgive(transaction.connection, user=by_user, address=by_address)
            await store.set_password(transaction.connection, now.name, now.uid, hashed, transaction.now)
            await store.delete_links(transaction.connection, now.name)
            transaction.record(Entry(caller.actor, Action.PASSWORD_SET, _target(caller), caller.request))
            await sessions.end_all(transaction, now, by=caller.actor, request=caller.request)
            return await sessions.begin(transaction, now, beginning)

        return await people.writer.run(job)

    @staticmethod
    async def _unchanged(transaction: Transaction, caller: Caller, who: Account | None, stored: str | None) -> Account:
        """The user, if neither they nor the session nor the password has changed since it was looked at."""
        now = account(transaction.snapshot, caller.principal.user)
        if now is None or who is None or now.uid != who.uid:
            raise unauthenticated()
        held = await store.sessions(
            transaction.connection, now.name, now.uid, transaction.now, transaction.now - sessions.IDLE
        )
        if caller.via.id not in {row.id for row in held}:
            raise unauthenticated()
        if await store.password(transaction.connection, now.name, now.uid) != stored:
            raise _refusal(caller, _wrong("the password was changed meanwhile"))
        return now


def refuse_tokens(caller: Caller) -> None:
    """See that a person acts, and no API token.

    Raises:
        Denied: `session_needed`.
    """
    if caller.via.kind is not ViaKind.SESSION:
        hint = "sign in to the console and do it there"
        raise Denied("session_needed", "an API token may not do this", hint=hint)


HINT: Final = "ask whoever administers the server for a one-time link, if it is lost or there is none"


def _wrong(message: str) -> Denied:
    return Denied("password_wrong", message, hint=HINT)


def _target(caller: Caller) -> Target:
    return Target(ObjectKind.USER, escaped(caller.principal.user))


def _refusal(caller: Caller, error: PortreeveError) -> Refusal:
    entry = Entry(caller.actor, Action.PASSWORD_SET, _target(caller), caller.request, Outcome.REFUSED, error.code)
    return Refusal(error, entry)
