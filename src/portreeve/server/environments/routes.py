"""The registries that somebody may choose in an environment: those that are granted to them there, and no others.

This is the management plane: it decides what is offered. That a manifest from elsewhere is judged too is the admission
plane's doing, and the answer says which of the two an environment has.
Source: requirements B-09, B-19, B-20 and B-24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.desired import Grant
from portreeve.core.environments import EnvironmentType
from portreeve.core.permissions import Action, Kind
from portreeve.core.platform import anonymous_docker_hub_shown
from portreeve.server.documents.service import Documents
from portreeve.server.documents.view import time
from portreeve.server.http.answers import Answer
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.images.verdicts import Governed, governed

ANONYMOUS: Final = "docker-hub-anonymous"
"""The entry that is no registry of anybody's: Docker Hub without signing in."""


def routes(documents: Documents, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["environments"])

    @router.get(
        "/api/v1/environments/{name}/registries",
        operation_id="list_environment_registries",
        summary="The registries that the caller may use in an environment",
    )
    @authorised((Kind.ENVIRONMENT, Action.READ), (Kind.REGISTRY_ACCESS, Action.LIST))
    async def listed(request: Request, name: Annotated[str, Path(max_length=253)]) -> Response:
        caller, snapshot = caller_of(request), await documents.snapshot()
        environment = snapshot.estate.environments_by_name.get(name)
        if environment is None:
            decision = may_not(caller, Action.READ, Kind.ENVIRONMENT, name)
        else:
            decision = may(caller, Action.READ, [Resource(Kind.ENVIRONMENT, name, name, environment.group)])
        decided(request)
        if not decision.allowed or environment is None:
            raise refused(decision, named=True)
        held = governed(snapshot, environment, clock())
        items = [_item(held, grant, places) for grant in held.state.grants if (places := _places(caller, held, grant))]
        if anonymous_docker_hub_shown(snapshot.settings, environment.tier):
            items.append({"registry": ANONYMOUS, "prefix": "docker.io", "enforcedBy": "nothing: it is not hidden"})
        return Answer(200, {"kind": "RegistryChoiceList", "items": list(_once(items))}).response()

    return router


def _places(caller: Caller, held: Governed, grant: Grant) -> list[str]:
    """The namespaces of a grant that the caller may see; on a Docker host "" if the grant is for them at all."""
    environment = held.environment
    where = (environment.name, environment.group)
    if environment.type is not EnvironmentType.KUBERNETES:
        part = Resource(Kind.REGISTRY_ACCESS, "", *where, subjects=grant.subjects)
        return [""] if may(caller, Action.LIST, [part]).allowed else []
    known = tuple(held.namespaces.values()) or None
    return [
        name
        for name in grant.selected(known)
        if may(caller, Action.LIST, [Resource(Kind.REGISTRY_ACCESS, "", *where, (name,))]).allowed
    ]


def _item(held: Governed, grant: Grant, places: list[str]) -> dict[str, Any]:
    policy = held.state.policy
    credential = grant.credential
    return {
        "registry": grant.registry,
        "prefix": grant.key,
        "namespaces": [name for name in places if name],
        "mode": str(grant.delivery.mode),
        "grant": grant.owner,
        "expiresAt": time(credential.expires_at) if credential else None,
        "enforcedBy": "deployment time only" if policy is None else str(policy.plane),
    }


def _once(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One entry for each registry, with the namespaces of all its grants."""
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        held = found.setdefault(item["registry"], item)
        if held is not item:
            held["namespaces"] = sorted({*held["namespaces"], *item["namespaces"]})
    yield from found.values()
