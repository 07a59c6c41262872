"""The routes of egress: what an environment must reach, as rows and as rules, and what is new since the last export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path
from fastapi import Query as Parameter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.egress import HEADER, HostNeed, to_rows
from portreeve.core.egress_rules import Difference, cilium_policy, network_policy
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import time
from portreeve.server.egress.service import Egress, EgressRules
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused
from portreeve.server.http.lists import csv_twin, json_twin, yaml_twin
from portreeve.wire.text import as_yaml

Name = Annotated[str, Path(description="metadata.name of the Environment", max_length=253)]

NAMESPACE: Final = "portreeve-system"
"""Where the rules for pods are meant to go unless the request says otherwise: the agent's own namespace."""


def routes(documents: Documents, egress: EgressRules) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["egress"])
    base = "/api/v1/environments/{name}/egress"

    async def chosen(request: Request, name: str, action: Action) -> tuple[Snapshot, Environment]:
        caller, snapshot = caller_of(request), await documents.snapshot()
        found = snapshot.estate.environments_by_name.get(name)
        if found is None or Key("Environment", name) not in snapshot.documents:
            decision = may_not(caller, action, Kind.ENVIRONMENT, name)
        else:
            decision = may(caller, action, [Resource(Kind.ENVIRONMENT, name, name, found.group)])
        decided(request)
        if not decision.allowed or found is None:
            raise refused(decision, named=True)
        return snapshot, found

    @router.get(
        f"{base}.{{form}}", operation_id="twin_egress", summary="Hosts that an environment must reach, as a table"
    )
    @authorised((Kind.ENVIRONMENT, Action.READ))
    async def twin(request: Request, name: Name, form: Annotated[Literal["json", "csv", "yaml"], Path()]) -> Response:
        found = await egress.of(*await chosen(request, name, Action.READ))
        if form == "csv":
            return csv_twin(HEADER, to_rows(found.needs))
        items = [_need(one) for one in found.needs]
        return json_twin(items) if form == "json" else yaml_twin(items)

    @router.get(
        base, operation_id="read_egress", summary="Hosts that an environment must reach, and what is new of them"
    )
    @authorised((Kind.ENVIRONMENT, Action.READ))
    async def read(request: Request, name: Name) -> Response:
        found = await egress.of(*await chosen(request, name, Action.READ))
        return Answer(200, _document(name, found)).response()

    @router.get(f"{base}/rules", operation_id="read_egress_rules", summary="The same as a policy for pods, in YAML")
    @authorised((Kind.ENVIRONMENT, Action.READ))
    async def rules(
        request: Request,
        name: Name,
        form: Annotated[Literal["networkpolicy", "cilium"], Parameter(alias="format")] = "networkpolicy",
        namespace: Annotated[str, Parameter(max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = NAMESPACE,
    ) -> Response:
        found = await egress.of(*await chosen(request, name, Action.READ))
        if form == "cilium":
            made = cilium_policy(found.needs, namespace)
        else:
            addresses = await egress.addresses(found.needs)
            made = network_policy(found.needs, namespace, addresses, time(egress.now()) or "")
        return Response(as_yaml(made).encode(), media_type="application/yaml")

    @router.post(
        f"{base}/exports", operation_id="export_egress", summary="Remember what is handed over now; what was new of it"
    )
    @authorised((Kind.ENVIRONMENT, Action.UPDATE))
    async def export(request: Request, name: Name) -> Response:
        snapshot, environment = await chosen(request, name, Action.UPDATE)
        found = await egress.export(snapshot, environment, caller_of(request))
        return Answer(200, _document(name, found)).response()

    return router


def _document(name: str, found: Egress) -> dict[str, Any]:
    last = found.last
    return {
        "kind": "Egress",
        "environment": name,
        "hosts": [_need(one) for one in found.needs],
        "changed": _difference(found.changed),
        "lastExport": None if last is None else {"at": time(last.at), "by": last.by},
        "enforcedBy": "the network: this list is handed over, and nothing here keeps to it",
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {"added": _rules(found.added), "removed": _rules(found.removed), "kept": found.kept}


def _rules(found: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"host": host, "port": port} for host, port in found]


def _need(one: HostNeed) -> dict[str, Any]:
    return {
        "host": one.host,
        "port": one.port,
        "purpose": str(one.purpose),
        "provider": one.provider,
        "certain": one.certain,
        "because": list(one.because),
        "note": one.note,
    }
