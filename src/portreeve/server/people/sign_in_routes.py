"""The routes by which people sign in and out."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.server.database.writer import Transaction
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, caller_of, public, signed_in
from portreeve.server.people import bodies, cookies, sessions, store, view
from portreeve.server.people.authenticator import People
from portreeve.server.people.own_password import refuse_tokens
from portreeve.server.people.principals import unauthenticated
from portreeve.server.people.sessions import WHOLE, Started
from portreeve.server.people.sign_in import SignIn
from portreeve.server.people.tokens import digest

MAX_BODY_BYTES = 8192
"""A name, and a password of 1 KiB in JSON's escapes."""
MAX_NAME = 253


def routes(people: People, sign_in: SignIn) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["sign-in"])

    @router.post("/api/v1/sign-in/password", operation_id="sign_in_password", summary="Sign in with a password")
    @public
    async def by_password(request: Request) -> Response:
        found = bodies.fields(await read_json(request, MAX_BODY_BYTES), required=("user", "password"))
        password = bodies.secret(found, "password")
        started = await sign_in.by_password(request, bodies.text(found, "user", MAX_NAME), password)
        return answered(people, started)

    @router.post("/api/v1/sign-in/link", operation_id="sign_in_link", summary="Sign in with a one-time link")
    @public
    async def by_link(request: Request) -> Response:
        found = bodies.fields(await read_json(request, MAX_BODY_BYTES), required=("token",))
        return answered(people, await sign_in.by_link(request, bodies.secret(found, "token")))

    @router.post("/api/v1/sign-out", operation_id="sign_out", summary="End this session")
    @signed_in
    async def sign_out(request: Request) -> Response:
        caller = caller_of(request)
        refuse_tokens(caller)
        cookie = people.cookies.read(request.cookies, cookies.SESSION)

        async def job(transaction: Transaction) -> None:
            row = None if cookie is None else await store.session(transaction.connection, digest(cookie))
            if row is None:
                raise unauthenticated()
            await sessions.end(transaction, row, by=caller.actor, request=caller.request)

        await people.writer.run(job)
        return Answer(204, None, {"Set-Cookie": people.cookies.cleared(cookies.SESSION)}).response()

    return router


def answered(people: People, started: Started) -> Response:
    """A session that begins: its token goes into the cookie alone."""
    cookie = people.cookies.set(cookies.SESSION, started.token, WHOLE)
    return Answer(200, view.begun(started), {"Set-Cookie": cookie}).response()
