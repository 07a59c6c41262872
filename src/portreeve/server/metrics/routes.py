"""The route of the metrics. They are of everything at once, so they are for whoever may read the settings of that.

Why there is no second way in: docs/adr/0027.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.server.http.guard import GuardedRoute, authorised, reads_settings
from portreeve.server.metrics.service import Metrics
from portreeve.wire.exposition import CONTENT_TYPE


def routes(metrics: Metrics) -> APIRouter:
    """The one route."""
    router = APIRouter(route_class=GuardedRoute, tags=["health"])

    @router.get("/metrics", operation_id="read_metrics", summary="How everything stands, for Prometheus")
    @authorised((Kind.SETTINGS, Action.READ))
    async def read(request: Request) -> Response:
        reads_settings(request)
        return Response(await metrics.page(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    return router
