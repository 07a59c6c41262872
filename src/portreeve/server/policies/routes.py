"""The routes of policy templates, and of the sources that every policy has without saying so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.blast_radius import RunningImage
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Registry, prefilled_sources
from portreeve.core.sources import AGENT_SOURCE
from portreeve.core.templates import DESCRIPTIONS, Template, template, use_of
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.answers import Answer
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.problems import Rejected
from portreeve.server.images.service import visible
from portreeve.server.inventory.service import templates
from portreeve.wire.dump import dump

MOST_GROUPS = 200


def routes(documents: Documents) -> APIRouter:
    """All of them. They show only what is made of what the caller may see."""
    router = APIRouter(route_class=GuardedRoute, tags=["policies"])
    may_list = authorised((Kind.REGISTRY_POLICY, Action.LIST))

    @router.get("/api/v1/policytemplates", operation_id="list_policytemplates", summary="Policies to start from")
    @may_list
    async def listed(request: Request) -> Response:
        decided(request)
        items = [{"name": str(one), "text": held.text, "stage": str(held.stage)} for one, held in DESCRIPTIONS.items()]
        return Answer(200, {"kind": "PolicyTemplateList", "items": items, "prefilled": _prefilled()}).response()

    @router.get(
        "/api/v1/policytemplates/{template_name}", operation_id="read_policytemplates", summary="A policy to complete"
    )
    @may_list
    async def read(
        request: Request,
        template_name: Annotated[Template, Path()],
        name: Annotated[str, Query(pattern="^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "new-policy",
        group: Annotated[
            list[Annotated[str, Query(min_length=1, max_length=63)]] | None, Query(max_length=MOST_GROUPS)
        ] = None,
        registry: Annotated[str, Query(max_length=253, description="of an air gap: the internal one")] = "",
    ) -> Response:
        caller = caller_of(request)
        held, snapshot = await documents.visible(caller, KINDS["Registry"])
        decided(request)
        registries = [one.value for one in held if isinstance(one.value, Registry)]
        running = _inventory(caller, snapshot) if template_name is Template.FROM_INVENTORY else ()
        environments = snapshot.estate.environments_by_name
        groups = set(group or ())
        uses = [
            use_of(one.image, one.namespace)
            for one in running
            if not groups or (one.environment in environments and environments[one.environment].group in groups)
        ]
        if template_name is Template.AIR_GAPPED and registry and registry not in {one.name for one in registries}:
            raise Rejected(400, "registry_unknown", "there is no registry of that name that you may see")
        policy, found = template(
            template_name, name, sorted(groups), registries=registries, uses=uses, internal=registry
        )
        body: dict[str, Any] = {"document": dump(policy), "prefilled": _prefilled()}
        if found is not None:
            body["toMirror"] = [
                {"repository": one.repository, "uses": one.uses, "mirror": one.mirror} for one in found.to_mirror
            ]
            body["coverage"] = {"covered": found.covered, "uses": found.uses}
        return Answer(200, body).response()

    return router


def _inventory(caller: Caller, snapshot: Snapshot) -> Sequence[RunningImage]:
    """What runs and what could: a workload that is scaled to zero must be allowed when it comes back."""
    return (*visible(caller, snapshot), *templates(caller, snapshot))


def _prefilled() -> list[dict[str, Any]]:
    """What every policy allows without saying so, and cannot take away (rule 10)."""
    return [
        {"prefix": str(one.prefix), "namespaces": list(one.namespaces or ()), "note": one.note, "removable": False}
        for one in prefilled_sources(AGENT_SOURCE)
    ]
