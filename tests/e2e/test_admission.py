"""The compiled policy on a real API server: stages, exemptions, rollouts, tampering, capacity."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, RegistryPolicy, Stage
from portreeve.core.reference import SourcePrefix, parse_prefix
from portreeve.core.render import DENY_BINDING, Manifest, compile_policy
from portreeve.core.sources import resolve
from tests.cases.admission import build, existing, pod_spec
from tests.e2e.governed import DRY_RUN, remove, set_up_namespaces, take_down_namespaces
from tests.tools.cluster import Cluster, KubeClient, Response, wait_until

pytestmark = pytest.mark.slow

NAMESPACE = "shop"
GOOD = "ghcr.io/acme/app"
POLICY = RegistryPolicy(
    "prod-sources",
    stage=Stage.DENY,
    generation=7,
    sources=(
        AllowedSource(parse_prefix("ghcr.io/acme")),
        AllowedSource(parse_prefix("quay.io/shop"), (NAMESPACE,)),
    ),
)


@pytest.fixture(scope="module")
def client(kubernetes: Cluster) -> Iterator[KubeClient]:
    with kubernetes.client() as connected:
        set_up_namespaces(connected, [NAMESPACE])
        yield connected
        take_down_namespaces(connected, [NAMESPACE])


PROBES = count(1)


@pytest.fixture
def govern(client: KubeClient) -> Iterator[Callable[..., None]]:
    """Puts a policy in force and takes it away after the test.

    Every revision gets a generation of its own, and a refusal in an audited probe must name it: the API server takes up
    a changed policy within about a second, and until then the old one would answer.
    """
    applied: list[Manifest] = []

    def apply(policy: RegistryPolicy, exemptions: list[Exemption] | None = None) -> None:
        generation = next(PROBES)
        objects = compile_policy(resolve(replace(policy, generation=generation), exemptions=exemptions or []))
        applied[:] = list(objects)
        for obj in objects:
            client.server_side_apply(obj, "portreeve", {"force": "true"}).expect(200, 201)
        wait_until(lambda: _seen(client, policy.stage, generation), "the new revision to be in force")

    yield apply
    remove(client, applied, NAMESPACE)


def _seen(client: KubeClient, stage: Stage, generation: int) -> bool:
    mark = f"generation {generation})"
    if (
        stage is Stage.AUDIT
    ):  # nothing is told to the client: ask the template binding of the same revision by its absence
        response = client.create(pod("probe.invalid/x"), DRY_RUN)
        return response.ok and not response.warnings
    response = client.create(pod("probe.invalid/x"), DRY_RUN)
    return mark in response.message or any(mark in warning for warning in response.warnings)


def pod(image: str, namespace: str = NAMESPACE, name: str = "probe", **metadata: Any) -> dict[str, Any]:
    return build("Pod", name, namespace, pod_spec({"containers": [image]}), **metadata)


def is_denied(response: Response) -> bool:
    return response.status == 403 and DENY_BINDING in response.message


def test_stages_go_from_silence_over_a_warning_to_refusal(
    kubernetes: Cluster, client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(replace(POLICY, stage=Stage.AUDIT))

    def noticed() -> Response | None:
        response = client.create(pod("evil.io/x"), DRY_RUN).expect(201)
        annotations = kubernetes.audit_annotations(response.audit_id)
        return response if annotations.get("portreeve-images/refused") == "evil.io/x" else None

    assert not wait_until(noticed, "the audited policy to take notice").warnings
    govern(replace(POLICY, stage=Stage.WARN))
    warned = client.create(pod("evil.io/x"), DRY_RUN).expect(201)
    assert any("image evil.io/x not allowed in namespace shop" in warning for warning in warned.warnings)
    govern(replace(POLICY, stage=Stage.DENY))
    assert is_denied(client.create(pod("evil.io/x"), DRY_RUN))


def test_a_deployment_is_warned_of_at_once_and_its_pods_are_refused_with_an_event(
    client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(POLICY)
    deployment = build("Deployment", "web", NAMESPACE, pod_spec({"containers": ["evil.io/web:1"]}))
    deployment["spec"]["replicas"] = 1
    response = client.create(deployment).expect(201)
    try:
        assert any("evil.io/web:1" in warning for warning in response.warnings)
        event = wait_until(lambda: _failed_create(client), "the ReplicaSet's FailedCreate event")
        assert "image evil.io/web:1 not allowed in namespace shop (policy prod-sources" in event
        assert "why: portreeve explain evil.io/web:1 -n shop" in event
    finally:
        client.delete(deployment).expect(200)


def _failed_create(client: KubeClient) -> str | None:
    events = client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/events").expect(200).body["items"]
    return next((e["message"] for e in events if e["reason"] == "FailedCreate" and "evil.io/web" in e["message"]), None)


def test_what_runs_already_can_be_scaled_labelled_and_finished(client: KubeClient, govern: Callable[..., None]) -> None:
    govern(POLICY)
    path = client.path("apps/v1", "Deployment", "old-deployment", NAMESPACE)
    scaled = client.request(
        "PATCH", f"{path}/scale", {"spec": {"replicas": 0}}, "application/merge-patch+json", DRY_RUN
    )
    assert scaled.ok
    labelled = {"metadata": {"labels": {"seen": "yes"}, "finalizers": ["example.com/keep"]}}
    path = client.path("v1", "Pod", "old-pod", NAMESPACE)
    assert client.request("PATCH", path, labelled, "application/merge-patch+json", DRY_RUN).ok


def test_an_image_of_a_static_pod_is_mirrored_by_its_node_and_by_nobody_else(
    kubernetes: Cluster, client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(POLICY)
    node_object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}
    client.create(node_object).expect(201, 409)
    uid = client.get("v1", "Node", "worker-1").expect(200).body["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "worker-1", "uid": uid, "controller": True}
    mirror = pod("evil.io/static", name="static-worker-1", annotations={"kubernetes.io/config.mirror": "abc"})
    mirror["metadata"]["ownerReferences"] = [owner]  # else NodeRestriction refuses it
    mirror["spec"] |= {"nodeName": "worker-1", "automountServiceAccountToken": False}
    path = client.path("v1", "Pod", "", NAMESPACE)
    with kubernetes.client("system:node:worker-1") as node:
        node.request("POST", path, mirror, query=DRY_RUN).expect(201)
    assert is_denied(client.create(mirror, DRY_RUN))
    other = {"Impersonate-User": "somebody", "Impersonate-Group": "system:masters"}
    assert is_denied(client.request("POST", path, mirror, query=DRY_RUN, headers=other))
    client.delete(node_object).expect(200)


def test_system_namespaces_are_audited_never_refused(
    kubernetes: Cluster, client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(POLICY)
    client.wait_for("v1", "ServiceAccount", "default", "kube-system")
    response = client.create(pod("evil.io/x", "kube-system"), DRY_RUN).expect(201)
    assert not response.warnings
    annotations = kubernetes.audit_annotations(response.audit_id)
    assert annotations["portreeve-images/refused"] == "evil.io/x"
    assert "portreeve-images-system" in annotations["validation.policy.admission.k8s.io/validation_failure"]


def test_a_namespace_editor_cannot_label_a_namespace_out_of_the_policy(
    client: KubeClient, govern: Callable[..., None]
) -> None:
    """AD-09: the server writes kubernetes.io/metadata.name back, and no other label is looked at."""
    govern(POLICY)
    labels = {"kubernetes.io/metadata.name": "kube-system", "portreeve.io/exempt": "true", "control-plane": "true"}
    path = client.path("v1", "Namespace", NAMESPACE)
    client.request("PATCH", path, {"metadata": {"labels": labels}}, "application/merge-patch+json").expect(200)
    assert (
        client.get("v1", "Namespace", NAMESPACE).body["metadata"]["labels"]["kubernetes.io/metadata.name"] == NAMESPACE
    )
    assert is_denied(client.create(pod("evil.io/x"), DRY_RUN))


def exemption(**fields: Any) -> Exemption:
    base: dict[str, Any] = {
        "name": "redis", "policy": "prod-sources", "state": ExemptionState.ACTIVE,
        "prefix": parse_prefix("evil.io/redis"),
        "expires_at": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1),
    }  # fmt: skip
    return Exemption(**{**base, **fields})


def test_an_exemption_holds_on_create_until_the_server_s_clock_passes_it(
    client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(POLICY, [exemption()])
    assert client.create(pod("evil.io/redis:7"), DRY_RUN).ok
    assert client.server_side_apply(pod("evil.io/redis:7"), "somebody", DRY_RUN).ok
    assert is_denied(client.create(pod("evil.io/redis-evil:7"), DRY_RUN))
    assert is_denied(client.create(pod("evil.io/other"), DRY_RUN))
    govern(POLICY, [exemption(expires_at=datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5))])
    assert is_denied(client.create(pod("evil.io/redis:7"), DRY_RUN))


def test_a_creation_time_that_the_client_sends_does_not_stretch_an_exemption(
    client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(POLICY, [exemption(expires_at=datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5))])
    assert is_denied(client.create(pod("evil.io/redis:7", creationTimestamp="2020-01-01T00:00:00Z"), DRY_RUN))
    with_deletion = pod("evil.io/redis:7", deletionTimestamp="2020-01-01T00:00:00Z")
    assert not client.create(with_deletion, DRY_RUN).ok


def test_an_exemption_does_not_cover_what_an_update_adds(client: KubeClient, govern: Callable[..., None]) -> None:
    govern(POLICY, [exemption()])
    live = client.get("v1", "Pod", "old-pod", NAMESPACE).expect(200).body
    changed = copy.deepcopy(live)
    changed["spec"]["containers"][0]["image"] = "evil.io/redis:7"
    assert is_denied(client.request("PUT", client.path("v1", "Pod", "old-pod", NAMESPACE), changed, query=DRY_RUN))


def test_an_exemption_keeps_to_its_namespaces_and_its_digest(client: KubeClient, govern: Callable[..., None]) -> None:
    digest = "sha256:" + "ab" * 32
    govern(
        POLICY,
        [
            exemption(namespaces=("elsewhere",)),
            exemption(name="by-digest", prefix=None, digest=digest, namespaces=(NAMESPACE,)),
        ],
    )
    assert is_denied(client.create(pod("evil.io/redis:7"), DRY_RUN))
    assert client.create(pod(f"evil.io/any@{digest}"), DRY_RUN).ok
    assert is_denied(client.create(pod("evil.io/any@sha256:" + "cd" * 32), DRY_RUN))


def fleet(amount: int) -> tuple[AllowedSource, ...]:
    return tuple(
        AllowedSource(SourcePrefix(f"registry-{index % 97}.example.com", f"team-{index}/project"))
        for index in range(amount)
    )


def test_two_hundred_containers_and_five_hundred_sources_are_judged_not_refused_for_cost(
    client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(replace(POLICY, sources=(*POLICY.sources, *fleet(500))))
    good = [f"registry-{index % 97}.example.com/team-{index}/project/app" for index in range(200)]
    large = build("Pod", "large", NAMESPACE, pod_spec({"containers": good}))
    assert client.create(large, DRY_RUN).expect(201).ok
    large["spec"]["containers"][150]["image"] = "evil.io/x"
    refused = client.create(large, DRY_RUN)
    assert is_denied(refused)
    assert "image evil.io/x not allowed" in refused.message


def test_the_largest_policy_that_compiles_is_accepted_and_enforced(
    client: KubeClient, govern: Callable[..., None]
) -> None:
    govern(replace(POLICY, sources=(*POLICY.sources, *fleet(18_000))))
    assert client.create(pod("registry-1.example.com/team-1/project/x"), DRY_RUN).ok
    assert client.create(pod("registry-54.example.com/team-17999/project"), DRY_RUN).ok
    assert is_denied(client.create(pod("registry-1.example.com/team-2/project/x"), DRY_RUN))


def test_no_pod_spec_property_names_an_image_that_is_not_judged(client: KubeClient) -> None:
    """AD-02: a new Kubernetes minor may add a place. Walks the server's own schema from PodSpec."""
    schemas = client.request("GET", "/openapi/v3/api/v1").expect(200).body["components"]["schemas"]
    found: set[str] = set()
    seen: set[str] = set()

    def walk(name: str, path: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for key, value in schemas[name].get("properties", {}).items():
            here = f"{path}.{key}"
            if key.lower() in {"image", "reference", "images", "imageref"} or "image" in key.lower():
                found.add(here)
            for ref in _refs(value):
                walk(ref, here)

    walk("io.k8s.api.core.v1.PodSpec", "spec")
    assert found == {
        "spec.containers.image",
        "spec.containers.imagePullPolicy",
        "spec.ephemeralContainers.image",
        "spec.ephemeralContainers.imagePullPolicy",
        "spec.imagePullSecrets",
        "spec.volumes.image",
        "spec.volumes.image.reference",
        "spec.volumes.rbd.image",  # a block device of Ceph, no container image
    }


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


def test_existing_objects_of_the_fixture_are_refused_today(client: KubeClient, govern: Callable[..., None]) -> None:
    """Else grandfathering would be tested with images that nothing refuses."""
    govern(POLICY)
    fresh = existing("Pod", NAMESPACE)
    fresh["metadata"]["name"] = "fresh"
    assert is_denied(client.create(fresh, DRY_RUN))
