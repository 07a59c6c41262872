"""The routes of images: what runs, and what is to be said of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.blast_radius import RunningImage
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.server.database.engine import Database
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.server.http.problems import Rejected
from portreeve.server.images.admitted import admitted
from portreeve.server.images.service import digests_of, row_key, visible
from portreeve.server.images.verdicts import explained, governed, verdict

Text = Annotated[str | None, Query(max_length=512)]

COLUMNS: Final = ("IMAGE", "ENVIRONMENT", "NAMESPACE", "OWNER", "CANONICAL", "VERDICT", "STAGE", "DIGEST")
FIELDS: Final = ("image", "environment", "namespace", "owner", "canonical", "verdict", "stage", "digest")

MOST_IMAGES: Final = 200
"""Images of one request: a page of tags."""

MAX_IMAGE: Final = 512
"""Characters of one: a reference of Docker has 255 for its name, 128 for a tag and 71 for a digest."""


def routes(documents: Documents, database: Database, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["images"])
    _add_list(router, documents, database, clock)
    _add_verdicts(router, documents, clock)
    return router


def _add_list(router: APIRouter, documents: Documents, database: Database, clock: Callable[[], datetime]) -> None:
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


def _add_verdicts(router: APIRouter, documents: Documents, clock: Callable[[], datetime]) -> None:
    @router.get("/api/v1/verdict", operation_id="read_verdict", summary="May this image run there, and why")
    @authorised((Kind.NAMESPACE, Action.READ))
    async def explain(
        request: Request,
        image: Annotated[str, Query(min_length=1, max_length=512)],
        environment: Annotated[str, Query(min_length=1, max_length=253)],
        namespace: Annotated[str, Query(max_length=253)] = "default",
    ) -> Response:
        snapshot = await documents.snapshot()
        found = seen_in(request, snapshot, environment, namespace)
        now = clock()
        return Answer(200, explained(governed(snapshot, found, now), namespace, image, now)).response()

    def seen_in(request: Request, snapshot: Snapshot, environment: str, namespace: str) -> Environment:
        """The environment, for who may see this namespace of it.

        Raises:
            NotFound: they may not, or there is none.
        """
        caller = caller_of(request)
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
        return found

    @router.post(
        "/api/v1/verdicts",
        operation_id="judge_images",
        summary="Where images would be admitted, by tier; with an environment, in that namespace of it",
    )
    @authorised((Kind.NAMESPACE, Action.READ), (Kind.NAMESPACE, Action.LIST))
    async def judged(
        request: Request,
        environment: Annotated[str | None, Query(min_length=1, max_length=253)] = None,
        namespace: Annotated[str, Query(max_length=253)] = "default",
    ) -> Response:
        caller, snapshot, now = caller_of(request), await documents.snapshot(), clock()
        images = _images(await read_json(request))
        if environment is not None:
            held = governed(snapshot, seen_in(request, snapshot, environment, namespace), now)
            items = [explained(held, namespace, image, now) for image in images]
            return Answer(200, {"kind": "VerdictList", "items": items}).response()
        decided(request)
        tiers = admitted(caller, snapshot, images, now)
        items = [{"image": image, "tiers": found} for image, found in zip(images, tiers, strict=True)]
        return Answer(200, {"kind": "AdmittedList", "items": items}).response()


def _images(body: Any) -> list[str]:
    """The images of a body.

    Raises:
        Rejected: 400 `body_type`.
    """
    given = body.get("images") if isinstance(body, Mapping) and set(body) == {"images"} else None
    images = [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
    if (
        given is None
        or len(images) > MOST_IMAGES
        or images != given
        or not all(0 < len(one) <= MAX_IMAGE for one in images)
    ):
        hint = f"at most {MOST_IMAGES} images of at most {MAX_IMAGE} characters"
        raise Rejected(400, "body_type", 'the body must be {"images": [text, …]}', hint=hint)
    return images
