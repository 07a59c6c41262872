"""The routes of the matrix, of an environment's effective policy, and of whom a grant there may name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.access_matrix import Cell, GrantedBy, Heard, State
from portreeve.core.authorization import Resource
from portreeve.core.desired import Grant
from portreeve.core.effective_policy import Effective, explain, too_old
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Key
from portreeve.core.people import Subjects
from portreeve.core.permissions import Action, Kind
from portreeve.core.platform import ALWAYS_SAFE
from portreeve.core.policy import Registry
from portreeve.server.access_matrix.service import Matrices, Matrix, Row, Wanted, candidates
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import Documents, seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import answered, time
from portreeve.server.http.answers import Answer
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin

Text = Annotated[str | None, Query(max_length=253)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=4096)]
Form = Annotated[Literal["json", "csv", "yaml"], Path()]
Name = Annotated[str, Path(description="metadata.name of the Environment", max_length=253)]
Names = Annotated[list[str] | None, Query(max_length=50, description="only these registries; repeatable")]
Asked = Annotated[
    Literal["granted", "synced", "stale", "conflict", "masked", "needed", "unknown", "unused"] | None,
    Query(description="rows with a cell in this state; unused is a grant that nothing uses, whatever its state"),
]
Search = Annotated[str | None, Query(max_length=253, description="text in the environment's or the row's name")]

Kinds = Annotated[
    Literal["namespaces", "people"] | None, Query(description="people: users and teams, on Docker and Swarm")
]

COLUMNS: Final = (
    "environment", "namespace", "subject", "registry", "state", "why", "use", "modes", "grants", "version", "wanted",
    "expiresAt", "conflict",
)  # fmt: skip

MOST_LABELS: Final = 20
"""Labels of a namespace that a row names: selectors are written with few."""

MOST_NAMED: Final = 20
"""Environments that are named because nothing is heard of them."""

_KINDS: Final[Mapping[str, str]] = {"access": "RegistryAccess", "policy": "RegistryPolicy"}


def wanted(
    group: Text = None,
    environment: Text = None,
    namespace: Text = None,
    registry: Names = None,
    state: Asked = None,
    rows: Kinds = None,
    q: Search = None,
) -> Wanted:
    """The filters of a request."""
    people = None if rows is None else rows == "people"
    return Wanted(group, environment, namespace, state, q, frozenset(registry or ()), people)


def routes(documents: Documents, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["access"])
    matrices = Matrices()
    may_see = authorised((Kind.NAMESPACE, Action.LIST), (Kind.REGISTRY_ACCESS, Action.LIST))

    async def found(request: Request, asked: Wanted) -> tuple[Matrix, Snapshot]:
        snapshot = await documents.snapshot()
        matrix = matrices.seen(caller_of(request), snapshot, asked, clock())
        decided(request)
        return matrix, snapshot

    @router.get(
        "/api/v1/access-matrix.{form}", operation_id="twin_access_matrix", summary="The access matrix, a line a cell"
    )
    @may_see
    async def twin(
        request: Request,
        form: Form,
        asked: Annotated[Wanted, Depends(wanted)],
    ) -> Response:
        matrix, _ = await found(request, asked)
        lines = [line for row in matrix.rows for line in _lines(row)][:MAX_ROWS]
        if form == "csv":
            return csv_twin([name.upper() for name in COLUMNS], [[line[name] for name in COLUMNS] for line in lines])
        return json_twin(lines) if form == "json" else yaml_twin(lines)

    @router.get(
        "/api/v1/access-matrix",
        operation_id="list_access_matrix",
        summary="Registries beside namespaces, users and teams: what is granted, delivered, needed and unused",
    )
    @may_see
    async def listed(
        request: Request,
        asked: Annotated[Wanted, Depends(wanted)],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        matrix, snapshot = await found(request, asked)
        query = {"matrix": asked.filters}
        some, more = cut(matrix.rows, page(query, limit=limit, cursor=cursor), lambda row: row.key)
        metadata: dict[str, Any] = {"revision": snapshot.revision, "total": len(matrix.rows)}
        if more:
            metadata["continue"] = more
        body = {
            "kind": "AccessMatrix",
            "metadata": metadata,
            "heard": _heard(matrix, snapshot),
            "counts": matrix.tally.counts(),
            "registries": [_registry(name, matrix, snapshot) for name in matrix.registries],
            "selectorLabels": sorted(ALWAYS_SAFE | set(snapshot.settings.selector_labels)),
            "items": [_row(row, matrix.environments[row.environment.name], snapshot) for row in some],
        }
        return Answer(200, body).response()

    @router.get(
        "/api/v1/environments/{name}/policy",
        operation_id="read_environment_policy",
        summary="What counts in an environment, and why: its group's policy, accesses in force and masked ones",
        tags=["environments"],
    )
    @authorised((Kind.ENVIRONMENT, Action.READ))
    async def effective(request: Request, name: Name) -> Response:
        snapshot = await documents.snapshot()
        environment = _allowed(request, snapshot, name, Kind.ENVIRONMENT, Action.READ)
        return Answer(200, _effective(_Asked(caller_of(request), snapshot, environment), clock())).response()

    @router.get(
        "/api/v1/environments/{name}/identities",
        operation_id="list_identities",
        summary="Users and teams that a grant in an environment may name: those with a role there",
        tags=["environments"],
    )
    @authorised((Kind.REGISTRY_ACCESS, Action.CREATE))
    async def identities(
        request: Request, name: Name, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, q: Search = None
    ) -> Response:
        snapshot = await documents.snapshot()
        environment = _allowed(request, snapshot, name, Kind.REGISTRY_ACCESS, Action.CREATE)
        rows = _identities(candidates(snapshot, environment), q or "")
        some, more = cut(rows, page({"identities": [name, q]}, limit=limit, cursor=cursor), "\n".join)
        metadata: dict[str, Any] = {"revision": snapshot.revision, "total": len(rows)}
        if more:
            metadata["continue"] = more
        items = [{"kind": kind, "name": one} for kind, one in some]
        return Answer(200, {"kind": "IdentityList", "metadata": metadata, "items": items}).response()

    return router


def _allowed(request: Request, snapshot: Snapshot, name: str, kind: Kind, action: Action) -> Environment:
    """The environment, if the caller may do this to it, or to what lies in it as a whole.

    Raises:
        NotFound: they may not, or there is none.
    """
    caller, environment = caller_of(request), snapshot.estate.environments_by_name.get(name)
    if environment is None:
        decision = may_not(caller, action, kind, name)
    else:
        decision = may(caller, action, [Resource(kind, name, name, environment.group)])
    decided(request)
    if not decision.allowed or environment is None:
        raise refused(decision, named=True)
    return environment


def _identities(there: Subjects, text: str) -> list[tuple[str, str]]:
    """Kind and name of those whose name holds the text, sorted."""
    found = [("team", one) for one in there.teams] + [("user", one) for one in there.users]
    return sorted(one for one in found if text.lower() in one[1].lower())


def _heard(matrix: Matrix, snapshot: Snapshot) -> dict[str, Any]:
    """Of how many environments something is known, and how old the oldest of it is."""
    silent = sorted(name for name, one in matrix.environments.items() if not one.connected)
    reports = [snapshot.reports[name].at for name, one in matrix.environments.items() if one.reported]
    return {
        "environments": len(matrix.environments),
        "reported": len(reports),
        "connected": len(matrix.environments) - len(silent),
        "complete": sum(one.complete for one in matrix.environments.values()),
        "silent": silent[:MOST_NAMED],
        "oldest": time(min(reports, default=None)),
        "newest": time(max(reports, default=None)),
    }


def _registry(name: str, matrix: Matrix, snapshot: Snapshot) -> dict[str, Any]:
    stored = snapshot.documents.get(Key("Registry", name))
    value = stored.value if stored else None
    states: Counter[State] = matrix.tally.counted.get(name, Counter())
    return {
        "name": name,
        "title": str(stored.spec.get("title", "")) if stored else "",
        "provider": value.provider if isinstance(value, Registry) else "",
        "prefix": str(value.prefix) if isinstance(value, Registry) else "",
        "granted": states.total() - states[State.NEEDED] - states[State.MASKED],
        "needed": states[State.NEEDED],
    }


def _row(row: Row, known: Heard, snapshot: Snapshot) -> dict[str, Any]:
    one = row.environment
    reported = snapshot.reports.get(one.name)
    secret = known.secrets.get(row.namespace)
    return {
        "environment": one.name,
        "group": one.group,
        "type": str(one.type),
        "tier": str(one.tier),
        "namespace": row.namespace or None,
        "subject": _subject(row),
        "labels": _labels(row, snapshot),
        "complete": known.complete,
        "connected": known.connected,
        "reportedAt": time(reported.at) if reported else None,
        "phase": secret.phase or None if secret else None,
        "policy": _masking(one, snapshot),
        "cells": [_cell(cell) for cell in row.cells.values()],
    }


def _masking(environment: Environment, snapshot: Snapshot) -> dict[str, Any] | None:
    """The policy that covers an environment, and whether accesses of the environment count beside it."""
    policy = snapshot.estate.policy_of(environment)
    return None if policy is None else {"name": policy.name, "masks": not policy.allow_override}


def _subject(row: Row) -> dict[str, str] | None:
    if row.namespace:
        return None
    return {"kind": "team", "name": row.team} if row.team else {"kind": "user", "name": row.user}


def _labels(row: Row, snapshot: Snapshot) -> dict[str, str]:
    for one in snapshot.estate.capabilities_of(row.environment).namespaces or () if row.namespace else ():
        if one.name == row.namespace:
            return dict(sorted(one.labels.items())[:MOST_LABELS])
    return {}


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "registry": cell.registry,
        "state": str(cell.state),
        "why": str(cell.why),
        "use": str(cell.use),
        "uses": cell.uses,
        "grants": [_granted_by(one) for one in cell.grants],
        "version": cell.version,
        "wanted": cell.wanted,
        "expiresAt": cell.expires_at,
        "conflict": cell.conflict or None,
    }


def _granted_by(one: GrantedBy) -> dict[str, Any]:
    kind, name = _owner(one.owner)
    return {"kind": kind, "name": name, "mode": str(one.mode), "inForce": one.in_force, "bySelector": one.by_selector}


def _owner(owner: str) -> tuple[str, str]:
    word, _, name = owner.partition(" ")
    return _KINDS[word], name


def _lines(row: Row) -> Iterator[dict[str, Any]]:
    """A line for each cell, as a table has it."""
    subject = _subject(row)
    place = {
        "environment": row.environment.name,
        "namespace": row.namespace or None,
        "subject": f"{subject['kind']} {subject['name']}" if subject else None,
    }
    for cell in row.cells.values():
        shown = _cell(cell)
        grants: Sequence[Mapping[str, Any]] = shown["grants"]
        modes = list(dict.fromkeys(one["mode"] for one in grants))
        yield {**place, **shown, "modes": modes, "grants": [f"{one['kind']}/{one['name']}" for one in grants]}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks for the effective policy of what."""

    caller: Caller
    snapshot: Snapshot
    environment: Environment


def _effective(asked: _Asked, now: datetime) -> dict[str, Any]:
    snapshot, environment = asked.snapshot, asked.environment
    found = explain(snapshot.estate, environment)
    status = answered(snapshot.documents[Key("Environment", environment.name)], snapshot, now)["status"]
    grants = [_grant(grant, environment) for grant in (*found.in_force, *found.masked)]
    known = {one.key for kind in _KINDS.values() for one in seen(asked.caller, KINDS[kind], snapshot)}
    shown = [Key(one["kind"], one["name"]) in known for one in grants]
    split = len(found.in_force)
    return {
        "environment": environment.name,
        "group": environment.group,
        "type": str(environment.type),
        "tier": str(environment.tier),
        "kubernetes": status.get("kubernetes"),
        "cannotRestrict": too_old(environment, snapshot.estate.capabilities_of(environment)),
        "enforcement": status["enforcement"],
        "enforcedBy": str(found.plane),
        "reportedAt": status.get("reportedAt"),
        "policy": _policy(found, snapshot),
        "why": [{"step": str(one.step), "text": one.text, "warns": one.warns} for one in found.sentences],
        "inForce": [one for one, is_shown in zip(grants[:split], shown[:split], strict=True) if is_shown],
        "masked": [one for one, is_shown in zip(grants[split:], shown[split:], strict=True) if is_shown],
        "hidden": shown.count(False),
    }


def _policy(found: Effective, snapshot: Snapshot) -> dict[str, Any] | None:
    policy = found.policy
    if policy is None:
        return None
    stored = snapshot.documents.get(Key("RegistryPolicy", policy.name))
    return {
        "name": policy.name,
        "stage": str(policy.stage),
        "version": policy.generation,
        "allowOverride": policy.allow_override,
        "sources": len(policy.sources),
        "updatedAt": time(stored.updated_at) if stored else None,
    }


def _grant(grant: Grant, environment: Environment) -> dict[str, Any]:
    kind, name = _owner(grant.owner)
    kubernetes = environment.type is EnvironmentType.KUBERNETES
    selector = grant.namespaces.selector
    return {
        "kind": kind,
        "name": name,
        "registry": grant.registry,
        "mode": str(grant.delivery.mode),
        "namespaces": sorted(grant.namespaces.names) if kubernetes else None,
        "selector": None if selector is None else _selector_text(grant),
        "teams": sorted(grant.subjects.teams),
        "users": sorted(grant.subjects.users),
    }


def _selector_text(grant: Grant) -> str:
    """A selector as `kubectl -l` takes it; "" selects everything."""
    selector = grant.namespaces.selector
    assert selector is not None
    words = [f"{key}={value}" for key, value in selector.match_labels]
    for line in selector.match_expressions:
        match line.operator:
            case "In":
                words.append(f"{line.key} in ({','.join(line.values)})")
            case "NotIn":
                words.append(f"{line.key} notin ({','.join(line.values)})")
            case "Exists":
                words.append(line.key)
            case _:
                words.append(f"!{line.key}")
    return ",".join(words)
