"""The routes of the calendar: a page of it, all of it as a table, and a feed for calendar programs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.calendar import Entry, Lane, Level, selected
from portreeve.core.permissions import Action, Kind
from portreeve.server.calendar.entries import visible
from portreeve.server.documents.service import Documents
from portreeve.server.documents.view import time
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.wire.icalendar import render

COLUMNS: Final = (
    "LANE", "NAME", "EXPIRES", "DAYS-LEFT", "LEVEL", "REGISTRY", "PURPOSE", "PROJECT", "CAN-END", "GRANTS",
    "NAMESPACES", "ENVIRONMENTS",
)  # fmt: skip
FIELDS: Final = ("lane", "name", "expiresAt", "daysLeft", "level", "registry", "purpose", "project", "canEnd")
COUNTS: Final = ("grants", "namespaces", "environments")

LaneFilter = Annotated[Lane | None, Query(description="only this lane")]
LevelFilter = Annotated[Level | None, Query(description="only what is this near its end")]
RegistryFilter = Annotated[str | None, Query(max_length=253, description="only of this registry")]
WithinFilter = Annotated[int | None, Query(ge=0, le=3650, description="only what ends within so many days, or has")]


def routes(documents: Documents, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["calendar"])
    may_list = authorised((Kind.REGISTRY, Action.LIST), (Kind.EXEMPTION, Action.LIST))

    async def found(
        request: Request, lane: Lane | None, level: Level | None, registry: str | None, within: int | None
    ) -> tuple[list[Entry], int, datetime]:
        snapshot, now = await documents.snapshot(), clock()
        entries = visible(caller_of(request), snapshot)
        decided(request)
        rows = selected(entries, now, lane=lane, level=level, registry=registry, within_days=within)
        return rows, snapshot.revision, now

    @router.get("/api/v1/calendar.ics", operation_id="feed_calendar", summary="What ends when, for calendar programs")
    @may_list
    async def feed(
        request: Request,
        lane: LaneFilter = None,
        level: LevelFilter = None,
        registry: RegistryFilter = None,
        within: WithinFilter = None,
    ) -> Response:
        rows, _, now = await found(request, lane, level, registry, within)
        # Tokens are renewed several times a day by themselves; who wants them in a calendar asks for them.
        shown = [one for one in rows if one.lane is not Lane.TOKEN or lane is Lane.TOKEN]
        return Response(render(shown, now).encode(), media_type="text/calendar; charset=utf-8")

    @router.get("/api/v1/calendar.{form}", operation_id="twin_calendar", summary="What ends when, as a table")
    @may_list
    async def twin(
        request: Request,
        form: Annotated[Literal["json", "csv", "yaml"], Path()],
        lane: LaneFilter = None,
        level: LevelFilter = None,
        registry: RegistryFilter = None,
        within: WithinFilter = None,
    ) -> Response:
        rows, _, now = await found(request, lane, level, registry, within)
        items = [shown(one, now) for one in rows]
        if form == "csv":
            cells = [[*(item[name] for name in FIELDS), *(item["impact"][name] for name in COUNTS)] for item in items]
            return csv_twin(COLUMNS, cells)
        return json_twin(items) if form == "json" else yaml_twin(items)

    @router.get("/api/v1/calendar", operation_id="list_calendar", summary="List what ends when, the next first")
    @may_list
    async def listed(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=4096)] = None,
        lane: LaneFilter = None,
        level: LevelFilter = None,
        registry: RegistryFilter = None,
        within: WithinFilter = None,
    ) -> Response:
        rows, revision, now = await found(request, lane, level, registry, within)
        query = {"kind": "CalendarEntry", "filters": [lane, level, registry, within]}
        some, more = cut(rows, page(query, limit=limit, cursor=cursor), lambda one: one.order)
        metadata: dict[str, Any] = {"revision": revision, "total": len(rows)}
        if more:
            metadata["continue"] = more
        items = [shown(one, now) for one in some]
        return Answer(200, {"kind": "CalendarEntryList", "metadata": metadata, "items": items}).response()

    return router


def shown(entry: Entry, now: datetime) -> dict[str, Any]:
    """An entry as it is answered."""
    impact = entry.impact
    return {
        "lane": str(entry.lane),
        "name": entry.name,
        "expiresAt": time(entry.expires_at),
        "daysLeft": entry.days_left(now),
        "level": str(entry.level(now)),
        "registry": entry.registry or None,
        "purpose": entry.purpose or None,
        "project": entry.project or None,
        "canEnd": entry.can_end,
        "impact": {
            "grants": impact.grants,
            "namespaces": impact.namespaces,
            "environments": impact.environments,
        },
    }
