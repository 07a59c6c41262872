"""The routes of inventories: what an environment tells of workloads and pull secrets, and grants beside what is used.

Needed and unused grants have a path of their own: below `/api/v1/access/` a grant may have any name, `needed` too.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.estate import Key
from portreeve.core.grant_use import Needed, Unused
from portreeve.core.namespace_view import Why, remedy
from portreeve.core.permissions import Action, Kind
from portreeve.core.pull_failure import ADVICE, cause_of
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, MAX_ROWS, csv_twin, cut, json_twin, page, yaml_twin
from portreeve.server.inventory.service import Space, grantor, needed, spaces, unknown, unused

Name = Annotated[str, Path(description="metadata.name of the Environment", max_length=253)]
Text = Annotated[str | None, Query(max_length=253)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=4096)]
Form = Annotated[Literal["json", "csv", "yaml"], Path()]

NEEDED: Final = ("environment", "namespace", "registry", "uses", "owners", "images", "command")
UNUSED: Final = ("environment", "namespace", "registry", "kind", "name")

_LISTS: Final = (
    ("workloads", "workloads"),
    ("references", "pullSecretReferences"),
    ("serviceAccounts", "serviceAccounts"),
    ("missed", "missed"),
    ("pullFailures", "pullFailures"),
    ("registries", "registries"),
)
"""Field of the answer → that of the channel. No answer of ours has a field that is called a secret."""


def routes(documents: Documents) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["inventory"])
    may_compare = authorised((Kind.WORKLOAD, Action.LIST), (Kind.REGISTRY, Action.LIST))
    may_prune = authorised((Kind.REGISTRY_ACCESS, Action.LIST), (Kind.REGISTRY_POLICY, Action.LIST))

    @router.get(
        "/api/v1/environments/{name}/inventory",
        operation_id="list_inventory",
        summary="Workloads, pull secrets and failed pulls of an environment, by namespace",
    )
    @authorised((Kind.ENVIRONMENT, Action.READ), (Kind.WORKLOAD, Action.LIST))
    async def inventory(
        request: Request, name: Name, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, namespace: Text = None
    ) -> Response:
        rows, snapshot = await told(request, name)
        rows = [one for one in rows if namespace in (None, one[0])]
        found, more = cut(
            rows, page({"inventory": name, "of": namespace}, limit=limit, cursor=cursor), lambda one: one[0]
        )
        reported = snapshot.reports.get(name)
        metadata = _metadata(snapshot, rows, more) | {"told": reported is not None and reported.inventory is not None}
        items = [_space(*one) for one in found]
        return Answer(200, {"kind": "InventoryList", "metadata": metadata, "items": items}).response()

    async def told(request: Request, name: str) -> tuple[list[Space], Snapshot]:
        """The namespaces that the caller may see. Who may see none of them, hears of the environment what they may."""
        caller, snapshot = caller_of(request), await documents.snapshot()
        found = snapshot.estate.environments_by_name.get(name)
        if found is None or Key("Environment", name) not in snapshot.documents:
            rows, decision = [], may_not(caller, Action.READ, Kind.ENVIRONMENT, name)
        else:
            rows = spaces(caller, snapshot, found)
            decision = may(caller, Action.READ, [Resource(Kind.ENVIRONMENT, name, name, found.group)])
        decided(request)
        if not decision.allowed and not rows:
            raise refused(decision, named=True)
        return rows, snapshot

    @router.get("/api/v1/access-needed.{form}", operation_id="twin_needed", summary="Registries to grant, as a table")
    @may_compare
    async def needed_twin(
        request: Request, form: Form, environment: Text = None, namespace: Text = None, registry: Text = None
    ) -> Response:
        snapshot = await documents.snapshot()
        rows = _chosen(needed(caller_of(request), snapshot), environment, namespace, registry)
        decided(request)
        return _twin(form, NEEDED, [_needed(one) for one in rows[:MAX_ROWS]])

    @router.get(
        "/api/v1/access-needed",
        operation_id="list_needed",
        summary="Registries that workloads use in namespaces where they are not granted",
    )
    @may_compare
    async def needed_list(
        request: Request,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        environment: Text = None,
        namespace: Text = None,
        registry: Text = None,
    ) -> Response:
        snapshot = await documents.snapshot()
        rows = _chosen(needed(caller_of(request), snapshot), environment, namespace, registry)
        decided(request)
        query = {"access": "needed", "filters": [environment, namespace, registry]}
        found, more = cut(rows, page(query, limit=limit, cursor=cursor), _key)
        items = [_needed(one) for one in found]
        body = {"kind": "NeededAccessList", "metadata": _metadata(snapshot, rows, more), "items": items}
        return Answer(200, body).response()

    @router.get("/api/v1/access-unused.{form}", operation_id="twin_unused", summary="Grants without use, as a table")
    @may_prune
    async def unused_twin(
        request: Request, form: Form, environment: Text = None, namespace: Text = None, registry: Text = None
    ) -> Response:
        snapshot = await documents.snapshot()
        rows = _chosen(unused(caller_of(request), snapshot), environment, namespace, registry)
        decided(request)
        return _twin(form, UNUSED, [_unused(one) for one in rows[:MAX_ROWS]])

    @router.get(
        "/api/v1/access-unused",
        operation_id="list_unused",
        summary="Grants of registries in namespaces where nothing uses them",
    )
    @may_prune
    async def unused_list(
        request: Request,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        environment: Text = None,
        namespace: Text = None,
        registry: Text = None,
    ) -> Response:
        caller, snapshot = caller_of(request), await documents.snapshot()
        rows = _chosen(unused(caller, snapshot), environment, namespace, registry)
        decided(request)
        query = {"access": "unused", "filters": [environment, namespace, registry]}
        found, more = cut(rows, page(query, limit=limit, cursor=cursor), _key)
        # Of these nothing is known to be unused: the answer says so instead of leaving them out.
        metadata = _metadata(snapshot, rows, more) | {"unknown": unknown(caller, snapshot)}
        body = {"kind": "UnusedAccessList", "metadata": metadata, "items": [_unused(one) for one in found]}
        return Answer(200, body).response()

    return router


def _metadata(snapshot: Snapshot, rows: Sequence[Any], more: str | None) -> dict[str, Any]:
    return {"revision": snapshot.revision, "total": len(rows), **({"continue": more} if more else {})}


def _chosen(rows: Sequence[Any], environment: str | None, namespace: str | None, registry: str | None) -> list[Any]:
    found = [
        one
        for one in rows
        if environment in (None, one.environment)
        and namespace in (None, one.namespace)
        and registry in (None, one.registry)
    ]
    return sorted(found, key=_key)


def _key(one: Needed | Unused) -> str:
    return "\n".join((one.environment, one.namespace, one.registry, getattr(one, "owner", "")))


def _twin(form: str, columns: Sequence[str], items: Sequence[Mapping[str, Any]]) -> Response:
    if form == "csv":
        return csv_twin([name.upper() for name in columns], [[item[name] for name in columns] for item in items])
    return json_twin(items) if form == "json" else yaml_twin(items)


def _needed(one: Needed) -> dict[str, Any]:
    return {
        "environment": one.environment,
        "namespace": one.namespace,
        "registry": one.registry,
        "uses": one.uses,
        "owners": list(one.owners),
        "images": list(one.images),
        "command": shlex.join(
            ("portreeve", "grant", one.registry, "--environment", one.environment, "-n", one.namespace)
        ),
    }


def _unused(one: Unused) -> dict[str, Any]:
    key = grantor(one)
    place = {"environment": one.environment, "namespace": one.namespace, "registry": one.registry}
    return {**place, "kind": key.kind, "name": key.name}


def _space(namespace: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """A namespace with what is to be done: commands and advice are ours, an agent sends none."""
    found: dict[str, Any] = {"namespace": namespace, **{name: list(said.get(told, ())) for name, told in _LISTS}}
    found["missed"] = [{**one, "command": _command(namespace, one)} for one in found["missed"]]
    found["pullFailures"] = [{**one, **_advice(one["cause"])} for one in found["pullFailures"]]
    return {**found, "leftOut": said.get("leftOut", 0)}


def _command(namespace: str, one: Mapping[str, Any]) -> str:
    return remedy(one["owner"], namespace, Why(one["why"])) if one["why"] in set(Why) else ""


def _advice(cause: str) -> dict[str, str]:
    advice = ADVICE[cause_of(cause)]
    return {"meaning": advice.meaning, "do": advice.do}
