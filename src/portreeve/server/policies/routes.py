"""The routes of policy templates, of the effect of a draft, and of how policies stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.blast_radius import RunningImage
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Registry, Stage, prefilled_sources
from portreeve.core.sources import AGENT_SOURCE
from portreeve.core.templates import DESCRIPTIONS, Template, template, use_of
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.server.http.openapi import body as described
from portreeve.server.http.problems import Rejected
from portreeve.server.images.service import visible
from portreeve.server.inventory.service import templates
from portreeve.server.policies.coverage import COLUMNS, FIELDS, Row, Violations, Wanted, row_key, rows
from portreeve.server.policies.effect import BODY, answered, read_question
from portreeve.wire.dump import dump

MOST_GROUPS = 200

Text = Annotated[str | None, Query(max_length=253)]
Type = Annotated[Literal["kubernetes", "docker"] | None, Query()]


described("read_policyeffect", BODY)


def routes(documents: Documents, violations: Violations, clock: Callable[[], datetime]) -> APIRouter:
    """All of them. They show only what is made of what the caller may see. `violations` is the look of the stages."""
    router = APIRouter(route_class=GuardedRoute, tags=["policies"])
    may_list = authorised((Kind.REGISTRY_POLICY, Action.LIST))

    @router.post(
        "/api/v1/policies/effect",
        operation_id="read_policyeffect",
        summary="What a policy that is being written would do to what runs; nothing is stored",
    )
    @authorised((Kind.REGISTRY_POLICY, Action.PLAN), (Kind.REGISTRY_POLICY, Action.READ))
    async def shown_effect(request: Request) -> Response:
        question = read_question(await read_json(request))
        caller = caller_of(request)
        draft = await documents.draft(caller, question.proposal)
        decided(request)
        return Answer(200, await asyncio.to_thread(answered, caller, draft, question, clock())).response()

    @router.get(
        "/api/v1/policycoverage.{form}",
        operation_id="twin_policycoverage",
        summary="How policies stand: where, how far, and what they refuse, as a table",
    )
    @may_list
    async def coverage_twin(
        request: Request,
        form: Annotated[Literal["json", "csv", "yaml"], Path()],
        q: Text = None,
        type: Type = None,  # noqa: A002 - the name of the parameter
        group: Text = None,
        stage: Annotated[Stage | None, Query()] = None,
    ) -> Response:
        found, _ = await covering(request, Wanted(q, type, group, stage))
        if form == "csv":
            return csv_twin(COLUMNS, [[row[field] for field in FIELDS] for row in found[:MAX_ROWS]])
        return json_twin(found[:MAX_ROWS]) if form == "json" else yaml_twin(found[:MAX_ROWS])

    @router.get(
        "/api/v1/policycoverage",
        operation_id="list_policycoverage",
        summary="How policies stand: where, how far, and what they refuse",
    )
    @may_list
    async def coverage(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=4096)] = None,
        q: Text = None,
        type: Type = None,  # noqa: A002 - the name of the parameter
        group: Text = None,
        stage: Annotated[Stage | None, Query()] = None,
    ) -> Response:
        found, revision = await covering(request, Wanted(q, type, group, stage))
        query = {"kind": "PolicyCoverage", "filters": [q, type, group, stage]}
        some, more = cut(found, page(query, limit=limit, cursor=cursor), row_key)
        metadata: dict[str, Any] = {"revision": revision, "total": len(found)}
        if more:
            metadata["continue"] = more
        return Answer(200, {"kind": "PolicyCoverageList", "metadata": metadata, "items": list(some)}).response()

    async def covering(request: Request, wanted: Wanted) -> tuple[list[Row], int]:
        snapshot, caller = await documents.snapshot(), caller_of(request)
        decided(request)
        found = await asyncio.to_thread(rows, caller, snapshot, wanted, violations, clock())
        return found, snapshot.revision

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
