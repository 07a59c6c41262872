"""The routes about oneself: who am I, my password, my sessions, my API tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.server.database.writer import Transaction
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, caller_of, signed_in
from portreeve.server.http.problems import Rejected
from portreeve.server.people import api_tokens, bodies, held, view
from portreeve.server.people.authenticator import People
from portreeve.server.people.own_password import OwnPassword, refuse_tokens
from portreeve.server.people.principals import Account, account, unauthenticated
from portreeve.server.people.sign_in_routes import MAX_BODY_BYTES, answered

Id = Annotated[str, Path(max_length=36, pattern="^[0-9A-Za-z-]+$")]


def routes(people: People, own_password: OwnPassword) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["me"])

    @router.get("/api/v1/me", operation_id="read_me", summary="Who am I, and what may I do?")
    @signed_in
    async def me(request: Request) -> Response:
        caller = caller_of(request)
        return Answer(200, view.myself(caller, await _account(people, caller))).response()

    @router.put("/api/v1/me/password", operation_id="set_my_password", summary="Set my password")
    @signed_in
    async def set_password(request: Request) -> Response:
        found = bodies.fields(
            await read_json(request, MAX_BODY_BYTES * 2), required=("password",), optional=("current",)
        )
        password = bodies.secret(found, "password")
        current = bodies.secret(found, "current") if "current" in found else None
        return answered(people, await own_password.set(request, caller_of(request), password, current))

    @router.get("/api/v1/me/sessions", operation_id="list_my_sessions", summary="List my sessions")
    @signed_in
    async def list_sessions(request: Request) -> Response:
        caller = caller_of(request)
        refuse_tokens(caller)
        rows = await held.sessions_of(people, await _account(people, caller))
        return Answer(200, view.sessions(rows, caller.via.id)).response()

    @router.delete("/api/v1/me/sessions/{session_id}", operation_id="end_my_session", summary="End one of my sessions")
    @signed_in
    async def end_session(request: Request, session_id: Id) -> Response:
        caller = caller_of(request)
        refuse_tokens(caller)
        who = await _account(people, caller)
        await people.writer.run(lambda transaction: held.end_session(transaction, caller, who, session_id))
        return Answer(204).response()

    @router.get("/api/v1/me/tokens", operation_id="list_my_tokens", summary="List my API tokens")
    @signed_in
    async def list_tokens(request: Request) -> Response:
        caller = caller_of(request)
        refuse_tokens(caller)
        return Answer(200, view.tokens(await held.tokens_of(people, await _account(people, caller)))).response()

    @router.post("/api/v1/me/tokens", operation_id="make_my_token", summary="Make an API token; it is shown once")
    @signed_in
    async def make_token(request: Request) -> Response:
        caller = caller_of(request)
        refuse_tokens(caller)
        if "idempotency-key" in request.headers:
            # A repeated request is answered from what was stored, and this answer is stored nowhere.
            raise Rejected(400, "idempotency_key", "a token is answered once; this route takes no Idempotency-Key")
        asked = api_tokens.wanted(await read_json(request, MAX_BODY_BYTES), people.clock())
        token_id = people.new_id()

        async def job(transaction: Transaction) -> api_tokens.Made:
            who = account(transaction.snapshot, caller.principal.user)
            if who is None:
                raise unauthenticated()
            return await api_tokens.make(
                transaction, who, asked, token_id=token_id, by=caller.actor, request=caller.request
            )

        made = await people.writer.run(job)
        return Answer(201, view.made(made), {"Location": f"/api/v1/me/tokens/{made.id}"}).response()

    @router.delete(
        "/api/v1/me/tokens/{token_id}", operation_id="revoke_my_token", summary="Revoke one of my API tokens"
    )
    @signed_in
    async def revoke_token(request: Request, token_id: Id) -> Response:
        caller = caller_of(request)
        if caller.via.id != token_id:
            # A token may end itself: whoever finds one that has leaked can make it useless with nothing else.
            refuse_tokens(caller)
        who = await _account(people, caller)
        await people.writer.run(lambda transaction: held.revoke_token(transaction, caller, who, token_id))
        return Answer(204).response()

    return router


async def _account(people: People, caller: Caller) -> Account:
    found = account(await people.writer.current(), caller.principal.user)
    if found is None:
        raise unauthenticated()
    return found
