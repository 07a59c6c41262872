"""The route of what could be connected from the machine that the control plane runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.permissions import Action, Kind
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, refused
from portreeve.workspace.discovery import Discovery, discover


def routes(surroundings: Mapping[str, str]) -> APIRouter:
    """The one route. It looks anew at each request, as files and sockets come and go."""
    router = APIRouter(route_class=GuardedRoute, tags=["settings"])

    @router.get("/api/v1/discovery", operation_id="read_discovery", summary="What could be connected from here")
    @authorised((Kind.SETTINGS, Action.READ))
    async def read(request: Request) -> Response:
        decision = may(caller_of(request), Action.READ, (Resource(Kind.SETTINGS),))
        decided(request)
        if not decision.allowed:
            raise refused(decision, named=False)
        return Answer(200, answered(await asyncio.to_thread(discover, surroundings))).response()

    return router


def answered(found: Discovery) -> dict[str, Any]:
    """As it is answered: names and places, and no value of any login."""
    return {
        "contexts": [
            {"name": one.name, "file": one.file, "namespace": one.namespace, "current": one.current, "tool": one.local}
            for one in found.contexts
        ],
        "engines": [{"name": one.name, "address": one.address} for one in found.engines],
        "logins": [
            {"host": one.host, "file": one.file, "kept": "helper" if one.helper else "file", "helper": one.helper}
            for one in found.logins
        ],
        "unread": [{"file": one.file, "reason": one.reason} for one in found.unread],
        "contacted": False,
    }
