"""The routes of stages: how far a policy may go and what it would deny, and moving it there or back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.blast_radius import Denial
from portreeve.core.burn_down import KEPT_DAYS, Marker, Point, markers, points, quiet_since, safe_since
from portreeve.core.environments import Environment
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import RegistryPolicy, Stage
from portreeve.core.stages import MOST_QUIET, QUIET, Hold, HoldRule, Look, Watch, holds, next_stage, watched
from portreeve.errors import Invalid, Problem
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.routes import expected
from portreeve.server.documents.service import Committed, Confirmation, Documents, seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import answered, time
from portreeve.server.http.answers import Answer, carried_out, repeatable
from portreeve.server.http.body import read_json
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may
from portreeve.server.http.lists import csv_twin, json_twin, yaml_twin
from portreeve.server.http.openapi import body as described
from portreeve.server.http.problems import Rejected
from portreeve.server.plans.view import MOST_LISTED, plan_document
from portreeve.server.stages.looking import covered
from portreeve.server.stages.service import Move, Rollout, Stages

MAX_REASON: Final = 500
"""Characters of why a policy goes forward though it is held."""

QUIET_S: Final = int(QUIET.total_seconds())
MOST_QUIET_S: Final = int(MOST_QUIET.total_seconds())

SHOWN_DAYS: Final = 30

Name = Annotated[str, Path(description="metadata.name of the RegistryPolicy", max_length=253)]
Days = Annotated[int, Query(ge=1, le=KEPT_DAYS, description="how many days, today included")]
Quiet = Annotated[int, Query(alias="quietSeconds", ge=0, le=MOST_QUIET_S, description="how long nothing was denied")]

described(
    "move_policies",
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["stage"],
        "properties": {
            "stage": {"type": "string", "enum": [str(one) for one in Stage]},
            "quietSeconds": {"type": "integer", "minimum": 0, "maximum": MOST_QUIET_S},
            "force": {"type": "boolean"},
            "reason": {"type": "string", "maxLength": MAX_REASON},
        },
    },
)


def routes(
    stages: Stages,
    documents: Documents,
    writer: Writer,
    confirmation: Callable[[Request], Any],
    clock: Callable[[], datetime],
) -> APIRouter:
    """All of them. `confirmation` makes of a request's headers what its caller has seen (plans know how)."""
    router = APIRouter(route_class=GuardedRoute, tags=["policies"])

    @router.get(
        "/api/v1/policies/{name}/rollout",
        operation_id="read_rollout",
        summary="How far a policy may go, what holds it back, and what it would deny",
    )
    @authorised((Kind.REGISTRY_POLICY, Action.READ))
    async def read(
        request: Request,
        name: Name,
        stage: Annotated[Stage | None, Query(description="where it is to go; without it the next stage")] = None,
        quiet: Quiet = QUIET_S,
    ) -> Response:
        caller = caller_of(request)
        stored, snapshot = await documents.get(caller, KINDS["RegistryPolicy"], name)
        decided(request)
        policy = stored.value
        assert isinstance(policy, RegistryPolicy)
        following = next_stage(policy.stage)
        move = Move(stage or following or policy.stage, HoldRule(timedelta(seconds=quiet)))
        found = await stages.rollout(snapshot, policy, move)
        body = {"kind": "Rollout", "policy": name, "etag": stored.etag, "next": str(following) if following else None}
        return Answer(200, body | _shown(caller, snapshot, found, move.rule), {"ETag": stored.etag}).response()

    @router.get(
        "/api/v1/policies/{name}/burn-down.{form}",
        operation_id="twin_burn_down",
        summary="How much a policy would have denied on each day, as a table",
    )
    @authorised((Kind.REGISTRY_POLICY, Action.READ))
    async def burn_down_twin(
        request: Request, name: Name, form: Annotated[Literal["json", "csv", "yaml"], Path()], days: Days = SHOWN_DAYS
    ) -> Response:
        found = (await burned(request, name, days))["points"]
        if form == "csv":
            return csv_twin(("DAY", "VIOLATIONS", "KNOWN", "UNKNOWN"), [list(one.values()) for one in found])
        return json_twin(found) if form == "json" else yaml_twin(found)

    @router.get(
        "/api/v1/policies/{name}/burn-down",
        operation_id="read_burn_down",
        summary="How much a policy would have denied on each day, when it changed, and since when it is safe",
    )
    @authorised((Kind.REGISTRY_POLICY, Action.READ))
    async def burn_down(request: Request, name: Name, days: Days = SHOWN_DAYS) -> Response:
        return Answer(200, await burned(request, name, days)).response()

    async def burned(request: Request, name: str, days: int) -> dict[str, Any]:
        caller = caller_of(request)
        stored, snapshot = await documents.get(caller, KINDS["RegistryPolicy"], name)
        decided(request)
        policy = stored.value
        assert isinstance(policy, RegistryPolicy)
        now = clock()
        last = now.date()
        first = last - timedelta(days=days - 1)
        # A day more, so that a change on the first of them is seen to be one.
        rows, watches = await stages.history(name, first - timedelta(days=1))
        there = covered(snapshot, policy)
        known = {one.key.name for one in seen(caller, KINDS["Environment"], snapshot)}
        shown = [one.name for one in there if one.name in known and _may_see_all(caller, one)]
        held = {environment: days for environment, days in rows.items() if environment in shown}
        quiet = quiet_since(watches.get(one.name) for one in there) if policy.stage is not Stage.OFF else None
        return {
            "kind": "BurnDown",
            "policy": name,
            "stage": str(policy.stage),
            "from": first.isoformat(),
            "to": last.isoformat(),
            "points": [_point(one) for one in points(held, first, last, shown)],
            "markers": [_marker(one) for one in markers(held, first)],
            "quietSince": time(quiet),
            "safeSince": time(safe_since(quiet, now)),
            "safeFrom": time(quiet + QUIET) if quiet is not None else None,
            "environments": shown,
            "hiddenEnvironments": len(there) - len(shown),
        }

    @router.post(
        "/api/v1/policies/{name}/stage",
        operation_id="move_policies",
        summary="Move a policy to another stage: forward if nothing holds it, back at once",
    )
    @authorised((Kind.REGISTRY_POLICY, Action.UPDATE))
    async def moved(
        request: Request,
        name: Name,
        dry_run: Annotated[Literal["All"] | None, Query(alias="dryRun", description="All: only show it")] = None,
    ) -> Response:
        caller = caller_of(request)
        body = await read_json(request)
        move = _read(body)
        if dry_run:
            found, rollout = await stages.preview(caller, name, move)
            decided(request)
            shown = {**plan_document(found), **_shown(caller, found.before, rollout, move.rule)}
            return Answer(200, shown, {"Portreeve-Plan": found.digest}).response()
        plan: Confirmation | None = await confirmation(request)
        version = expected(request)

        async def job(transaction: Transaction) -> Committed:
            return await stages.move(transaction, caller, name, move, plan, version)

        answer = await carried_out(writer, caller, repeatable(request, body), job, lambda made: _done(made, name))
        decided(request)
        return answer

    def _done(made: Committed, name: str) -> Answer:
        stored = made.snapshot.of_kind("RegistryPolicy")[name]
        headers = {"Portreeve-Plan": made.outcome.digest, "ETag": stored.etag}
        return Answer(200, answered(stored, made.snapshot, stored.updated_at), headers)

    return router


def _shown(caller: Caller, snapshot: Snapshot, found: Rollout, rule: HoldRule) -> dict[str, Any]:
    """A rollout as far as the caller may see it. That something else holds it is told, and not what."""
    known = {one.key.name: one.value for one in seen(caller, KINDS["Environment"], snapshot)}
    looks = []
    for look, watch in found.looks:
        environment = known.get(look.environment)
        if isinstance(environment, Environment):
            there = tuple(one for one in look.violations if _may_see(caller, environment, one))
            looks.append((replace(look, violations=there, hidden=len(look.violations) - len(there)), watch))
    at = looks[0][0].at if looks else None
    told = holds(looks, found.stage, found.wanted, rule, at) if at is not None else found.holds
    if found.looks and not looks:
        told = ()
    violations = [one for look, _ in looks for one in look.violations]
    return {
        "stage": str(found.stage),
        "wanted": str(found.wanted),
        "held": bool(found.holds),
        "quietSeconds": int(rule.quiet.total_seconds()),
        "maxAgeSeconds": int(rule.max_age.total_seconds()),
        "holds": [_hold(one) for one in told],
        "places": [_environment(look, watched(watch, look, rule.max_age)) for look, watch in looks],
        "hiddenEnvironments": len(found.looks) - len(looks),
        "violations": [_violation(one) for one in violations[:MOST_LISTED]],
        "violationsTotal": len(violations),
    }


def _may_see_all(caller: Caller, environment: Environment) -> bool:
    """Days count all that runs in an environment: whoever sees a part of it is told none of them."""
    return may(caller, Action.LIST, [Resource(Kind.WORKLOAD, "", environment.name, environment.group)]).allowed


def _point(one: Point) -> dict[str, Any]:
    return {"day": one.day.isoformat(), "violations": one.violations, "known": one.known, "unknown": one.unknown}


def _marker(one: Marker) -> dict[str, Any]:
    return {"day": one.day.isoformat(), "version": one.version, "stage": str(one.stage), "what": one.what}


def _may_see(caller: Caller, environment: Environment, one: Denial) -> bool:
    names = (one.image.namespace,) if one.image.namespace else ()
    place = Resource(Kind.WORKLOAD, "", environment.name, environment.group, names)
    return may(caller, Action.LIST, [place]).allowed


def _hold(one: Hold) -> dict[str, Any]:
    told = {"since": time(one.since), "until": time(one.until)}
    return {"environment": one.environment or None, "code": one.code, "message": one.text, **told}


def _environment(look: Look, watch: Watch) -> dict[str, Any]:
    return {
        "environment": look.environment,
        "lastSeen": time(look.seen_at),
        "told": look.told,
        "enforced": look.reason or None,
        "present": look.present,
        "watchedSince": time(watch.since),
        "lastViolation": time(watch.violation_at),
        "violations": look.count,
    }


def _violation(one: Denial) -> dict[str, Any]:
    image = one.image
    return {
        "environment": image.environment,
        "namespace": image.namespace,
        "owner": image.owner,
        "image": image.image,
        "verdict": str(one.decision),
        "reason": one.reason,
    }


def _read(body: Any) -> Move:
    """Where to go, as a request says it.

    Raises:
        Rejected, Invalid: with every wrong field.
    """
    if not isinstance(body, Mapping):
        raise Rejected(400, "body_type", "the body must be a mapping with a stage")
    problems = [
        Problem("field_unknown", "has a field that is none here (not shown)", "body")
        for name in body
        if name not in {"stage", "quietSeconds", "force", "reason"}
    ]
    stage, force, reason = body.get("stage"), body.get("force", False), body.get("reason", "")
    quiet = body.get("quietSeconds", QUIET_S)
    if not isinstance(stage, str) or stage not in set(Stage):
        problems.append(Problem("field_type", "is none of off, audit, warn and deny", "stage"))
    if not isinstance(force, bool):
        problems.append(Problem("field_type", "must be true or false", "force"))
    if not isinstance(reason, str) or len(reason) > MAX_REASON or any(ord(one) < 0x20 for one in reason):
        problems.append(Problem("field_type", f"must be one line of at most {MAX_REASON} characters", "reason"))
    elif force is True and not reason.strip():
        problems.append(
            Problem("stage_reason", "is needed with force", "reason", "say why the conditions do not count")
        )
    if not isinstance(quiet, int) or isinstance(quiet, bool) or not 0 <= quiet <= MOST_QUIET_S:
        problems.append(Problem("field_type", f"must be an integer from 0 to {MOST_QUIET_S:,}", "quietSeconds"))
    if problems:
        raise Invalid("request_invalid", "the body cannot be read", problems=tuple(problems))
    return Move(Stage(str(stage)), HoldRule(timedelta(seconds=quiet)), force, reason)
