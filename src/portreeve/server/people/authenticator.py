"""Who sends a request: by a bearer token, or by the cookie of a session.

A request with an `Authorization` header is judged by that alone. One with a cookie that changes something must come
from a page of ours (`http/origin`), as a browser sends the cookie whoever asks it to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request

from portreeve.core.audit import Actor, Via, ViaKind
from portreeve.core.authorization import Authentication
from portreeve.core.secret import SecretValue
from portreeve.errors import Unavailable
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.http import origin
from portreeve.server.http.caller import SYSTEM, Caller, TokenScope
from portreeve.server.people import cookies, links, sessions, store, viewing
from portreeve.server.people.links import Link
from portreeve.server.people.passwords import Passwords
from portreeve.server.people.principals import principal, unauthenticated
from portreeve.server.people.tokens import digest, looks_like_api_token
from portreeve.server.settings import Settings

USED_EVERY: Final = timedelta(hours=1)
"""A token's `used_at` is written no more often: it tells whether the token is still needed, not when it was used."""


class People:
    """The authenticator, and what the services of people share."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        settings: Settings,
    ) -> None:
        self.writer = writer
        self.database = database
        self.clock = clock
        self.new_id = new_id
        self.settings = settings
        self.origins = origin.origins(settings)
        self.cookies = cookies.Cookies(secure=self.origins.secure, below=self.origins.prefix)
        self.passwords = Passwords()

    async def caller(self, request: Request) -> Caller:
        """As `guard.Authenticator`; with a header, as the user that it names (`viewing`)."""
        caller = await self._proven(request)
        name = request.headers.get(viewing.HEADER)
        if name is None or name == caller.principal.user:
            return caller
        return await viewing.seen_as(caller, name, await self.writer.current(), self.database, self.clock())

    async def _proven(self, request: Request) -> Caller:
        if "authorization" in request.headers:
            scheme, _, text = request.headers["authorization"].partition(" ")
            if scheme.lower() != "bearer" or not looks_like_api_token(text):
                raise unauthenticated()
            return await self._by_token(SecretValue(text), request)
        cookie = self.cookies.read(request.cookies, cookies.SESSION)
        if cookie is None:
            raise unauthenticated()
        if request.method not in origin.SAFE:
            origin.refuse_cross_site(request, self.origins)
        return await self._by_session(cookie, request)

    async def issue_link(self, transaction: Transaction, user: str) -> Link:
        """A link by which this user signs in once, on behalf of whoever runs the server's own commands.

        Raises:
            NotFound: `not_found`: there is no such user, or it is disabled.
        """
        by = Actor("portreeve", SYSTEM)
        return await links.issue(transaction, user, self.origins.base, by=by, request=self.new_id())

    async def _by_token(self, token: SecretValue, request: Request) -> Caller:
        now = self.clock()
        async with self.database.reader.connect() as connection:
            row = await store.api_token(connection, digest(token), now)
        if row is None:
            raise unauthenticated()
        who = principal(await self.writer.current(), row.user, Authentication.TOKEN, uid=row.user_uid)
        if row.used_at is None or row.used_at + USED_EVERY <= now:
            await self._noted(lambda transaction: store.use_api_token(transaction.connection, row.id, now))
        scope = TokenScope(row.scope.get("readOnly", False), _kinds(row.scope.get("kinds")))
        return Caller(who, Via(ViaKind.TOKEN, row.id), request.state.request_id, scope, row.expires_at)

    async def _by_session(self, cookie: SecretValue, request: Request) -> Caller:
        now = self.clock()
        async with self.database.reader.connect() as connection:
            row = await store.session(connection, digest(cookie))
        if row is None or not sessions.alive(row, now):
            raise unauthenticated()
        groups = frozenset(row.oidc_groups)
        who = principal(await self.writer.current(), row.user, Authentication(row.method), groups, uid=row.user_uid)
        if row.seen_at + sessions.SEEN_EVERY <= now:
            await self._noted(lambda transaction: store.see_session(transaction.connection, row.id, now))
        return Caller(who, Via(ViaKind.SESSION, row.id), request.state.request_id, expires_at=row.expires_at)

    async def _noted(self, job: Callable[[Transaction], Any]) -> None:
        # Reading works while nothing can be written: then it is not noted.
        with suppress(Unavailable):
            await self.writer.run(job)


def _kinds(named: list[str] | None) -> frozenset[str] | None:
    return None if named is None else frozenset(named)
