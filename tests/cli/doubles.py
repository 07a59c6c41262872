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
