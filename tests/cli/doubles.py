"""Routes that a control plane under test does not have yet, as the command line expects them.

A double stands only where the route is missing; where it is there, the real one is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.server.served import Served

PATH = "/api/v1/registries/{name}/credentials/{purpose}"


@dataclass
class Credentials:
    """What reached the control plane: (registry, purpose, whether by rotation) → body."""

    real: bool
    received: dict[tuple[str, str, bool], dict[str, Any]] = field(default_factory=dict)


def credentials(plane: Served, token: str) -> Credentials:
    """The routes of credentials: the real ones, or doubles that answer metadata and keep what they were sent."""
    found = Credentials(plane.has_route("/api/v1/registries/none/credentials/pull", token=token, method="PUT"))
    if found.real:
        return found

    async def keep(request: Request) -> Response:
        rotated = request.url.path.endswith("/rotate")
        name, purpose = request.path_params["name"], request.path_params["purpose"]
        found.received[name, purpose, rotated] = await request.json()
        return JSONResponse({"purpose": purpose, "version": len(found.received), "state": "stored"})

    plane.plane.app.router.routes[:0] = [
        Route(PATH, keep, methods=["PUT"]),
        Route(f"{PATH}/rotate", keep, methods=["POST"]),
    ]
    return found


def watch(plane: Served, token: str, events: Sequence[dict[str, Any]]) -> None:
    """A stream of these events that then ends; where the real one is, the test is another."""
    if plane.has_route("/api/v1/watch", token=token):
        pytest.skip("the real stream does not end by itself")

    def lines() -> Iterator[str]:
        yield ": begun\n\n"
        for event in events:
            yield f"data: {json.dumps(event)}\n\n"

    async def stream(_: Request) -> Response:
        return StreamingResponse(lines(), media_type="text/event-stream")

    plane.plane.app.router.routes.insert(0, Route("/api/v1/watch", stream))


def people(plane: Served, token: str) -> None:
    """Signing in with `canary-password`, and tokens; where the real routes are, their own tests try them."""
    if plane.has_route("/api/v1/me/tokens", token=token):
        pytest.skip("tried with a real password in the tests of people")

    async def sign_in(request: Request) -> Response:
        right = (await request.json())["password"] == "canary-password"
        if not right or request.headers.get("origin") != plane.url or "authorization" in request.headers:
            problem = {"code": "unauthenticated", "detail": "nobody is signed in", "status": 401}
            return JSONResponse(problem, 401, media_type="application/problem+json")
        answer = JSONResponse({"user": "root"})
        answer.set_cookie("portreeve", "session", httponly=True)
        return answer

    async def tokens(request: Request) -> Response:
        assert request.cookies == {"portreeve": "session"}
        assert "idempotency-key" not in request.headers or request.method == "DELETE"
        one = {"id": "t-1", "title": "ci", "scope": {"readOnly": False}, "expiresAt": "2027-02-01T00:00:00Z"}
        if request.method == "POST":
            asked = await request.json()
            return JSONResponse({**one, **asked, "token": "prt_made"}, 201)
        return JSONResponse({"items": [one]}) if request.method == "GET" else Response(status_code=204)

    async def sign_out(_: Request) -> Response:
        return Response(status_code=204)

    plane.plane.app.router.routes[:0] = [
        Route("/api/v1/sign-in/password", sign_in, methods=["POST"]),
        Route("/api/v1/sign-out", sign_out, methods=["POST"]),
        Route("/api/v1/me/tokens", tokens, methods=["GET", "POST"]),
        Route("/api/v1/me/tokens/{id}", tokens, methods=["DELETE"]),
    ]
