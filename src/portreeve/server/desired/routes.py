"""The route of desired states for people: what an environment should hold, without the sealed credentials."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.permissions import Action, Kind
from portreeve.server.desired.service import DesiredStates
from portreeve.server.documents.service import Documents
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused


def routes(states: DesiredStates, documents: Documents) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["environments"])

    @router.get(
        "/api/v1/environments/{name}/desired",
        operation_id="read_desired",
        summary="What an environment should hold, by generation",
    )
    @authorised((Kind.ENVIRONMENT, Action.ENROL))
    async def read(request: Request, name: Annotated[str, Path(max_length=253)]) -> Response:
        caller, snapshot = caller_of(request), await documents.snapshot()
        environment = snapshot.environment(name)
        # Whoever may enrol an agent there may see what it will be given.
        if environment is None:
            decision = may_not(caller, Action.ENROL, Kind.ENVIRONMENT, name)
        else:
            decision = may(caller, Action.ENROL, [Resource(Kind.ENVIRONMENT, name, name, environment.group)])
        decided(request)
        held = await states.current(name) if decision.allowed else None
        if held is None:
            raise refused(decision, named=True)
        return Answer(200, _shown(json.loads(held.document)["document"]), {"ETag": f'"{held.hash}"'}).response()

    return router


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    for grant in document["grants"]:
        if grant["credential"] is not None:
            grant["credential"]["sealed"] = grant["credential"]["sealed"] is not None
    return document
