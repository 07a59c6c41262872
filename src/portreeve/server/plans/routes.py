"""The routes of plans."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.service import Committed
from portreeve.server.documents.view import time
from portreeve.server.http.answers import Answer, carried_out, repeatable
from portreeve.server.http.body import MAX_MANY_BYTES, read_json
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.plans.service import Plans
from portreeve.server.plans.store import StoredPlan

PlanId = Annotated[str, Path(max_length=64, pattern="^[0-9a-z-]+$")]

_PLANNED = (Kind.REGISTRY, Kind.REGISTRY_ACCESS, Kind.REGISTRY_POLICY)


def routes(plans: Plans, writer: Writer) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["plans"])

    @router.post("/api/v1/plans", operation_id="create_plans", summary="Make a plan of documents to store and delete")
    @authorised(*((kind, Action.PLAN) for kind in _PLANNED))
    async def create(request: Request) -> Response:
        body = await read_json(request, MAX_MANY_BYTES)
        plan, _ = await plans.make(caller_of(request), body)
        decided(request)
        headers = {"Location": f"/api/v1/plans/{plan.id}", "Portreeve-Plan": plan.digest}
        return Answer(201, answered(plan), headers).response()

    @router.get("/api/v1/plans/{plan_id}", operation_id="read_plans", summary="Read a plan")
    @authorised(*((kind, Action.PLAN) for kind in _PLANNED))
    async def read(request: Request, plan_id: PlanId) -> Response:
        plan = await plans.get(caller_of(request), plan_id)
        decided(request)
        return Answer(200, answered(plan)).response()

    @router.post(
        "/api/v1/plans/{plan_id}/confirm", operation_id="confirm_plans", summary="Run exactly this plan, or refuse"
    )
    @authorised(*((kind, Action.CONFIRM) for kind in _PLANNED))
    async def confirm(request: Request, plan_id: PlanId) -> Response:
        caller = caller_of(request)
        again = repeatable(request, await read_json(request))

        async def job(transaction: Transaction) -> Committed:
            return await plans.confirm(transaction, caller, plan_id)

        found = await carried_out(writer, caller, again, job, _ran)
        decided(request)
        return found

    return router


def answered(plan: StoredPlan) -> dict[str, Any]:
    """A plan as it is answered."""
    return {
        "id": plan.id,
        "state": plan.state,
        "proposer": plan.proposer,
        "createdAt": time(plan.created_at),
        "expiresAt": time(plan.expires_at),
        "confirmedAt": time(plan.confirmed_at),
        **plan.summary,
    }


def _ran(made: Committed) -> Answer:
    documents = [
        {"kind": one.key.kind, "name": one.key.name, "version": one.after.version if one.after else None}
        for one in sorted(made.outcome.changes, key=lambda one: one.key)
    ]
    return Answer(200, {"state": "confirmed", "revision": made.snapshot.revision, "documents": documents})
