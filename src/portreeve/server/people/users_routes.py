"""The routes about what other users hold: their sessions and API tokens, for whoever may read or change the user."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.audit import Action as Recorded
from portreeve.core.permissions import Action, Kind
from portreeve.server.database.writer import Transaction
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.people import held, view
from portreeve.server.people.authenticator import People
from portreeve.server.people.own_routes import Id

Name = Annotated[str, Path(description="metadata.name of the user", max_length=253)]


def routes(people: People) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["users"])
    base = "/api/v1/users/{name}"

    @router.get(f"{base}/sessions", operation_id="list_user_sessions", summary="List a user's sessions")
    @authorised((Kind.USER, Action.READ))
    async def list_sessions(request: Request, name: Name) -> Response:
        who = held.seen(caller_of(request), await people.writer.current(), name)
        decided(request)
        return Answer(200, view.sessions(await held.sessions_of(people, who))).response()

    @router.get(f"{base}/tokens", operation_id="list_user_tokens", summary="List a user's API tokens")
    @authorised((Kind.USER, Action.READ))
    async def list_tokens(request: Request, name: Name) -> Response:
        who = held.seen(caller_of(request), await people.writer.current(), name)
        decided(request)
        return Answer(200, view.tokens(await held.tokens_of(people, who))).response()

    @router.delete(f"{base}/sessions/{{session_id}}", operation_id="end_user_session", summary="End a user's session")
    @authorised((Kind.USER, Action.UPDATE))
    async def end_session(request: Request, name: Name, session_id: Id) -> Response:
        caller = caller_of(request)

        async def job(transaction: Transaction) -> None:
            who = held.changed(transaction, caller, name, Recorded.SESSION_END)
            await held.end_session(transaction, caller, who, session_id)

        await people.writer.run(job)
        decided(request)
        return Answer(204).response()

    @router.delete(f"{base}/tokens/{{token_id}}", operation_id="revoke_user_token", summary="Revoke a user's API token")
    @authorised((Kind.USER, Action.UPDATE))
    async def revoke_token(request: Request, name: Name, token_id: Id) -> Response:
        caller = caller_of(request)

        async def job(transaction: Transaction) -> None:
            who = held.changed(transaction, caller, name, Recorded.API_TOKEN_REVOKE)
            await held.revoke_token(transaction, caller, who, token_id)

        await people.writer.run(job)
        decided(request)
        return Answer(204).response()

    return router
