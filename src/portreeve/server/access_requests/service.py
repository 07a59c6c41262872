"""Requests of namespaces for registries: what stands, what would grant one, and refusing one.

A request is an observed fact: who made it in the cluster is not known here, and nothing follows from it by itself. What
grants it is a document as any other, which `approval` writes and the plans carry out, so that every rule, the audit log
and whoever must agree are the same as for `portreeve grant`. Who may refuse is who could have granted: the registry,
and in that namespace.

Several requests of one registry share a document where they wish for the same delivery, so that approving a hundred
namespaces makes one grant that names a hundred. It is a document of ours, by its name: what people keep in files is not
widened behind their backs.

Left out: granting without a person (`selfService`), and telling whoever asked by other ways than the object's status.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from portreeve.core.access_requests import AccessRequest, Refusal
from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Target, escaped
from portreeve.core.audit import Outcome as Ended
from portreeve.core.authorization import Resource, visible_scope
from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.desired import Grant, granted
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Delivery, DeliveryMode, RegistryAccess, ServiceAccounts, ServiceAccountSelection
from portreeve.errors import Conflict, PortreeveError
from portreeve.server.access_requests import store
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Refusal as Refused
from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store as documents
from portreeve.server.documents.proposal import Outcome
from portreeve.server.documents.snapshot import RefusalRow, Snapshot
from portreeve.server.http.caller import Acting, Caller
from portreeve.server.http.guard import in_scope, may, may_not, refused_change

LONGEST_NAME: Final = 63


class State(StrEnum):
    """Where a request stands."""

    REQUESTED = "requested"
    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """A request with what became of it. `granted_by` is the owner of a grant, as desired states name it."""

    environment: str
    request: AccessRequest
    state: State
    granted_by: str = ""
    refusal: RefusalRow | None = None


def rows(caller: Caller, snapshot: Snapshot) -> list[Row]:
    """The requests of the namespaces that the caller may list, sorted by environment, namespace and name."""
    if not in_scope(caller, Action.LIST, Kind.NAMESPACE):
        return []
    scope = visible_scope(caller.principal, Kind.NAMESPACE)
    return [
        row
        for environment in sorted(snapshot.estate.environments, key=lambda one: one.name)
        for row in _of(snapshot, environment)
        if scope.admits(Resource(Kind.NAMESPACE, "", environment.name, environment.group, (row.request.namespace,)))
    ]


def decidable(caller: Caller, snapshot: Snapshot, environment: str, namespace: str, name: str) -> Row | None:
    """A request that the caller may decide on: they may grant its registry, and in its namespace.

    None where there is none for this caller. A decision was made either way.
    """
    at = snapshot.estate.environments_by_name.get(environment)
    found = next((row for row in _of(snapshot, at) if _named(row, namespace, name)), None) if at else None
    if at is None or found is None:
        may_not(caller, Action.CREATE, Kind.REGISTRY_ACCESS, name)
        return None
    registry = snapshot.estate.registries_by_name.get(found.request.registry)
    project = registry.project if registry else ""
    access = Resource(Kind.REGISTRY_ACCESS, name, at.name, at.group, (namespace,), project)
    granting = may(caller, Action.GRANT, (Resource(Kind.REGISTRY, found.request.registry, project=project),))
    return found if may(caller, Action.CREATE, (access,)).allowed and granting.allowed else None


def approval(snapshot: Snapshot, row: Row) -> dict[str, Any]:
    """The document that grants a request, as `POST /api/v1/plans` takes it: a new one, or ours widened.

    Raises:
        Conflict: `request_state`: it is granted.
    """
    if row.state is State.GRANTED:
        raise Conflict("request_state", f"the request is granted already, by {row.granted_by}")
    request, delivery = row.request, _delivery(row.request)
    usual = f"requested-{request.registry}-{row.environment}"
    for name in (_short(usual), _short(f"{usual}-{request.namespace}")):
        stored = snapshot.documents.get(Key("RegistryAccess", name))
        if stored is None:
            return _document(name, _spec(row, (request.namespace,), delivery))
        value = stored.value
        assert isinstance(value, RegistryAccess)
        same = (value.registry, value.environment) == (request.registry, row.environment)
        if same and value.delivery == delivery and value.namespaces.selector is None:
            names = tuple(sorted({*value.namespaces.names, request.namespace}))
            return _document(name, _spec(row, names, delivery), stored.labels, stored.annotations)
    # Both names are taken by something else: a name of this request alone.
    return _document(_short(f"{usual}-{request.uid}"), _spec(row, (request.namespace,), delivery))


async def refuse(
    transaction: Transaction, caller: Caller, place: tuple[str, str, str], why: str
) -> tuple[Row, Snapshot]:
    """Refuse the request of this environment, namespace and name, as a part of a job.

    Raises:
        NotFound: there is none for this caller. Conflict: `request_state`: it is granted.
    """
    environment, namespace, name = place
    snapshot = transaction.snapshot
    row = decidable(caller, snapshot, environment, namespace, name)
    target = Target(ObjectKind.ACCESS, escaped(f"{namespace}/{name}"), environment=escaped(environment))
    if row is None:
        error: PortreeveError = refused_change(Kind.REGISTRY_ACCESS, name)
        entry = Entry(caller.actor, Recorded.ACCESS_REFUSE, target, caller.request, Ended.REFUSED, error.code)
        raise Refused(error, entry)
    if row.state is State.GRANTED:
        hint = "take the grant back: portreeve revoke"
        error = Conflict("request_state", f"the request is granted, by {row.granted_by}", hint=hint)
        entry = Entry(caller.actor, Recorded.ACCESS_REFUSE, target, caller.request, Ended.REFUSED, error.code)
        raise Refused(error, entry)
    asked, now, by = row.request, transaction.now, caller.principal.user
    refusal = Refusal(asked.namespace, asked.name, asked.uid, asked.generation, why)
    revision = transaction.next_revision()
    transaction.record(Entry(caller.actor, Recorded.ACCESS_REFUSE, target, caller.request))
    await store.save(transaction.connection, environment, refusal, by, now)
    key = Key(documents.OBSERVATION, environment)
    await documents.note(transaction.connection, revision, key, "updated", revision, now)
    held = RefusalRow(environment, refusal, by, now)
    transaction.snapshot = snapshot.with_refusal(revision, held)
    return replace(row, state=State.REFUSED, refusal=held), transaction.snapshot


class Forget:
    """A follower: what was refused in a deleted environment goes with it."""

    async def follow(self, transaction: Transaction, caller: Acting, found: Outcome) -> None:  # noqa: ARG002 - protocol
        """As `documents.service.Follower`."""
        for change in found.changes:
            if change.key.kind == "Environment" and change.after is None:
                await store.forget(transaction.connection, change.key.name)
                transaction.snapshot = transaction.snapshot.without_refusals(change.key.name)


def _of(snapshot: Snapshot, environment: Environment) -> Iterator[Row]:
    """The requests of an environment, sorted."""
    reported = snapshot.reports.get(environment.name)
    if reported is None or not reported.requests:
        return
    grants: dict[str, list[Grant]] = {}
    for grant in sorted(granted(snapshot.estate, environment), key=lambda one: one.owner):
        grants.setdefault(grant.registry, []).append(grant)
    labels = {one.name: one.labels for one in snapshot.estate.capabilities_of(environment).namespaces or ()}
    for request in sorted(reported.requests):
        at = request.namespace
        owner = next(
            (
                one.owner
                for one in grants.get(request.registry, ())
                if at not in SYSTEM_NAMESPACES and one.namespaces.selects(at, labels.get(at))
            ),
            "",
        )
        held = snapshot.refusals.get((environment.name, at, request.name))
        if owner:
            yield Row(environment.name, request, State.GRANTED, owner)
        elif held is not None and held.refusal.about(request):
            yield Row(environment.name, request, State.REFUSED, refusal=held)
        else:
            yield Row(environment.name, request, State.REQUESTED)


def _named(row: Row, namespace: str, name: str) -> bool:
    return (row.request.namespace, row.request.name) == (namespace, name)


def _delivery(request: AccessRequest) -> Delivery:
    """As it is wished for; what is no mode here, an agent must have told otherwise than a cluster can say it."""
    known = request.mode in set(DeliveryMode)
    mode = DeliveryMode(request.mode) if known else DeliveryMode.STANDING
    return Delivery(mode, ServiceAccountSelection(request.accounts) if request.accounts else ServiceAccounts.DEFAULT)


def _spec(row: Row, names: tuple[str, ...], delivery: Delivery) -> dict[str, Any]:
    accounts = delivery.service_accounts
    chosen: Any = str(accounts)
    if isinstance(accounts, ServiceAccountSelection):
        chosen = {"names": list(accounts.names)}
    return {
        "registry": row.request.registry,
        "environment": row.environment,
        "namespaces": {"names": list(names)},
        "delivery": {"mode": str(delivery.mode), "serviceAccounts": chosen},
    }


def _document(
    name: str,
    spec: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    parts = {"labels": dict(labels or {}), "annotations": dict(annotations or {})}
    metadata = {"name": name, **{part: held for part, held in parts.items() if held}}
    return {"apiVersion": "portreeve.io/v1", "kind": "RegistryAccess", "metadata": metadata, "spec": dict(spec)}


def _short(name: str) -> str:
    """A name that is no longer than names may be, and still another one for another."""
    if len(name) <= LONGEST_NAME:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9].rstrip('-.')}-{mark}"


def decided_at(row: Row) -> datetime | None:
    """When it was refused."""
    return row.refusal.at if row.refusal else None
