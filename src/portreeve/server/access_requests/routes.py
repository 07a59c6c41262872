"""The routes of requests of namespaces for registries."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.errors import Invalid, Problem
from portreeve.server.access_requests.service import Row, State, approval, decidable, decided_at, refuse, rows
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import time
from portreeve.server.http.answers import Answer, carried_out, repeatable
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, refused_change
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.server.http.problems import Rejected
from portreeve.server.plans.routes import answered
from portreeve.server.plans.service import Plans

Text = Annotated[str | None, Query(max_length=253)]
Asked = Annotated[Literal["requested", "granted", "refused"] | None, Query()]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=4096)]
Form = Annotated[Literal["json", "csv", "yaml"], Path()]
Part = Annotated[str, Path(max_length=253)]

MAX_COMMENT: Final = 1_000
"""Characters of why a request is refused: it goes into the status of an object."""

COLUMNS: Final = ("environment", "namespace", "name", "registry", "state", "reason", "why", "grantedBy", "command")

_DECIDED: Final = ((Kind.REGISTRY_ACCESS, Action.CREATE), (Kind.REGISTRY, Action.GRANT))


def routes(documents: Documents, plans: Plans, writer: Writer) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["access requests"])
    path = "/api/v1/access-requests"
    one = f"{path}/{{environment}}/{{namespace}}/{{name}}"

    async def chosen(
        request: Request, environment: str | None, namespace: str | None, state: str | None
    ) -> tuple[list[Row], Snapshot]:
        snapshot = await documents.snapshot()
        found = [
            row
            for row in rows(caller_of(request), snapshot)
            if environment in (None, row.environment)
            and namespace in (None, row.request.namespace)
            and state in (None, row.state)
        ]
        decided(request)
        return found, snapshot

    @router.get(f"{path}.{{form}}", operation_id="twin_access_requests", summary="Requests for registries, as a table")
    @authorised((Kind.NAMESPACE, Action.LIST))
    async def twin(
        request: Request, form: Form, environment: Text = None, namespace: Text = None, state: Asked = None
    ) -> Response:
        found, _ = await chosen(request, environment, namespace, state)
        items = [_document(row) for row in found[:MAX_ROWS]]
        if form == "csv":
            return csv_twin([name.upper() for name in COLUMNS], [[item[name] for name in COLUMNS] for item in items])
        return json_twin(items) if form == "json" else yaml_twin(items)

    @router.get(path, operation_id="list_access_requests", summary="Registries that namespaces ask for in clusters")
    @authorised((Kind.NAMESPACE, Action.LIST))
    async def listed(
        request: Request,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        environment: Text = None,
        namespace: Text = None,
        state: Asked = None,
    ) -> Response:
        found, snapshot = await chosen(request, environment, namespace, state)
        query = {"access-requests": "listed", "filters": [environment, namespace, state]}
        items, more = cut(sorted(found, key=_key), page(query, limit=limit, cursor=cursor), _key)
        metadata = {"revision": snapshot.revision, "total": len(found), **({"continue": more} if more else {})}
        body = {"kind": "AccessRequestList", "metadata": metadata, "items": [_document(row) for row in items]}
        return Answer(200, body).response()

    @router.post(f"{one}/approve", operation_id="approve_access_request", summary="Make the plan that grants a request")
    @authorised(*_DECIDED)
    async def approve(request: Request, environment: Part, namespace: Part, name: Part) -> Response:
        _comment(await read_json(request))
        caller, snapshot = caller_of(request), await documents.snapshot()
        row = decidable(caller, snapshot, environment, namespace, name)
        decided(request)
        if row is None:
            raise refused_change(Kind.REGISTRY_ACCESS, name)
        plan, _ = await plans.make(caller, {"documents": [approval(snapshot, row)]})
        headers = {"Location": f"/api/v1/plans/{plan.id}", "Portreeve-Plan": plan.digest}
        return Answer(201, answered(plan), headers).response()

    @router.post(f"{one}/deny", operation_id="deny_access_request", summary="Refuse a request, and say why")
    @authorised(*_DECIDED)
    async def deny(request: Request, environment: Part, namespace: Part, name: Part) -> Response:
        caller, body = caller_of(request), await read_json(request)
        why = _comment(body)

        async def job(transaction: Transaction) -> tuple[Row, Snapshot]:
            return await refuse(transaction, caller, (environment, namespace, name), why)

        def render(made: tuple[Row, Snapshot]) -> Answer:
            return Answer(200, {"kind": "AccessRequest", **_document(made[0])})

        found = await carried_out(writer, caller, repeatable(request, body), job, render)
        decided(request)
        return found

    return router


def _comment(body: object) -> str:
    if body is None:
        return ""
    if not isinstance(body, Mapping):
        raise Rejected(400, "body_type", "the body must be a mapping, or empty")
    problems = [
        Problem("field_unknown", "has a field that is none here (not shown)", "body")
        for name in body
        if name != "comment"
    ]
    comment = body.get("comment", "")
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT or not comment.isprintable():
        problems.append(Problem("field_type", f"must be one line of at most {MAX_COMMENT:,} characters", "comment"))
    if problems:
        raise Invalid("request_invalid", "the body cannot be read", problems=tuple(problems))
    return str(comment)


def _key(row: Row) -> str:
    return f"{row.environment}\n{row.request.namespace}\n{row.request.name}"


def _document(row: Row) -> dict[str, Any]:
    asked, refusal = row.request, row.refusal
    accounts: Sequence[str] = asked.accounts
    return {
        "environment": row.environment,
        "namespace": asked.namespace,
        "name": asked.name,
        "uid": asked.uid,
        "generation": asked.generation,
        "registry": asked.registry,
        "delivery": {"mode": asked.mode, "serviceAccounts": list(accounts)},
        "reason": asked.reason,
        "state": str(row.state),
        "grantedBy": row.granted_by,
        "why": refusal.refusal.why if refusal else "",
        "decidedBy": refusal.by if refusal else "",
        "decidedAt": time(decided_at(row)),
        "command": ""
        if row.state is State.GRANTED
        else shlex.join(("portreeve", "approve", "request", f"{row.environment}/{asked.namespace}/{asked.name}")),
    }
