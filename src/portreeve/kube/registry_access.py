"""The custom resource with which a namespace asks for a registry, as far as an agent reads and writes it.

Its schema is in the chart (deploy/helm/agent/templates/crd.yaml). It bounds every text; what is read is cut once more,
as a cluster may have another schema than ours. The status is applied to the subresource `status`, under our field
manager and with the object's UID as a condition, so that it never lands on another object of the same name.

Left out: what the status says (`core.access_status`).

Sources: Kubernetes, "Custom Resources" (status subresource), "Server-Side Apply"; events.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from portreeve.core.access_requests import MAX_REASON, MOST_ACCOUNTS, AccessRequest
from portreeve.core.reference import shown
from portreeve.errors import PortreeveError
from portreeve.kube.client import Client
from portreeve.kube.objects import Metadata, Partial
from portreeve.kube.resources import Resource

REGISTRY_ACCESSES: Final = Resource("portreeve.io", "v1", "RegistryAccess", "registryaccesses")
NEW_EVENTS: Final = Resource("events.k8s.io", "v1", "Event", "events")

CONTROLLER: Final = "portreeve.io/agent"
MOST_NOTE: Final = 1_000
"""Characters of an Event's note, of which the API takes 1,024 bytes."""


class DeliverySpec(Partial):
    """How the credential should reach the namespace."""

    mode: str = "standing"
    service_accounts: list[str] = msgspec.field(default_factory=list)


class Spec(Partial):
    """What is asked for."""

    registry: str = ""
    delivery: DeliverySpec = msgspec.field(default_factory=DeliverySpec)
    reason: str = ""


class RegistryAccessObject(Partial):
    """One custom resource. The status is kept as it came, so that it can be compared with what is to be said."""

    metadata: Metadata
    spec: Spec = msgspec.field(default_factory=Spec)
    status: dict[str, Any] = msgspec.field(default_factory=dict)

    def request(self) -> AccessRequest:
        """What it asks for."""
        metadata, spec = self.metadata, self.spec
        return AccessRequest(
            metadata.namespace,
            metadata.name,
            metadata.uid,
            metadata.generation,
            _safe(spec.registry, 63),
            _safe(spec.delivery.mode, 64),
            tuple(_safe(name, 253) for name in spec.delivery.service_accounts[:MOST_ACCOUNTS]),
            _safe(spec.reason, MAX_REASON),
        )


async def write_status(client: Client, request: AccessRequest, said: Mapping[str, Any]) -> RegistryAccessObject:
    """Apply a status to the object that was asked with.

    Raises:
        As `Client.apply`. NotFound: it is gone.
    """
    manifest = {
        "apiVersion": REGISTRY_ACCESSES.api_version,
        "kind": REGISTRY_ACCESSES.kind,
        "metadata": {"name": request.name, "namespace": request.namespace, "uid": request.uid},
        "status": dict(said),
    }
    return (await client.apply(REGISTRY_ACCESSES, manifest, RegistryAccessObject, subresource="status")).object


async def tell(client: Client, request: AccessRequest, *, reason: str, note: str, warning: bool, now: datetime) -> None:
    """An Event about the object, which `kubectl describe` shows below it.

    Raises:
        As `Client.create`.
    """
    event = {
        "apiVersion": NEW_EVENTS.api_version,
        "kind": NEW_EVENTS.kind,
        "metadata": {"generateName": f"{request.name[:200]}-", "namespace": request.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "regarding": {
            "apiVersion": REGISTRY_ACCESSES.api_version,
            "kind": REGISTRY_ACCESSES.kind,
            "namespace": request.namespace,
            "name": request.name,
            "uid": request.uid,
        },
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "note": note[:MOST_NOTE],
        "action": "Reconcile",
        "reportingController": CONTROLLER,
        "reportingInstance": CONTROLLER,
    }
    await client.create(NEW_EVENTS, event, RegistryAccessObject, namespace=request.namespace)


def is_absent(error: PortreeveError) -> bool:
    """Whether it says that the cluster does not know the kind."""
    return error.code == "kube_not_found"


def _safe(text: str, limit: int) -> str:
    return text if len(text) <= limit and text.isprintable() else shown(text, limit)[:limit]
