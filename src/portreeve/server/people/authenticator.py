"""Who sends a request: by a bearer token, or by the cookie of a session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request

from portreeve.core.audit import Via, ViaKind
from portreeve.core.authorization import Authentication
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Writer
from portreeve.server.http.caller import Caller, TokenScope
from portreeve.server.people import store
from portreeve.server.people.principals import principal, unauthenticated
from portreeve.server.people.tokens import digest, looks_like_api_token


class People:
    """The authenticator."""

    def __init__(self, writer: Writer, database: Database, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._database = database
        self._clock = clock

    async def caller(self, request: Request) -> Caller:
        """As `guard.Authenticator`."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not looks_like_api_token(text):
            raise unauthenticated()
        async with self._database.reader.connect() as connection:
            row = await store.api_token(connection, digest(text), self._clock())
        if row is None:
            raise unauthenticated()
        snapshot = await self._writer.current()
        scope = TokenScope(row.scope.get("readOnly", False), _kinds(row.scope.get("kinds")))
        who = principal(snapshot, row.user, Authentication.TOKEN)
        return Caller(who, Via(ViaKind.TOKEN, row.id), request.state.request_id, scope)


def _kinds(named: list[str] | None) -> frozenset[str] | None:
    return None if named is None else frozenset(named)
