"""Whether the process lives, and whether it can do its work. Anybody may ask, so nothing else is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from portreeve.server.audit import journal
from portreeve.server.database.engine import Database
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, public


def routes(database: Database, problems: Callable[[], Sequence[object]]) -> APIRouter:
    """Both of them. `problems` are those that somebody has to look at and that stop no request."""
    router = APIRouter(route_class=GuardedRoute, tags=["health"])

    @router.get("/healthz", operation_id="read_health", summary="Whether the process lives")
    @public
    async def healthy(_: Request) -> Response:
        # A database that is away is no reason to start this process again, so it is not asked here.
        return Answer(200, {"status": "ok"}, {"Cache-Control": "no-store"}).response()

    @router.get("/readyz", operation_id="read_readiness", summary="Whether requests can be answered now")
    @public
    async def ready(_: Request) -> Response:
        try:
            async with database.reader.connect() as connection:
                await journal.revision(connection)
        except (SQLAlchemyError, OSError):
            return Answer(503, {"status": "unavailable"}, {"Cache-Control": "no-store"}).response()
        # What is wrong stands in the log; whoever asks here need not be one of us.
        return Answer(200, {"status": "degraded" if problems() else "ok"}, {"Cache-Control": "no-store"}).response()

    return router
