"""The route of rotations: how far the pull credential of a registry has come, counts first, then place by place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource, Scope, visible_scope
from portreeve.core.desired import Grant
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.core.rotation import EnvironmentHeld, NamespaceHeld, Standing, reachable, standing
from portreeve.server.credentials.routes import overlap_shown
from portreeve.server.database.engine import Database
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import PULL, CredentialRow, Snapshot
from portreeve.server.documents.view import time
from portreeve.server.http.answers import Answer
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, in_scope, may, may_not, refused
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, cut, page
from portreeve.server.rotation.progress import grants_of, held_in, wanted_version

Text = Annotated[str | None, Query(max_length=253)]

STANDINGS: Final = {Standing.CONFIRMED: "confirmed", Standing.WAITING: "waiting", Standing.UNREACHABLE: "unreachable"}
"""What is counted of environments; all others have no agent."""


def routes(documents: Documents, database: Database, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["credentials"])

    @router.get(
        "/api/v1/registries/{name}/rotation",
        operation_id="read_rotation",
        summary="How far a registry's credential has come, by environment and namespace",
    )
    @authorised((Kind.REGISTRY, Action.READ))
    async def read(
        request: Request,
        name: Annotated[str, Path(description="metadata.name of the Registry", max_length=253)],
        environment: Text = None,
        standing: Annotated[str | None, Query(max_length=16, description="current, behind, missing, conflict")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
        cursor: Annotated[str | None, Query(max_length=4096)] = None,
    ) -> Response:
        caller, snapshot, now = caller_of(request), await documents.snapshot(), clock()
        _see(request, caller, snapshot, name)
        row = snapshot.credentials.get((name, PULL))
        seen = await _seen(database, caller, snapshot, name, row, now)
        rows = [
            one
            for one in sorted(seen.rows, key=_row_key)
            if (environment is None or one["environment"] == environment)
            and (standing is None or one["standing"] == standing)
        ]
        query = {"kind": "Rotation", "filters": [name, environment, standing]}
        some, more = cut(rows, page(query, limit=limit, cursor=cursor), _row_key)
        metadata: dict[str, Any] = {"revision": snapshot.revision, "total": len(rows)}
        if more:
            metadata["continue"] = more
        body = {
            "kind": "Rotation",
            "registry": name,
            "credential": None if row is None else {"id": row.id, "version": row.version, "wanted": seen.wanted},
            "overlap": None if row is None else overlap_shown(row),
            "done": seen.done,
            "counts": seen.counts,
            "environments": seen.environments,
            "metadata": metadata,
            "items": some,
        }
        return Answer(200, body).response()

    return router


def _see(request: Request, caller: Caller, snapshot: Snapshot, name: str) -> None:
    """See that the caller may read the registry.

    Raises:
        NotFound: they may not, or there is none.
    """
    stored = snapshot.documents.get(Key("Registry", name))
    if stored is None:
        decision = may_not(caller, Action.READ, Kind.REGISTRY, name)
    else:
        decision = may(caller, Action.READ, snapshot.parts(stored))
    decided(request)
    if not decision.allowed or stored is None:
        raise refused(decision, named=True)


@dataclass(frozen=True)
class Seen:
    """What a caller may see of it."""

    wanted: int | None
    done: bool
    environments: list[dict[str, Any]]
    rows: list[dict[str, Any]]

    @property
    def counts(self) -> dict[str, int]:
        """Of environments by how they stand, of namespaces by what they have."""
        environments = Counter(one["standing"] for one in self.environments)
        namespaces = Counter(one["standing"] for one in self.rows)
        found = {"environments": len(self.environments)}
        found |= {word: environments[str(one)] for one, word in STANDINGS.items()}
        found |= {"noAgent": environments[str(Standing.NOBODY)], "namespaces": len(self.rows)}
        return found | {word: namespaces[word] for word in ("current", "behind", "missing", "conflict")}


async def _seen(
    database: Database, caller: Caller, snapshot: Snapshot, registry: str, row: CredentialRow | None, now: datetime
) -> Seen:
    if row is None:
        return Seen(None, True, [], [])
    wanted, since = wanted_version(snapshot, row, now), row.overlap.begun_at if row.overlap else None
    places, namespaces = (
        visible_scope(caller.principal, kind) if in_scope(caller, Action.LIST, kind) else Scope(kind)
        for kind in (Kind.ENVIRONMENT, Kind.NAMESPACE)
    )
    environments, rows = [], []
    async with database.reader.connect() as connection:
        for environment, grants in grants_of(snapshot, registry):
            name, group = environment.name, environment.group
            held = await held_in(connection, snapshot, environment, grants, row.id)
            here = [
                one
                for one in _rows(held, environment, grants, snapshot, wanted or 0)
                if namespaces.admits(
                    Resource(Kind.NAMESPACE, f"{name}/{one['namespace']}", name, group, (one["namespace"],))
                )
            ]
            rows += here
            if here or places.admits(Resource(Kind.ENVIRONMENT, name, name, group)):
                reported = snapshot.reports.get(name)
                environments.append(
                    {
                        "environment": name,
                        "standing": str(standing(held, wanted or 0, since, now)),
                        "reachable": reachable(held, now),
                        "lastSeen": time(held.seen_at),
                        "reportedAt": time(reported.at) if reported else None,
                        "namespaces": len(here),
                        "current": sum(one["standing"] == "current" for one in here),
                    }
                )
    waiting = any(one["standing"] == str(Standing.WAITING) for one in environments)
    return Seen(wanted, row.overlap is None and not waiting, environments, rows)


def _rows(
    held: EnvironmentHeld, environment: Environment, grants: tuple[Grant, ...], snapshot: Snapshot, wanted: int
) -> Iterator[dict[str, Any]]:
    """A row for each namespace that holds the credential, should hold it, or says why it does not."""
    known = snapshot.estate.capabilities_of(environment).namespaces
    granted = {name for grant in grants for name in grant.selected(known)} if known is not None else set()
    said = {one.namespace: one for one in held.held if one.entries or one.namespace in granted}
    for name in sorted(said.keys() | (held.must_hold if held.admitted else set())):
        yield _row(environment.name, name, said.get(name), wanted)


def _row(environment: str, namespace: str, held: NamespaceHeld | None, wanted: int) -> dict[str, Any]:
    newest = max(held.entries, key=lambda one: one.version, default=None) if held else None
    conflict = held.conflict if held else None
    if conflict:
        standing = "conflict"
    elif newest is None:
        standing = "missing"
    else:
        standing = "behind" if newest.version < wanted else "current"
    return {
        "environment": environment,
        "namespace": namespace,
        "wanted": wanted or None,
        "there": newest.version if newest else None,
        "older": sorted(one.version for one in held.entries if one is not newest) if held else [],
        "standing": standing,
        "state": None if newest is None else "live" if newest.live else "hollow",
        "expiresAt": newest.expires_at if newest else None,
        "phase": held.phase if held else None,
        "conflict": conflict,
    }


def _row_key(row: dict[str, Any]) -> str:
    return f"{row['environment']}\n{row['namespace']}"
