"""The compiled policy and its bindings in a cluster: applied in order, proved by dry runs, read back.

Theory of operation
-------------------
`apply` writes policy first and bindings last, and only what differs. An object of ours in which somebody has changed
or added something is set back: what another manager has added (a rule that excludes requests, say) is no field of an
apply, so the whole spec is replaced by a JSON Patch that tests UID and version. An object of our name without our marks
is left alone and told.

A 2xx proves nothing: a binding whose policy was refused, or has not been compiled yet, admits everything. `probe` asks
the server with two pods as dry runs, one that must be refused and one that must not, and tells what it said to each.
Which of that is `Enforced` is for the core to say.

Defaults that the server fills in (empty selectors, `scope: "*"`) are not differences (`core.admission_objects`).

Left out: rendering (`core.render`), when to probe, what a probe means.

Needs: get, create, patch and delete of validatingadmissionpolicies and validatingadmissionpolicybindings with the
`resourceNames` of our four objects; for `probe`, create of pods in the namespaces that are probed.

Sources: Kubernetes, "Validating Admission Policy"; kubernetes.md 4.1, 4.5 and 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from portreeve.core.admission_objects import Admitted, Refused, Said, Seen, Untold, holds, without_defaults
from portreeve.core.render import POLICY_NAME
from portreeve.errors import Conflict, Invalid, NotFound, PortreeveError
from portreeve.kube.answers import Answered
from portreeve.kube.client import Client
from portreeve.kube.errors import RefusedByAdmission, generation_in
from portreeve.kube.objects import OwnedMetadata, Partial
from portreeve.kube.ownership import Ownership, ownership
from portreeve.kube.resources import BINDINGS, PODS, POLICIES, Resource

Manifest = Mapping[str, Any]

ATTEMPTS: Final = 8
"""Of one apply. The cluster writes a policy's status about when the policy is written, which is a conflict."""

RESOURCES: Final = {one.kind: one for one in (POLICIES, BINDINGS)}


@dataclass(frozen=True, slots=True)
class Applied:
    """The object is as wanted; `written` tells whether that took a write."""

    name: str
    uid: str
    generation: int
    written: bool


@dataclass(frozen=True, slots=True)
class NotOurs:
    """An object of our name that was left as it is; `ownership` is MARKED or FOREIGN."""

    name: str
    uid: str
    ownership: Ownership


@dataclass(frozen=True, slots=True)
class Raced:
    """Somebody writes again and again, or made it at the same time. Ask again."""

    name: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The object is not there; `written` tells whether it was until now."""

    name: str
    written: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """What the server said to a pod that must be refused, and to one that must not."""

    refused: Said
    allowed: Said


class _ExpressionWarning(Partial):
    """One; its text quotes the expression and is not kept."""


class _TypeChecking(Partial):
    expression_warnings: list[_ExpressionWarning] | None = None


class _Status(Partial):
    observed_generation: int = 0
    type_checking: _TypeChecking | None = None


class AdmissionObject(Partial):
    """A policy or a binding, whole; `seen` says what is of interest."""

    metadata: OwnedMetadata
    spec: dict[str, Any] = msgspec.field(default_factory=dict)
    status: _Status = msgspec.field(default_factory=_Status)


async def apply(
    client: Client, manifests: Sequence[Manifest], *, recorded_uids: Mapping[str, str]
) -> list[Applied | NotOurs | Raced]:
    """Have the cluster hold these, in their order; what is not as wanted ends it, so that no binding precedes its
    policy.

    Args:
        manifests: as `core.render.compile_policy` gives them.
        recorded_uids: name → UID of what we have made.
    Raises:
        As `Client.apply`, but for conflicts.
    """
    outcomes: list[Applied | NotOurs | Raced] = []
    for manifest in manifests:
        uid = recorded_uids.get(manifest["metadata"]["name"], "")
        outcomes.append(await _apply_one(client, manifest, uid))
        if not isinstance(outcomes[-1], Applied):
            break
    return outcomes


async def _apply_one(client: Client, manifest: Manifest, recorded_uid: str) -> Applied | NotOurs | Raced:
    for _ in range(ATTEMPTS):
        with suppress(Conflict):
            return await _try_one(client, manifest, recorded_uid)
    return Raced(manifest["metadata"]["name"])


async def _try_one(client: Client, manifest: Manifest, recorded_uid: str) -> Applied | NotOurs | Raced:
    """Raises: Conflict: `kube_conflict`: it changed between our reading and our writing."""
    resource, name = RESOURCES[manifest["kind"]], manifest["metadata"]["name"]
    held = await _read(client, resource, name)
    if held is None:
        answer = await client.apply(resource, manifest, AdmissionObject)
        return _applied(answer.object.metadata, written=True) if answer.created else Raced(name)
    whose = ownership(held.metadata, recorded_uid)
    if whose is not Ownership.RECORDED:
        return NotOurs(name, held.metadata.uid, whose)
    if holds(seen(held), manifest):
        return _applied(held.metadata, written=False)
    return _applied((await _set_back(client, resource, manifest, held.metadata)).object.metadata, written=True)


async def _set_back(
    client: Client, resource: Resource, manifest: Manifest, found: OwnedMetadata
) -> Answered[AdmissionObject]:
    """Apply by force; then replace the spec if somebody's additions are left in it."""
    conditions = {"uid": found.uid, "resourceVersion": found.resource_version}
    bound = {**manifest, "metadata": {**manifest["metadata"], **conditions}}
    answer = await client.unsafe_force_apply(resource, bound, AdmissionObject)
    if holds(seen(answer.object), manifest):
        return answer
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": found.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": answer.object.metadata.resource_version},
        {"op": "replace", "path": "/spec", "value": manifest["spec"]},
    ]
    try:
        return await client.patch(resource, found.name, operations, AdmissionObject)
    except Invalid as error:
        # The spec was taken a moment ago, so it is a test that did not hold.
        fault = Conflict("kube_conflict", error.message, hint="read it again")
    raise fault


async def remove(client: Client, kind: str, name: str, *, recorded_uid: str) -> Gone | NotOurs | Raced:
    """Take a policy or a binding away, if it is the one that we recorded. Bindings go first, the policy last.

    Raises:
        As `Client.get`.
    """
    resource = RESOURCES[kind]
    for _ in range(ATTEMPTS):
        held = await _read(client, resource, name)
        if held is None:
            return Gone(name, written=False)
        whose = ownership(held.metadata, recorded_uid)
        if whose is not Ownership.RECORDED:
            return NotOurs(name, held.metadata.uid, whose)
        with suppress(Conflict, NotFound):
            await client.delete(resource, name, uid=held.metadata.uid, resource_version=held.metadata.resource_version)
            return Gone(name, written=True)
    return Raced(name)


async def observe(client: Client, kind: str, name: str) -> Seen | None:
    """A policy or a binding as the cluster has it; None if it has none. Raises: as `Client.get`."""
    found = await _read(client, RESOURCES[kind], name)
    return None if found is None else seen(found)


def seen(found: AdmissionObject) -> Seen:
    """Of an object that was read or watched, what a decision needs."""
    metadata, checked = found.metadata, found.status.type_checking
    return Seen(
        metadata.name,
        metadata.uid,
        metadata.resource_version,
        ownership(metadata, "") is not Ownership.FOREIGN,
        without_defaults(found.spec),
        dict(metadata.labels or {}),
        dict(metadata.annotations or {}),
        found.status.observed_generation == metadata.generation,
        len(checked.expression_warnings or ()) if checked else 0,
    )


async def probe(
    client: Client, namespace: str, *, refused: str, allowed: str, service_account: str = "default"
) -> Probe:
    """Ask with two pods as dry runs; nothing is made.

    Args:
        refused, allowed: images that the policy must refuse, and must let through, in this namespace.
        service_account: one that is there, as a pod needs one.
    Raises:
        Unavailable and Throttled, as `Client.create`: the server did not say anything.
    """
    return Probe(
        await ask(client, namespace, refused, service_account), await ask(client, namespace, allowed, service_account)
    )


async def ask(client: Client, namespace: str, image: str, service_account: str = "default") -> Said:
    """What the server says to a pod of this image, as a dry run. Raises: as `probe`."""
    try:
        answer = await client.create(
            PODS, _probing_pod(namespace, image, service_account), AdmissionObject, namespace=namespace, dry_run=True
        )
    except RefusedByAdmission as refusal:
        return Refused(refusal.policy, refusal.binding, refusal.generation)
    except PortreeveError as error:
        if error.handling.retry:
            raise
        return Untold(error.code)
    return _warned(answer.warnings)


def _warned(warnings: str) -> Admitted:
    """Who warned, of us. Source: k8s.io/apiserver validating/dispatcher.go, its warning's text."""
    marked = f"for ValidatingAdmissionPolicy '{POLICY_NAME}' with binding '"
    if marked not in warnings:
        return Admitted()
    told = warnings.partition(marked)[2]
    return Admitted(told.partition("'")[0], generation_in(told))


def _probing_pod(namespace: str, image: str, service_account: str) -> Manifest:
    """As strict as the strictest Pod Security level asks, so that nothing but its image can be refused."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    bounds = {"cpu": "1m", "memory": "1Mi"}  # a quota on either asks every container for it
    container = {
        "name": "probe",
        "image": image,
        "securityContext": security,
        "resources": {"requests": bounds, "limits": bounds},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "portreeve-probe-", "namespace": namespace},
        "spec": {
            "containers": [container],
            "serviceAccountName": service_account,
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
        },
    }


async def _read(client: Client, resource: Resource, name: str) -> AdmissionObject | None:
    try:
        return await client.get(resource, name, AdmissionObject)
    except NotFound:
        return None


def _applied(metadata: OwnedMetadata, *, written: bool) -> Applied:
    return Applied(metadata.name, metadata.uid, metadata.generation, written)
