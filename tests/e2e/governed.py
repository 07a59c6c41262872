"""A namespace set under policy on a real API server, and a way to put one corpus case to it."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from portreeve.core.render import DENY_BINDING
from tests.cases.admission import API, Case, build, existing, pod_spec
from tests.tools.cluster import Cluster, KubeClient, Response, wait_until

DRY_RUN = {"dryRun": "All"}
AUDIT_VALUE_LIMIT = 10 * 1024
"""Bytes of an audit annotation. Source: maxAuditAnnotationValueLength of the apiserver's validating policy plugin."""


@dataclass(frozen=True)
class Answer:
    """What the server said to a case; `audit_id` finds its annotations in the audit log."""

    case: Case
    status: int
    message: str
    warnings: tuple[str, ...]
    audit_id: str


def set_up_namespaces(client: KubeClient, names: Iterable[str]) -> None:
    """Namespaces with their ServiceAccount, each with one object of every kind that runs an old image."""
    for name in names:
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect(201, 409)
        client.wait_for("v1", "ServiceAccount", "default", name)
        for kind in API:
            client.create(existing(kind, name)).expect(201, 409)


def take_down_namespaces(client: KubeClient, names: Iterable[str]) -> None:
    """Take what runs there away: other tests look at everything that runs in the cluster."""
    for name in names:
        for kind in API:
            client.delete(existing(kind, name)).expect(200, 202, 404)


def govern(client: KubeClient, objects: Iterable[dict[str, Any]], namespace: str) -> None:
    """Apply a compiled policy and wait until it bites in `namespace`: a 2xx on apply proves nothing."""
    for obj in objects:
        client.server_side_apply(obj, "portreeve", {"force": "true"}).expect(200, 201)
    await_refusal(client, namespace)


def await_refusal(client: KubeClient, namespace: str, image: str = "probe.invalid/probe") -> Response:
    """Wait until a probe pod is refused by our binding."""
    pod = build("Pod", "probe", namespace, pod_spec({"containers": [image]}))

    def refused() -> Response | None:
        response = client.create(pod, DRY_RUN)
        return response if response.status == 403 and DENY_BINDING in response.message else None

    return wait_until(refused, "the policy to refuse a probe")


def remove(client: KubeClient, objects: Iterable[dict[str, Any]], namespace: str) -> None:
    """Delete bindings first, the policy last, and wait until nothing bites any more: deleted is not yet gone."""
    for obj in reversed(list(objects)):
        client.delete(obj).expect(200, 404)
    pod = build("Pod", "probe", namespace, pod_spec({"containers": ["probe.invalid/probe"]}))
    wait_until(lambda: client.create(pod, DRY_RUN).ok, "the policy to be gone")


def put(client: KubeClient, case: Case, live: dict[tuple[str, str], dict[str, Any]]) -> Answer:
    """Send the case as a dry run. `live` caches the objects that updates start from, by kind and namespace."""
    response = _update(client, case, live) if case.old_object else client.create(case.object, DRY_RUN)
    return Answer(case, response.status, response.message, response.warnings, response.audit_id)


def _update(client: KubeClient, case: Case, live: dict[tuple[str, str], dict[str, Any]]) -> Response:
    """Updates send the live object with the case's images and metadata, as a client that read it first would."""
    api_version = API[case.kind][0]
    name = case.object["metadata"]["name"]
    key = (case.kind, case.namespace)
    if key not in live:
        live[key] = client.get(api_version, case.kind, name, case.namespace).expect(200).body
    obj = copy.deepcopy(live[key])
    obj["metadata"].pop("resourceVersion")
    for field in ("labels", "annotations"):
        if field in case.object["metadata"]:
            obj["metadata"][field] = {**obj["metadata"].get(field, {}), **case.object["metadata"][field]}
    _merge(_spec_of(obj), _spec_of(case.object), case.kind)
    path = client.path(api_version, case.kind, name, case.namespace, case.subresource)
    return client.request("PUT", path, obj, query=DRY_RUN)


def _spec_of(obj: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = obj.get("spec", obj)
    if obj["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if obj["kind"] != "Pod":
        spec = spec["template"]["spec"]
    return spec


def _merge(target: dict[str, Any], source: dict[str, Any], kind: str) -> None:
    if kind != "Pod":
        for place in ("containers", "initContainers", "volumes"):
            if place in source:
                target[place] = source[place]
        return
    for ours, theirs in zip(target["containers"], source["containers"], strict=True):
        ours["image"] = theirs["image"]
    if "ephemeralContainers" in source:
        target["ephemeralContainers"] = source["ephemeralContainers"]


def refused_by_server(cluster: Cluster, answer: Answer) -> str:
    """The images that the policy refused, as its audit annotation says: joined by spaces, "" for none."""
    return cluster.audit_annotations(answer.audit_id).get("portreeve-images/refused", "")


def expected_annotation(case: Case) -> str:
    """What that annotation must be by the corpus."""
    return " ".join(case.refused)[:AUDIT_VALUE_LIMIT]
