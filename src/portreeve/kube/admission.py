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

Defaults that the server fills in (empty selectors, `scope: "*"`) are not differences.

Left out: rendering (`core.render`), when to probe, what a probe means.

Needs: get, create, patch and delete of validatingadmissionpolicies and validatingadmissionpolicybindings with the
`resourceNames` of our four objects; for `probe`, create of pods in the namespaces that are probed.

Sources: Kubernetes, "Validating Admission Policy"; kubernetes.md 4.1, 4.5 and 2.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from portreeve.errors import Conflict, Invalid, NotFound, PortreeveError
from portreeve.kube.client import Answered, Client
from portreeve.kube.errors import RefusedByAdmission
from portreeve.kube.objects import OwnedMetadata, Partial
from portreeve.kube.ownership import Ownership, ownership
from portreeve.kube.resources import BINDINGS, PODS, POLICIES, Resource

Manifest = Mapping[str, Any]

ATTEMPTS: Final = 8
"""Of one apply. The cluster writes a policy's status about when the policy is written, which is a conflict."""

RESOURCES: Final = {one.kind: one for one in (POLICIES, BINDINGS)}

_DEFAULTS: Final[Mapping[str, Any]] = {
    "matchPolicy": "Equivalent",
    "failurePolicy": "Fail",
    "scope": "*",
    "reason": "Invalid",
}
"""Values that the server fills in, by field. Source: k8s.io/api/admissionregistration/v1, SetDefaults_*."""


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
class Admitted:
    """The dry run went through; `warned_by` is the binding of ours that warned, "" if none did."""

    warned_by: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The dry run was refused by a policy's binding; both are "" when a webhook refused it."""

    policy: str
    binding: str


@dataclass(frozen=True, slots=True)
class Untold:
    """The dry run failed for another reason, so that it says nothing about the policy. `code` is that of the error."""

    code: str


Said = Admitted | Refused | Untold


@dataclass(frozen=True, slots=True)
class Probe:
    """What the server said to a pod that must be refused, and to one that must not."""

    refused: Said
    allowed: Said


@dataclass(frozen=True, slots=True)
class Observed:
    """An object as it is: `render_digest` as annotated, and the spec without defaults. `compiled` tells whether the
    policy's present generation was looked at by the cluster; `warnings` how many of its expressions it doubts."""

    name: str
    uid: str
    generation: int
    render_digest: str
    ownership: Ownership
    spec: Mapping[str, Any]
    compiled: bool
    warnings: int


class _ExpressionWarning(Partial):
    """One; its text quotes the expression and is not kept."""


class _TypeChecking(Partial):
    expression_warnings: list[_ExpressionWarning] | None = None


class _Status(Partial):
    observed_generation: int = 0
    type_checking: _TypeChecking | None = None


class _Object(Partial):
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
    seen = await _read(client, resource, name)
    if seen is None:
        answer = await client.apply(resource, manifest, _Object)
        return _applied(answer.object.metadata, written=True) if answer.created else Raced(name)
    whose = ownership(seen.metadata, recorded_uid)
    if whose is not Ownership.RECORDED:
        return NotOurs(name, seen.metadata.uid, whose)
    if _holds(seen, manifest):
        return _applied(seen.metadata, written=False)
    return _applied((await _set_back(client, resource, manifest, seen.metadata)).object.metadata, written=True)


async def _set_back(client: Client, resource: Resource, manifest: Manifest, seen: OwnedMetadata) -> Answered[_Object]:
    """Apply by force; then replace the spec if somebody's additions are left in it."""
    conditions = {"uid": seen.uid, "resourceVersion": seen.resource_version}
    bound = {**manifest, "metadata": {**manifest["metadata"], **conditions}}
    answer = await client.unsafe_force_apply(resource, bound, _Object)
    if _holds(answer.object, manifest):
        return answer
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": seen.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": answer.object.metadata.resource_version},
        {"op": "replace", "path": "/spec", "value": manifest["spec"]},
    ]
    try:
        return await client.patch(resource, seen.name, operations, _Object)
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
        seen = await _read(client, resource, name)
        if seen is None:
            return Gone(name, written=False)
        whose = ownership(seen.metadata, recorded_uid)
        if whose is not Ownership.RECORDED:
            return NotOurs(name, seen.metadata.uid, whose)
        with suppress(Conflict, NotFound):
            await client.delete(resource, name, uid=seen.metadata.uid, resource_version=seen.metadata.resource_version)
            return Gone(name, written=True)
    return Raced(name)


async def observe(client: Client, kind: str, name: str, *, recorded_uid: str) -> Observed | None:
    """A policy or a binding as the cluster has it; None if it has none. Raises: as `Client.get`."""
    seen = await _read(client, RESOURCES[kind], name)
    if seen is None:
        return None
    metadata, checked = seen.metadata, seen.status.type_checking
    return Observed(
        metadata.name,
        metadata.uid,
        metadata.generation,
        (metadata.annotations or {}).get("portreeve.io/render-digest", ""),
        ownership(metadata, recorded_uid),
        _plain(seen.spec),
        seen.status.observed_generation == metadata.generation,
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


async def ask(client: Client, namespace: str, image: str, service_account: str) -> Said:
    """What the server says to a pod of one image, as a dry run. Raises: as `probe`."""
    try:
        answer = await client.create(
            PODS, _probing_pod(namespace, image, service_account), _Object, namespace=namespace, dry_run=True
        )
    except RefusedByAdmission as refusal:
        return Refused(refusal.policy, refusal.binding)
    except PortreeveError as error:
        if error.handling.retry:
            raise
        return Untold(error.code)
    return Admitted(_warned_by(answer.warnings))


def _warned_by(warnings: str) -> str:
    """The binding in a warning of ours. Source: k8s.io/apiserver validating/dispatcher.go, its warning's text."""
    marked = "for ValidatingAdmissionPolicy 'portreeve-images' with binding '"
    return warnings.partition(marked)[2].partition("'")[0] if marked in warnings else ""


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


async def _read(client: Client, resource: Resource, name: str) -> _Object | None:
    try:
        return await client.get(resource, name, _Object)
    except NotFound:
        return None


def _applied(metadata: OwnedMetadata, *, written: bool) -> Applied:
    return Applied(metadata.name, metadata.uid, metadata.generation, written)


def _holds(seen: _Object, manifest: Manifest) -> bool:
    labels, annotations = seen.metadata.labels or {}, seen.metadata.annotations or {}
    wanted = manifest["metadata"]
    return (
        labels.items() >= wanted["labels"].items()
        and annotations.items() >= wanted["annotations"].items()
        and bool(_plain(seen.spec) == _plain(manifest["spec"]))
    )


def _plain(value: Any) -> Any:
    """A spec without what the server fills in: empty mappings and lists, and fields at their default."""
    if isinstance(value, Mapping):
        held = {name: _plain(one) for name, one in value.items() if _DEFAULTS.get(name) != one}
        return {name: one for name, one in held.items() if one not in ({}, [])}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
