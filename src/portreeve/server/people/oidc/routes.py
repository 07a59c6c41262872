"""The routes of sign-in at an identity provider; browsers go along them by themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, public
from portreeve.server.people import cookies
from portreeve.server.people.authenticator import People
from portreeve.server.people.oidc.flow import LASTS, OidcSignIn
from portreeve.server.people.sessions import WHOLE

Name = Annotated[str, Path(max_length=63, pattern="^[a-z0-9-]+$", description="the name of the identity provider")]
Next = Annotated[
    str,
    Query(
        max_length=2048, description="the path of the console to go on at, without the path that a proxy puts before it"
    ),
]


def routes(people: People, oidc: OidcSignIn) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["sign-in"])

    @router.get("/api/v1/sign-in", operation_id="list_sign_in", summary="List the ways to sign in")
    @public
    async def ways() -> Response:
        return Answer(200, {"password": True, "oidc": oidc.choices()}).response()

    @router.get("/api/v1/sign-in/oidc/{name}/start", operation_id="start_oidc", summary="Go to an identity provider")
    @public
    async def start(request: Request, name: Name, next: Next = "/") -> Response:  # noqa: A002 -- the parameter's name
        begun = await oidc.begin(request, name, next)
        cookie = people.cookies.set(cookies.SIGN_IN, begun.browser, LASTS)
        return Answer(303, None, {"Location": begun.url, "Set-Cookie": cookie}).response()

    @router.get(
        "/api/v1/sign-in/oidc/{name}/callback",
        operation_id="finish_oidc",
        summary="Come back from an identity provider",
    )
    @public
    async def callback(request: Request, name: Name) -> Response:
        finished = await oidc.finish(request, name)
        answer = Answer(303, None, {"Location": f"{people.origins.prefix}{finished.next}"}).response()
        answer.headers.append("Set-Cookie", people.cookies.set(cookies.SESSION, finished.started.token, WHOLE))
        answer.headers.append("Set-Cookie", people.cookies.cleared(cookies.SIGN_IN))
        return answer

    return router
