"""The routes of the fleet: how everything stands with what to do first, and the squares of the map."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.enforcement_messages import Enforcement
from portreeve.core.environments import EnvironmentGroup
from portreeve.core.fleet import Health, Place, Rest, Tally, Thing
from portreeve.core.permissions import Action, Kind
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import Documents, seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import time
from portreeve.server.fleet.service import Fleet, Fleets, Shown, Totals, worry
from portreeve.server.http.answers import Answer
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.lists import MAX_ROWS, csv_twin, json_twin, yaml_twin
from portreeve.server.images.freshness import freshness

MOST_SHOWN: Final = 200
"""Environments of one answer; a page of the console holds no more rows."""

FIRST_THINGS: Final = 3
MOST_THINGS: Final = 50
SQUARES: Final = 400
"""Squares of the map that are told apart: more cannot be hit with a pointer."""

Group = Annotated[str | None, Query(max_length=253, description="only environments of this group")]
Named = Annotated[str | None, Query(max_length=253, description="only this environment")]

In = Annotated[Enforcement | None, Query(description="only where the policy stands so")]
As = Annotated[Health | None, Query(description="only whose health is this")]
Search = Annotated[str | None, Query(max_length=200, description="only with this text in name, title or group")]

COLUMNS: Final = (
    "GROUP", "ENVIRONMENT", "TIER", "ENFORCEMENT", "HEALTH", "POLICY", "STAGE", "IMAGES", "ALLOW", "DENY", "UNKNOWN",
    "NOT-JUDGED", "VIOLATIONS", "COVERAGE", "EXPIRING", "EXEMPTIONS", "KNOWN-AT",
)  # fmt: skip
FIELDS: Final = (
    "group", "name", "tier", "enforcement", "health", "policy", "stage", "images", "allow", "deny", "unknown",
    "notJudged", "violations", "coverage", "expiring", "exemptions", "knownAt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """Which environments are asked for; None is any."""

    group: str | None = None
    enforcement: Enforcement | None = None
    health: Health | None = None
    text: str | None = None

    def has(self, one: Shown) -> bool:
        """Whether it is one of them."""
        held, standing = one.environment, one.standing
        return (
            self.group in (None, held.group)
            and self.enforcement in (None, standing.enforcement)
            and self.health in (None, standing.health)
            and (self.text is None or any(self.text in part.lower() for part in (held.name, held.title, held.group)))
        )


def routes(documents: Documents, fleets: Fleets, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["fleet"])
    may_look = authorised((Kind.ENVIRONMENT, Action.LIST), (Kind.WORKLOAD, Action.LIST))

    async def looked(request: Request) -> tuple[Fleet, Snapshot, datetime]:
        snapshot, now = await documents.snapshot(), clock()
        found = await fleets.of(caller_of(request), snapshot, now)
        decided(request)
        return found, snapshot, now

    @router.get("/api/v1/fleet.{form}", operation_id="twin_fleet", summary="How each environment stands, as a table")
    @may_look
    async def twin(
        request: Request, form: Annotated[Literal["json", "csv", "yaml"], Path()], group: Group = None
    ) -> Response:
        found, _, _ = await looked(request)
        rows = [_flat(one) for one in found.shown if group in (None, one.environment.group)][:MAX_ROWS]
        if form == "csv":
            return csv_twin(COLUMNS, [[row[name] for name in FIELDS] for row in rows])
        return json_twin(rows) if form == "json" else yaml_twin(rows)

    @router.get("/api/v1/fleet", operation_id="read_fleet", summary="How everything stands, and what to do first")
    @may_look
    async def read(
        request: Request,
        group: Group = None,
        enforcement: In = None,
        health: As = None,
        q: Search = None,
        most: Annotated[int, Query(alias="things", ge=0, le=MOST_THINGS, description="how many things to do")] = (
            FIRST_THINGS
        ),
    ) -> Response:
        found, snapshot, now = await looked(request)
        caller = caller_of(request)
        asked = Asked(group, enforcement, health, q.lower() if q else None)
        chosen = [one for one in found.shown if asked.has(one)]
        first = sorted(chosen, key=worry)[:MOST_SHOWN]
        body = {
            "kind": "Fleet",
            "metadata": {
                "revision": found.revision,
                "at": time(now),
                "freshness": freshness(caller, snapshot, now),
                "environments": len(chosen),
                "left": len(chosen) - len(first),
            },
            "totals": {**_totals(found.shown), "exemptions": found.exemptions},
            "groups": _groups(caller, snapshot, chosen, first, asked),
            "things": [_thing(one) for one in found.things[:most]],
            "thingsTotal": len(found.things),
        }
        return Answer(200, body).response()

    @router.get("/api/v1/fleet/map", operation_id="read_fleet_map", summary="What runs, by group, place and verdict")
    @may_look
    async def mapped(
        request: Request,
        group: Group = None,
        environment: Named = None,
        limit: Annotated[int, Query(ge=1, le=SQUARES)] = SQUARES,
    ) -> Response:
        fleet, snapshot, now = await looked(request)
        found = await asyncio.to_thread(fleet.map, group, environment, limit)
        body = {
            "kind": "FleetMap",
            "metadata": {
                "revision": fleet.revision,
                "total": found.total,
                "freshness": freshness(caller_of(request), snapshot, now),
            },
            "squares": [_square(one) for one in found.squares],
            "rest": [{**_place(one), "namespaces": one.namespaces} for one in found.rest],
        }
        return Answer(200, body).response()

    return router


def _groups(
    caller: Caller, snapshot: Snapshot, every: Sequence[Shown], first: Sequence[Shown], asked: Asked
) -> list[dict[str, Any]]:
    """Groups that the caller sees, or sees an environment of, sorted by name; of a filter those that match it."""
    told = {one.key.name: one.value for one in seen(caller, KINDS["EnvironmentGroup"], snapshot)}
    names = {one.environment.group for one in every} | ({*told} if asked == Asked(asked.group) else set())
    found = []
    for name in sorted(names):
        if asked.group not in (None, name):
            continue
        members = [one for one in every if one.environment.group == name]
        shown = [one for one in first if one.environment.group == name]
        value = told.get(name)
        policies = sorted({one.standing.policy for one in members if one.standing.policy})
        found.append(
            {
                "name": name,
                "title": value.title or None if isinstance(value, EnvironmentGroup) else None,
                "type": str(value.type) if isinstance(value, EnvironmentGroup) else None,
                "policies": policies,
                **_totals(members),
                "left": len(members) - len(shown),
                "members": [_environment(one) for one in shown],
            }
        )
    return found


def _totals(shown: Iterable[Shown]) -> dict[str, Any]:
    found = Totals()
    for one in shown:
        found.add(one)
    return {
        "environments": found.environments,
        "reported": found.reported,
        "oldest": time(found.oldest),
        "enforcement": dict(sorted(found.enforcement.items())),
        "health": dict(sorted(found.health.items())),
        "expiring": found.expiring,
        **_tally(found.tally if found.reported else None),
    }


def _environment(one: Shown) -> dict[str, Any]:
    standing, status = one.standing, one.status
    return {
        "name": standing.name,
        "title": one.environment.title or None,
        "tier": str(one.environment.tier) if one.whole else None,
        "type": str(one.environment.type),
        "phase": status["phase"],
        "whole": one.whole,
        "enforcement": str(standing.enforcement),
        "health": str(standing.health),
        "connected": status["agent"]["connected"],
        "lastSeen": status["agent"]["lastSeen"],
        "knownAt": time(one.known_at),
        "policy": standing.policy,
        "stage": str(standing.stage) if standing.stage else None,
        "namespaces": one.namespaces,
        **_tally(standing.tally),
        "ends": time(standing.ends),
        "expiring": one.expiring,
        "exemptions": one.exemptions,
    }


def _tally(tally: Tally | None) -> dict[str, Any]:
    """Numbers of images; null where nobody has told what runs, which is not 0."""
    if tally is None:
        return {"images": None, "verdicts": None, "violations": None, "refused": None, "coverage": None, "worst": None}
    return {
        "images": tally.images,
        "verdicts": {
            "ALLOW": tally.allow,
            "DENY": tally.deny,
            "UNKNOWN": tally.unknown,
            "NOT_JUDGED": tally.not_judged,
        },
        "violations": tally.violations,
        "refused": tally.refused,
        "coverage": None if tally.coverage is None else round(tally.coverage, 4),
        "worst": str(tally.worst) if tally.worst else None,
    }


def _flat(one: Shown) -> Mapping[str, Any]:
    found = {**_environment(one), "group": one.environment.group}
    verdicts = found.pop("verdicts") or {}
    names = {"allow": "ALLOW", "deny": "DENY", "unknown": "UNKNOWN", "notJudged": "NOT_JUDGED"}
    return {**found, **{name: verdicts.get(word) for name, word in names.items()}}


def _thing(one: Thing) -> dict[str, Any]:
    return {
        "code": one.code,
        "title": one.title,
        "why": one.why,
        "stops": one.stops,
        "exposed": one.exposed,
        "environments": list(one.environments[:MOST_SHOWN]),
        "command": " | ".join(shlex.join(words) for words in one.command),
        "link": {"page": one.link.page, "search": dict(one.link.search)},
    }


def _place(one: Place | Rest) -> dict[str, Any]:
    return {"group": one.group, "environment": one.environment, "stale": one.stale, **_tally(one.tally)}


def _square(one: Place) -> dict[str, Any]:
    return {**_place(one), "namespace": one.namespace}
