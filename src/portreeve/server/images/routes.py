"""The routes of images: what runs, and what is to be said of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.blast_radius import RunningImage
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.server.database.engine import Database
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.server.images.service import digests_of, row_key, visible
from portreeve.server.images.verdicts import explained, governed, verdict

Text = Annotated[str | None, Query(max_length=512)]

COLUMNS: Final = ("IMAGE", "ENVIRONMENT", "NAMESPACE", "OWNER", "CANONICAL", "VERDICT", "STAGE", "DIGEST")
FIELDS: Final = ("image", "environment", "namespace", "owner", "canonical", "verdict", "stage", "digest")


def routes(documents: Documents, database: Database, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["images"])
    may_list = authorised((Kind.WORKLOAD, Action.LIST))

    @router.get("/api/v1/images.{form}", operation_id="twin_images", summary="List running images as a table")
    @may_list
    async def twin(
        request: Request,
        form: Annotated[Literal["json", "csv", "yaml"], Path()],
        environment: Text = None,
        namespace: Text = None,
        prefix: Text = None,
    ) -> Response:
        rows, snapshot = await selected(request, environment, namespace, prefix)
        items = await shown(rows[:MAX_ROWS], snapshot)
        if form == "csv":
            return csv_twin(COLUMNS, [[item[field] for field in FIELDS] for item in items])
        return json_twin(items) if form == "json" else yaml_twin(items)

    @router.get("/api/v1/images", operation_id="list_images", summary="List running images with their verdicts")
    @may_list
    async def listed(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=4096)] = None,
        environment: Text = None,
        namespace: Text = None,
        prefix: Text = None,
    ) -> Response:
        rows, snapshot = await selected(request, environment, namespace, prefix)
        query = {"kind": "Image", "filters": [environment, namespace, prefix]}
        found, more = cut(rows, page(query, limit=limit, cursor=cursor), row_key)
        metadata: dict[str, Any] = {"revision": snapshot.revision, "total": len(rows)}
        if more:
            metadata["continue"] = more
        items = await shown(found, snapshot)
        return Answer(200, {"kind": "ImageList", "metadata": metadata, "items": items}).response()

    @router.get("/api/v1/verdict", operation_id="read_verdict", summary="May this image run there, and why")
    @authorised((Kind.NAMESPACE, Action.READ))
    async def explain(
        request: Request,
        image: Annotated[str, Query(min_length=1, max_length=512)],
        environment: Annotated[str, Query(min_length=1, max_length=253)],
        namespace: Annotated[str, Query(max_length=253)] = "default",
    ) -> Response:
        caller = caller_of(request)
        snapshot = await documents.snapshot()
        found = snapshot.estate.environments_by_name.get(environment)
        name = f"{environment}/{namespace}"
        if found is None or Key("Environment", environment) not in snapshot.documents:
            decision = may_not(caller, Action.READ, Kind.NAMESPACE, name)
        else:
            place = Resource(Kind.NAMESPACE, name, environment, found.group, (namespace,))
            decision = may(caller, Action.READ, [place])
        decided(request)
        if not decision.allowed or found is None:
            raise refused(decision, named=True)
        now = clock()
        return Answer(200, explained(governed(snapshot, found, now), namespace, image, now)).response()

    async def selected(
        request: Request, environment: str | None, namespace: str | None, prefix: str | None
    ) -> tuple[Sequence[RunningImage], Snapshot]:
        snapshot = await documents.snapshot()
        rows = visible(caller_of(request), snapshot)
        decided(request)
        if environment is not None or namespace is not None or prefix is not None:
            rows = [
                one
                for one in rows
                if (environment is None or one.environment == environment)
                and (namespace is None or one.namespace == namespace)
                and (prefix is None or one.image.startswith(prefix))
            ]
        return rows, snapshot

    async def shown(rows: Sequence[RunningImage], snapshot: Snapshot) -> list[dict[str, Any]]:
        now = clock()
        async with database.reader.connect() as connection:
            digests = await digests_of(connection, rows)
        items = []
        for one in rows:
            environment = snapshot.estate.environments_by_name.get(one.environment)
            held = governed(snapshot, environment, now) if environment else None
            found = verdict(held, one.namespace, one.image, now) if held else None
            stage = held.state.sources.stage if held and held.state.sources else None
            items.append(
                {
                    "environment": one.environment,
                    "namespace": one.namespace,
                    "owner": one.owner,
                    "image": one.image,
                    "canonical": found.canonical if found else None,
                    "verdict": str(found.decision) if found else None,
                    "stage": str(stage) if stage else None,
                    "digest": digests.get(one),
                }
            )
        return items

    return router
