"""The route of what this control plane was told from outside, and of what somebody has to look at.

These are the settings of its process: they are read once, from its environment, and changed where it is started. No
value of a secret is among them, nor a file's path: who reads settings need not know the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.errors import Problem
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, reads_settings
from portreeve.server.settings import Settings
from portreeve.version import __version__


def routes(settings: Settings, sinks: Sequence[str], problems: Callable[[], Sequence[Problem]]) -> APIRouter:
    """The one route. `sinks` are the names of the receivers of the audit log."""
    router = APIRouter(route_class=GuardedRoute, tags=["settings"])

    @router.get("/api/v1/server", operation_id="read_server", summary="What the control plane was told from outside")
    @authorised((Kind.SETTINGS, Action.READ))
    async def read(request: Request) -> Response:
        reads_settings(request)
        return Answer(200, answered(settings, sinks, problems())).response()

    return router


def answered(settings: Settings, sinks: Sequence[str], problems: Sequence[Problem]) -> dict[str, Any]:
    """As it is answered."""
    return {
        "version": __version__,
        "publicUrl": settings.public_url,
        "tls": settings.tls_certificate is not None,
        "database": "sqlite" if settings.database_url.startswith("sqlite") else "postgresql",
        "privateAddresses": list(settings.private_addresses),
        "allowedHosts": list(settings.allowed_hosts),
        "auditSinks": list(sinks),
        "identityProviders": bool(settings.oidc_file),
        "createUsers": settings.oidc_create_users,
        "metrics": settings.metrics,
        "localClusters": [one.environment for one in settings.local_clusters],
        "problems": [{"code": one.code, "message": one.message, "hint": one.hint} for one in problems],
    }
