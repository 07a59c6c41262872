"""The routes of registries as they stand: the list with grants and uses, one of them, and the workloads that use it.

The list has a path of its own, as below `/api/v1/registries/` a registry may have any name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.blast_radius import RunningImage
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Registry
from portreeve.server.credentials.routes import overlap_shown
from portreeve.server.credentials.service import set_at
from portreeve.server.database.engine import Database
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import answered, time
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.lists import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MAX_ROWS,
    Order,
    at,
    csv_twin,
    cut,
    json_twin,
    order,
    page,
    yaml_twin,
)
from portreeve.server.images.service import digests_of, row_key
from portreeve.server.registries import store
from portreeve.server.registries.overview import (
    NOTHING,
    anonymous,
    granted_row,
    grants_seen,
    host_rows,
    row,
    used_row,
    uses,
    vantage_row,
    vantages,
)

Name = Annotated[str, Path(description="metadata.name of the Registry", max_length=253)]
Text = Annotated[str | None, Query(max_length=253)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=4096)]
Form = Annotated[Literal["json", "csv", "yaml"], Path()]
Ready = Annotated[Literal["True", "False", "Unknown"] | None, Query(description="status of the condition Ready")]
Sort = Annotated[str | None, Query(max_length=20, description="what they are sorted by; - before it: the other way")]

SORTS: Final[Mapping[str, str]] = {
    "title": "title",
    "provider": "provider",
    "prefix": "prefix",
    "ready": "ready.reason",
    "expires": "expiresAt",
    "checked": "check.at",
    "grants": "grants.namespaces",
    "running": "uses.workloads",
}
"""Word → path in a row."""

COLUMNS: Final = (
    ("NAME", "name"), ("TITLE", "title"), ("PROVIDER", "provider"), ("PREFIX", "prefix"), ("PROJECT", "project"),
    ("AUTH", "auth"), ("READY", "ready.status"), ("REASON", "ready.reason"), ("CHECK", "check.outcome"),
    ("CHECKED", "check.at"), ("EXPIRES", "expiresAt"), ("ENVIRONMENTS", "grants.environments"),
    ("NAMESPACES", "grants.namespaces"), ("WORKLOADS", "uses.workloads"), ("IMAGES", "uses.images"),
)  # fmt: skip

USES: Final = ("environment", "namespace", "owner", "image", "digest")

MOST_GRANTS: Final = 500
"""Grants that the answer for one registry names; the list of accesses has pages."""

MOST_VANTAGES: Final = 200
"""Environments likewise, those first where pulls fail."""


def routes(documents: Documents, database: Database, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["registries"])
    _add_list(router, documents, clock)
    _add_one(router, documents, database, clock)
    return router


class _Rows:
    """The rows of one request. One is made only when it is shown, or sorted by."""

    def __init__(self, request: Request, snapshot: Snapshot, now: datetime) -> None:
        self._caller, self.snapshot, self._now = caller_of(request), snapshot, now
        self._made: dict[str, dict[str, Any]] = {}

    def of(self, stored: Stored) -> dict[str, Any]:
        """The row of a registry."""
        name = stored.key.name
        if name not in self._made:
            self._made[name] = row(self._caller, self.snapshot, stored, self._now)
        return self._made[name]

    def key(self, sorting: Order) -> Callable[[Stored], str]:
        """What a registry is sorted by."""
        if not sorting.path:
            return lambda one: one.key.name
        return lambda one: sorting.key(at(self.of(one), sorting.path), one.key.name)


def _add_list(router: APIRouter, documents: Documents, clock: Callable[[], datetime]) -> None:
    may_list = authorised((Kind.REGISTRY, Action.LIST))

    async def selected(
        request: Request, q: str | None, provider: str | None, ready: str | None, sorting: Order
    ) -> tuple[Sequence[Stored], _Rows]:
        held, snapshot = await documents.visible(caller_of(request), KINDS["Registry"])
        decided(request)
        made = _Rows(request, snapshot, clock())
        text = (q or "").casefold()
        found = [
            one
            for one in held
            if (not text or text in one.key.name or text in f"{one.spec.get('title', '')}\n{_prefix(one)}".casefold())
            and provider in (None, one.spec.get("provider"))
            and (ready is None or made.of(one)["ready"]["status"] == ready)
        ]
        return sorted(found, key=made.key(sorting), reverse=sorting.descending), made

    @router.get(
        "/api/v1/registry-overview.{form}",
        operation_id="twin_registry_overview",
        summary="Registries with their grants and uses, as a table",
    )
    @may_list
    async def twin(
        request: Request, form: Form, q: Text = None, provider: Text = None, ready: Ready = None, sort: Sort = None
    ) -> Response:
        found, made = await selected(request, q, provider, ready, order(sort, SORTS))
        items = [made.of(one) for one in found[:MAX_ROWS]]
        if form == "csv":
            columns = [title for title, _ in COLUMNS]
            return csv_twin(columns, [[at(item, path) for _, path in COLUMNS] for item in items])
        return json_twin(items) if form == "json" else yaml_twin(items)

    @router.get(
        "/api/v1/registry-overview",
        operation_id="list_registry_overview",
        summary="Registries as they stand: Ready, last check, end, where granted, what runs from them",
    )
    @may_list
    async def listed(
        request: Request,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        q: Text = None,
        provider: Text = None,
        ready: Ready = None,
        sort: Sort = None,
    ) -> Response:
        sorting = order(sort, SORTS)
        found, made = await selected(request, q, provider, ready, sorting)
        query = {"kind": "RegistryOverview", "filters": [q, provider, ready, sort]}
        asked = page(query, limit=limit, cursor=cursor)
        some, more = cut(found, asked, made.key(sorting), descending=sorting.descending)
        hub = {"anonymousDockerHub": anonymous(caller_of(request), made.snapshot)}
        metadata = _metadata(made.snapshot, found, more) | hub
        body = {"kind": "RegistryOverviewList", "metadata": metadata, "items": [made.of(one) for one in some]}
        return Answer(200, body).response()


def _prefix(stored: Stored) -> str:
    assert isinstance(stored.value, Registry)
    return str(stored.value.prefix)


def _add_one(router: APIRouter, documents: Documents, database: Database, clock: Callable[[], datetime]) -> None:
    may_read = authorised((Kind.REGISTRY, Action.READ))

    @router.get(
        "/api/v1/registries/{name}/overview",
        operation_id="read_registry_overview",
        summary="One registry as it stands: credentials, last checklist, what clusters see of it, grants, hosts",
    )
    @may_read
    async def read(request: Request, name: Name) -> Response:
        caller = caller_of(request)
        stored, snapshot = await documents.get(caller, KINDS["Registry"], name)
        decided(request)
        now, value = clock(), stored.value
        assert isinstance(value, Registry)
        held = [one for one in snapshot.credentials.values() if one.registry == name]
        async with database.reader.connect() as connection:
            checks, stored_at = await store.checks(connection, name), await set_at(connection, held)
        overlaps = {one.purpose: overlap_shown(one) for one in held}
        times = {one.purpose: time(stored_at.get(one.id)) for one in held}
        granted, seen = grants_seen(caller, snapshot, name), vantages(caller, snapshot, name, now)
        body = {
            "kind": "RegistryOverview",
            **row(caller, snapshot, stored, now),
            "credentials": [
                {**one, "setAt": times.get(one["purpose"]), "overlap": overlaps.get(one["purpose"])}
                for one in answered(stored, snapshot, now)["status"].get("credentials", ())
            ],
            "checks": checks,
            "grantedIn": [granted_row(one) for one in granted[:MOST_GRANTS]],
            "grantedInTotal": len(granted),
            "vantages": [vantage_row(one, snapshot) for one in seen[:MOST_VANTAGES]],
            "vantagesTotal": len(seen),
            "hosts": host_rows(value),
        }
        return Answer(200, body, {"ETag": stored.etag}).response()

    async def selected(
        request: Request, name: str, environment: str | None, namespace: str | None
    ) -> tuple[Sequence[RunningImage], Snapshot]:
        caller, snapshot = caller_of(request), await documents.snapshot()
        await documents.get(caller, KINDS["Registry"], name)
        decided(request)
        found = uses(caller, snapshot).get(name, NOTHING).images
        return [
            one for one in found if environment in (None, one.environment) and namespace in (None, one.namespace)
        ], snapshot

    async def shown(rows: Sequence[RunningImage]) -> list[dict[str, Any]]:
        async with database.reader.connect() as connection:
            digests = await digests_of(connection, rows)
        return [
            {
                "environment": one.environment,
                "namespace": one.namespace,
                "owner": one.owner,
                "image": one.image,
                "digest": digests.get(one),
            }
            for one in rows
        ]

    @router.get(
        "/api/v1/registries/{name}/uses.{form}",
        operation_id="twin_registry_uses",
        summary="The workloads that run images of a registry, as a table",
    )
    @may_read
    async def uses_twin(
        request: Request, name: Name, form: Form, environment: Text = None, namespace: Text = None
    ) -> Response:
        found, _ = await selected(request, name, environment, namespace)
        items = await shown(found[:MAX_ROWS])
        if form == "csv":
            return csv_twin([one.upper() for one in USES], [[item[one] for one in USES] for item in items])
        return json_twin(items) if form == "json" else yaml_twin(items)

    @router.get(
        "/api/v1/registries/{name}/uses",
        operation_id="list_registry_uses",
        summary="The workloads that run images of a registry, as far as the caller may see them",
    )
    @may_read
    async def used(
        request: Request,
        name: Name,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        environment: Text = None,
        namespace: Text = None,
    ) -> Response:
        found, snapshot = await selected(request, name, environment, namespace)
        query = {"kind": "RegistryUse", "filters": [name, environment, namespace]}
        some, more = cut(found, page(query, limit=limit, cursor=cursor), row_key)
        whole = uses(caller_of(request), snapshot).get(name, NOTHING)
        metadata = _metadata(snapshot, found, more) | {"counts": used_row(whole)}
        body = {"kind": "RegistryUseList", "metadata": metadata, "items": await shown(some)}
        return Answer(200, body).response()


def _metadata(snapshot: Snapshot, found: Sequence[Any], more: str | None) -> dict[str, Any]:
    return {"revision": snapshot.revision, "total": len(found), **({"continue": more} if more else {})}
