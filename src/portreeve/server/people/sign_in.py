"""Signing in with a password or a one-time link: who is it, how often may they try, and what is recorded of it.

Unknown, disabled and passwordless users cost the same work and hear the same words as a wrong password. The audit log
names the user of a failed attempt only if there is one: what is typed into that field is a password now and then.

Sources: OWASP ASVS 5.0, 6.3.8; OWASP, "Logging Cheat Sheet", "Data to exclude"; threats API-07, API-11.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Row
from starlette.requests import Request

from portreeve.core.audit import Action, Actor, ObjectKind, Outcome, Target, Via, ViaKind, escaped
from portreeve.core.authorization import Authentication
from portreeve.core.estate import Key
from portreeve.core.secret import SecretValue
from portreeve.errors import PortreeveError, Unauthenticated
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Refusal, Transaction
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http import origin
from portreeve.server.people import cookies, passwords, sessions, store, throttle
from portreeve.server.people.authenticator import People
from portreeve.server.people.principals import Account, account
from portreeve.server.people.sessions import Beginning, Started
from portreeve.server.people.throttle import Bucket
from portreeve.server.people.tokens import digest

NOBODY: Final = "(unknown)"
"""Stands where no user is known. No user can have this name: it is no DNS label."""

SIGN_IN: Final = Via(ViaKind.SYSTEM, "sign-in")


class SignIn:
    """The service."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def by_password(self, request: Request, user: str, password: SecretValue) -> Started:
        """Begin a session of whoever knows this user's password.

        Raises:
            Rejected: `cross_site`.
            Unauthenticated: `sign_in_refused`.
            Throttled: `sign_in_throttled`, `sign_in_busy`.
        """
        people, name = self._people, throttle.normalised(user)
        origin.refuse_cross_site(request, people.origins)
        passwords.refuse_too_long(password)
        by_user, by_address = throttle.of_user(name), of_client(request)
        await self.charge(by_user, by_address)
        who = account(await people.writer.current(), name)
        stored = await self.stored_password(who)
        right = await people.passwords.verified(stored, password)
        renewed = None
        if right and stored is not None and people.passwords.outdated(stored):
            renewed = await people.passwords.hashed(password)
        beginning = self.beginning(request, Authentication.PASSWORD)

        async def job(transaction: Transaction) -> Started:
            # What was verified may have changed since: a password that was replaced opens nothing any more.
            now = account(transaction.snapshot, name)
            if not right or who is None or now is None or now.uid != who.uid:
                raise refusal(refused(), transaction.snapshot, name, beginning.request)
            if await store.password(transaction.connection, who.name, who.uid) != stored:
                raise refusal(refused(), transaction.snapshot, name, beginning.request)
            await throttle.forgive(transaction.connection, user=by_user, address=by_address)
            if renewed is not None:
                await store.set_password(transaction.connection, who.name, who.uid, renewed, transaction.now)
            return await sessions.begin(transaction, who, beginning)

        return await people.writer.run(job)

    async def by_link(self, request: Request, token: SecretValue) -> Started:
        """Begin a session of the user whom the link was issued for; it is good for one.

        Raises:
            Rejected: `cross_site`.
            Unauthenticated: `sign_in_refused`.
            Throttled: `sign_in_throttled`.
        """
        people = self._people
        origin.refuse_cross_site(request, people.origins)
        by_address = of_client(request)
        await self.charge(by_address)
        beginning = self.beginning(request, Authentication.LINK)

        async def job(transaction: Transaction) -> Started:
            row = await store.take_link(transaction.connection, digest(token), transaction.now)
            who = None if row is None else _of_row(transaction.snapshot, row)
            if who is None:
                raise refusal(refused(), transaction.snapshot, row.user if row is not None else "", beginning.request)
            await throttle.forgive(transaction.connection, user=None, address=by_address)
            return await sessions.begin(transaction, who, beginning)

        return await people.writer.run(job)

    async def charge(self, *buckets: Bucket) -> None:
        """Count a failure for each; whoever is right gets it back.

        Raises:
            Throttled: `sign_in_throttled`.
        """
        people = self._people
        async with people.database.reader.connect() as connection:
            await throttle.refuse_waiting(connection, buckets, people.clock())
        await people.writer.run(lambda transaction: throttle.charge(transaction.connection, buckets, transaction.now))

    async def stored_password(self, who: Account | None) -> str | None:
        """The hash of this user's password; for nobody the same question is asked."""
        async with self._people.database.reader.connect() as connection:
            name, uid = (who.name, who.uid) if who is not None else ("", "")
            return await store.password(connection, name, uid)

    def beginning(self, request: Request, how: Authentication, oidc_groups: tuple[str, ...] = ()) -> Beginning:
        """A session that begins with this request, in place of the one that its browser has."""
        people = self._people
        replaced = people.cookies.read(request.cookies, cookies.SESSION)
        return Beginning(people.new_id(), how, request.state.request_id, replaced, oidc_groups)


def of_client(request: Request) -> Bucket:
    """The bucket of the address that a request comes from."""
    return throttle.of_address(request.client.host if request.client else None)


def refused() -> Unauthenticated:
    """The one answer to whoever does not get in."""
    hint = "look at the user name and the password, or ask for a new link"
    return Unauthenticated("sign_in_refused", "nobody can be signed in by that", hint=hint)


def refusal(error: PortreeveError, snapshot: Snapshot, name: str, request: str) -> Refusal:
    """A sign-in that failed, with the event of it."""
    known = name if Key("User", name) in snapshot.documents else NOBODY
    target = Target(ObjectKind.USER, escaped(known))
    entry = Entry(Actor(NOBODY, SIGN_IN), Action.SESSION_START, target, request, Outcome.REFUSED, error.code)
    return Refusal(error, entry)


def _of_row(snapshot: Snapshot, row: Row[tuple[object, ...]]) -> Account | None:
    found = account(snapshot, row.user)
    return found if found is not None and found.uid == row.user_uid else None
