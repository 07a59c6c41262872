"""The routes of images: what runs, and what is to be said of one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.blast_radius import RunningImage
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.fleet import Word
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Stage
from portreeve.server.database.engine import Database
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.server.http.problems import Rejected
from portreeve.server.images.admitted import admitted
from portreeve.server.images.freshness import freshness
from portreeve.server.images.judged import ORDERS, Judgements, Row
from portreeve.server.images.service import digests_of
from portreeve.server.images.verdicts import explained, governed

Text = Annotated[str | None, Query(max_length=512)]
Verdicts = Annotated[list[Word] | None, Query(max_length=4, description="only with one of these; NOT_JUDGED is none")]
Stages = Annotated[list[Stage] | None, Query(max_length=4, description="only where the policy is at one of these")]
RegistryName = Annotated[str | None, Query(max_length=253, description="only what this Registry stands for")]
Host = Annotated[str | None, Query(max_length=253, description="only from this host")]
Search = Annotated[
    str | None, Query(max_length=200, description="only with this text in image, environment, namespace or owner")
]
Sort = Annotated[
    Literal[
        "image", "environment", "namespace", "owner", "registry", "verdict",
        "-image", "-environment", "-namespace", "-owner", "-registry", "-verdict",
    ],
    Query(description="by verdict the worst is first; - turns it round"),
]  # fmt: skip

COLUMNS: Final = (
    "IMAGE", "ENVIRONMENT", "NAMESPACE", "OWNER", "CANONICAL", "VERDICT", "STAGE", "DIGEST", "REGISTRY", "REASON",
)  # fmt: skip
FIELDS: Final = (
    "image", "environment", "namespace", "owner", "canonical", "verdict", "stage", "digest", "registry", "reason",
)  # fmt: skip

MOST_IMAGES: Final = 200
"""Images of one request: a page of tags."""

MAX_IMAGE: Final = 512
"""Characters of one: a reference of Docker has 255 for its name, 128 for a tag and 71 for a digest."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are asked for; None is any."""

    environment: str | None = None
    namespace: str | None = None
    prefix: str | None = None
    verdicts: frozenset[Word] | None = None
    stages: frozenset[Stage] | None = None
    registry: str | None = None
    host: str | None = None
    text: str | None = None
    sort: str = "image"

    @property
    def order(self) -> str:
        """The order, without its direction."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether it is turned round."""
        return self.sort.startswith("-")

    @property
    def narrow(self) -> bool:
        """Whether anything but a verdict is asked for."""
        given = (self.environment, self.namespace, self.prefix, self.stages, self.registry, self.host, self.text)
        return any(one is not None for one in given)

    def has(self, row: Row) -> bool:
        """Whether it is one of them, its verdict aside."""
        image, said = row.image, row.said
        return (
            self.environment in (None, image.environment)
            and self.namespace in (None, image.namespace)
            and (self.prefix is None or image.image.startswith(self.prefix))
            and self.registry in (None, said.registry)
            and self.host in (None, said.host)
            and (self.stages is None or said.stage in self.stages)
            and (self.text is None or self._holds(image))
        )

    def _holds(self, image: RunningImage) -> bool:
        # Written out: it is asked of a hundred thousand rows, and a generator takes as long as the looking.
        text = self.text or ""
        return (
            text in image.image.lower()
            or text in image.owner.lower()
            or text in image.namespace.lower()
            or text in image.environment.lower()
        )

    @property
    def filters(self) -> list[Any]:
        """What makes this list this list, for its cursor."""
        chosen = (sorted(held) if held else None for held in (self.verdicts, self.stages))
        return [self.environment, self.namespace, self.prefix, *chosen, self.registry, self.host, self.text, self.sort]


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows that match, and how many of each verdict there are without a filter by it."""

    rows: Sequence[Row]
    verdicts: Counter[Word]
    snapshot: Snapshot


def wanted(
    environment: Text = None,
    namespace: Text = None,
    prefix: Text = None,
    verdict: Verdicts = None,
    stage: Stages = None,
    registry: RegistryName = None,
    host: Host = None,
    q: Search = None,
    sort: Sort = "image",
) -> Wanted:
    """The filters of a request."""
    verdicts = frozenset(verdict) if verdict else None
    text = q.lower() if q else None
    stages = frozenset(stage) if stage else None
    return Wanted(environment, namespace, prefix, verdicts, stages, registry, host, text, sort)


def routes(
    documents: Documents,
    judgements: Judgements,
    database: Database,
    clock: Callable[[], datetime],
    why_url: Callable[[Snapshot, Environment], str],
) -> APIRouter:
    """All of them. `why_url` is the page that a cluster's message names."""
    router = APIRouter(route_class=GuardedRoute, tags=["images"])
    _add_list(router, documents, judgements, database, clock)
    _add_verdicts(router, documents, clock, why_url)
    return router


def _add_list(
    router: APIRouter,
    documents: Documents,
    judgements: Judgements,
    database: Database,
    clock: Callable[[], datetime],
) -> None:
    may_list = authorised((Kind.WORKLOAD, Action.LIST))

    @router.get("/api/v1/images.{form}", operation_id="twin_images", summary="List running images as a table")
    @may_list
    async def twin(
        request: Request,
        form: Annotated[Literal["json", "csv", "yaml"], Path()],
        asked: Annotated[Wanted, Depends(wanted)],
    ) -> Response:
        found = await selected(request, asked)
        items = await shown(found.rows[:MAX_ROWS])
        if form == "csv":
            return csv_twin(COLUMNS, [[item[field] for field in FIELDS] for item in items])
        return json_twin(items) if form == "json" else yaml_twin(items)

    @router.get("/api/v1/images", operation_id="list_images", summary="List running images with their verdicts")
    @may_list
    async def listed(
        request: Request,
        asked: Annotated[Wanted, Depends(wanted)],
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=4096)] = None,
    ) -> Response:
        found = await selected(request, asked)
        at = page({"kind": "Image", "filters": asked.filters}, limit=limit, cursor=cursor)
        some, more = cut(found.rows, at, ORDERS[asked.order], descending=asked.descending)
        metadata: dict[str, Any] = {
            "revision": found.snapshot.revision,
            "total": len(found.rows),
            "verdicts": {str(word): found.verdicts[word] for word in Word},
            "freshness": freshness(caller_of(request), found.snapshot, clock()),
        }
        if more:
            metadata["continue"] = more
        return Answer(200, {"kind": "ImageList", "metadata": metadata, "items": await shown(some)}).response()

    async def selected(request: Request, asked: Wanted) -> Selected:
        snapshot = await documents.snapshot()
        seen = await judgements.visible(caller_of(request), snapshot, clock())
        decided(request)
        rows = seen.ordered(asked.order, descending=asked.descending)
        if asked.narrow:
            # In a thread: a hundred thousand rows take a while, and whoever asks for something else does not wait.
            rows = await asyncio.to_thread(lambda: [row for row in rows if asked.has(row)])
        verdicts = Counter(row.said.word for row in rows) if asked.narrow else seen.verdicts
        if asked.verdicts is not None:
            rows = [row for row in rows if row.said.word in asked.verdicts]
        return Selected(rows, verdicts, snapshot)

    async def shown(rows: Sequence[Row]) -> list[dict[str, Any]]:
        async with database.reader.connect() as connection:
            digests = await digests_of(connection, [row.image for row in rows])
        return [_item(row, digests.get(row.image)) for row in rows]


def _add_verdicts(
    router: APIRouter,
    documents: Documents,
    clock: Callable[[], datetime],
    why_url: Callable[[Snapshot, Environment], str],
) -> None:
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
        held = governed(snapshot, found, now)
        return Answer(200, explained(held, namespace, image, now, why_url=why_url(snapshot, found))).response()

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
            found_there = seen_in(request, snapshot, environment, namespace)
            held, link = governed(snapshot, found_there, now), why_url(snapshot, found_there)
            items = [explained(held, namespace, image, now, why_url=link) for image in images]
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


def _item(row: Row, digest: str | None) -> dict[str, Any]:
    image, said = row.image, row.said
    return {
        "environment": image.environment,
        "namespace": image.namespace,
        "owner": image.owner,
        "image": image.image,
        "canonical": said.canonical,
        "verdict": str(said.verdict) if said.verdict else None,
        "stage": str(said.stage) if said.stage else None,
        "digest": digest,
        "registry": said.registry or None,
        "host": said.host or None,
        "code": said.code or None,
        "reason": said.reason or None,
    }
