"""The routes of attachments, and of what environments have reported of their pull secrets; each as a table, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.permissions import Action, Kind
from portreeve.server.attachments.rows import COLUMNS, FIELDS, Row, Wanted, pull_secret_rows, row_key, rows
from portreeve.server.database.engine import Database
from portreeve.server.documents.service import Documents
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.server.images.service import said

Text = Annotated[str | None, Query(max_length=253)]
Status = Annotated[Literal["True", "False", "Unknown"] | None, Query()]
Form = Annotated[Literal["json", "csv", "yaml"], Path()]
Name = Annotated[str, Path(description="metadata.name of the Environment", max_length=253)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=4096)]

SECRET_COLUMNS: Final = ("NAMESPACE", "PHASE", "REGISTRY", "CREDENTIAL", "VERSION", "STATE", "EXPIRES", "CONFLICT")


def routes(documents: Documents, database: Database, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["environments"])
    may_list = authorised(
        (Kind.ENVIRONMENT, Action.LIST), (Kind.REGISTRY_POLICY, Action.LIST), (Kind.REGISTRY_ACCESS, Action.LIST)
    )
    may_read = authorised((Kind.ENVIRONMENT, Action.READ))

    async def attached(request: Request, wanted: Wanted) -> tuple[list[Row], int]:
        snapshot = await documents.snapshot()
        found = rows(caller_of(request), snapshot, wanted, clock())
        decided(request)
        return found, snapshot.revision

    async def secrets(request: Request, name: str) -> tuple[list[Row], int]:
        caller, snapshot = caller_of(request), await documents.snapshot()
        environment = snapshot.environment(name)
        if environment is None:
            decision = may_not(caller, Action.READ, Kind.ENVIRONMENT, name)
        else:
            decision = may(caller, Action.READ, [Resource(Kind.ENVIRONMENT, name, name, environment.group)])
        decided(request)
        if not decision.allowed or environment is None:
            raise refused(decision, named=True)
        async with database.reader.connect() as connection:
            facts = await said(connection, name)
        return pull_secret_rows(caller, snapshot, environment, facts), snapshot.revision

    @router.get(
        "/api/v1/attachments.{form}",
        operation_id="twin_attachments",
        summary="What is attached to environments, and how it stands, as a table",
    )
    @may_list
    async def attachments_twin(
        request: Request,
        form: Form,
        group: Text = None,
        environment: Text = None,
        status: Status = None,
        q: Text = None,
    ) -> Response:
        found, _ = await attached(request, Wanted(group, environment, status, q))
        if form == "csv":
            return csv_twin(COLUMNS, [[row[field] for field in FIELDS] for row in found[:MAX_ROWS]])
        return json_twin(found[:MAX_ROWS]) if form == "json" else yaml_twin(found[:MAX_ROWS])

    @router.get(
        "/api/v1/attachments",
        operation_id="list_attachments",
        summary="List policies, accesses and conditions by environment, with status, message and last attempt",
    )
    @may_list
    async def attachments(
        request: Request,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        group: Text = None,
        environment: Text = None,
        status: Status = None,
        q: Annotated[str | None, Query(max_length=253, description="text that a row holds")] = None,
    ) -> Response:
        found, revision = await attached(request, Wanted(group, environment, status, q))
        query = {"kind": "Attachment", "filters": [group, environment, status, q]}
        return _page("AttachmentList", found, revision, query, limit, cursor, row_key)

    @router.get(
        "/api/v1/environments/{name}/pullsecrets.{form}",
        operation_id="twin_pullsecrets",
        summary="The pull secrets in an environment, as a table",
    )
    @may_read
    async def secrets_twin(request: Request, name: Name, form: Form) -> Response:
        found, _ = await secrets(request, name)
        if form == "csv":
            return csv_twin(SECRET_COLUMNS, _cells(found[:MAX_ROWS]))
        return json_twin(found[:MAX_ROWS]) if form == "json" else yaml_twin(found[:MAX_ROWS])

    @router.get(
        "/api/v1/environments/{name}/pullsecrets",
        operation_id="list_pullsecrets",
        summary="List the pull secrets in an environment, as its agent has reported them",
    )
    @may_read
    async def pull_secrets(
        request: Request, name: Name, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Response:
        found, revision = await secrets(request, name)
        query = {"kind": "PullSecret", "filters": [name]}
        return _page("PullSecretList", found, revision, query, limit, cursor, lambda row: str(row["namespace"]))

    return router


def _page(
    kind: str,
    found: Sequence[Row],
    revision: int,
    query: dict[str, Any],
    limit: int,
    cursor: str | None,
    key: Callable[[Row], str],
) -> Response:
    some, more = cut(found, page(query, limit=limit, cursor=cursor), key)
    metadata: dict[str, Any] = {"revision": revision, "total": len(found)}
    if more:
        metadata["continue"] = more
    return Answer(200, {"kind": kind, "metadata": metadata, "items": list(some)}).response()


def _cells(found: Sequence[Row]) -> list[list[Any]]:
    """A line for each entry; a namespace without any has a line, too."""
    none = {"registry": None, "credential": None, "version": None, "state": None, "expiresAt": None}
    return [
        [row["namespace"], row["phase"], *(entry.get(field) for field in none), row["conflict"]]
        for row in found
        for entry in row["entries"] or [none]
    ]
