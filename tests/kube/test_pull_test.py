"""A pull test on a real API server. There are no nodes: the test is scheduler and kubelet, in recorded words."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.pull_failure import Cause
from portreeve.core.pull_test import NAME_PREFIX, Outcome, Pull, pod
from portreeve.errors import Denied
from portreeve.kube.client import Client, Selection
from portreeve.kube.objects import Pod
from portreeve.kube.pull_test import pull_test
from portreeve.kube.resources import PODS
from tests.cli.program import LOOPBACK_GUARD, PROGRAM, Program
from tests.fakes import kubelet
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient, wait_until

pytestmark = pytest.mark.slow

IMAGE = "harbor.example.com/shop/api:1.4"
NAMES = {"image": IMAGE, "host": "harbor.example.com", "path": "shop/api"}
DIGEST = f"sha256:{'a1' * 32}"
MERGE = "application/merge-patch+json"


class Kubelet:
    """Writes what a scheduler and a kubelet write of the one pod of a namespace."""

    def __init__(self, kube: KubeClient, namespace: str) -> None:
        self.kube, self.namespace = kube, namespace
        self.pod: dict[str, Any] = {}

    def pods(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.kube.request("GET", self.kube.path("v1", "Pod", "", self.namespace)).body[
            "items"
        ]
        return listed

    def bind(self) -> None:
        self.pod = self.pods()[0]
        name = self.pod["metadata"]["name"]
        binding = {
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "worker-1"},
        }  # fmt: skip
        path = self.kube.path("v1", "Pod", name, self.namespace, "binding")
        self.kube.request("POST", path, binding).expect(201)
        self.event("Scheduled", f"Successfully assigned {self.namespace}/{name} to worker-1")

    def event(self, reason: str, message: str) -> None:
        metadata = self.pod["metadata"]
        about = {"kind": "Pod", "namespace": self.namespace, "name": metadata["name"], "uid": metadata["uid"]}
        event = {
            "apiVersion": "v1", "kind": "Event", "involvedObject": about, "reason": reason,
            "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(4)}", "namespace": self.namespace},
            "message": message[:1024], "firstTimestamp": "2026-11-28T12:00:00Z", "type": "Normal",
        }  # fmt: skip
        self.kube.create(event).expect(201)

    def status(self, state: dict[str, Any], image_id: str = "", phase: str = "Pending") -> None:
        status = {
            "name": "pull", "image": IMAGE, "imageID": image_id, "ready": False, "restartCount": 0, "state": state,
        }  # fmt: skip
        path = self.kube.path("v1", "Pod", self.pod["metadata"]["name"], self.namespace, "status")
        self.kube.request("PATCH", path, {"status": {"phase": phase, "containerStatuses": [status]}}, MERGE).expect(200)


@pytest.fixture
def strict(kube_client: KubeClient, namespace: str) -> str:
    """A namespace that takes nothing but what conforms to the level restricted."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = kube_client.path("v1", "Namespace", namespace)
    kube_client.request("PATCH", path, {"metadata": {"labels": labels}}, MERGE).expect(200)
    return namespace


@pytest.fixture
def node(kube_client: KubeClient, strict: str) -> Kubelet:
    return Kubelet(kube_client, strict)


async def outcome_of(client: Client, namespace: str, played: Callable[[], None] | None, within_s: float = 30) -> Pull:
    """The verdict, with what was said; `played` is what happens once the pod is there."""
    said: list[str] = []
    manifest = pod(IMAGE, namespace, suffix=secrets.token_hex(4), service_account="default", timeout_s=60)
    testing = asyncio.create_task(pull_test(client, manifest, timeout_s=within_s, say=said.append, warn=said.append))
    while played is not None and not testing.done():
        if await client.list(PODS, Pod, Selection(namespace)):
            played()
            played = None
        await asyncio.sleep(0.05)
    found = await testing
    assert not any("left behind" in line for line in said), said
    return found


async def test_a_pull_is_followed_to_its_digest_and_the_pod_is_taken_away(client: Client, node: Kubelet) -> None:
    def played() -> None:
        node.bind()
        node.event("Pulling", f'Pulling image "{IMAGE}"')
        node.event("Pulled", kubelet.PULLED.format(**NAMES))
        node.status({"terminated": {"exitCode": 0}}, f"harbor.example.com/shop/api@{DIGEST}", "Succeeded")

    found = await outcome_of(client, node.namespace, played)
    assert (found.outcome, found.digest, found.node, found.size_bytes) == (
        Outcome.PULLED, DIGEST, "worker-1", 192_385_289
    )  # fmt: skip
    assert node.pods() == []
    spec = node.pod["spec"]
    assert (spec["containers"][0]["imagePullPolicy"], spec["serviceAccountName"]) == ("Always", "default")
    assert "volumes" not in spec


async def test_a_failed_pull_has_the_cause_that_the_kubelet_gave(client: Client, node: Kubelet) -> None:
    def played() -> None:
        node.bind()
        node.event("Pulling", f'Pulling image "{IMAGE}"')
        node.status({"waiting": {"reason": "ErrImagePull", "message": kubelet.CERTIFICATE.format(**NAMES)}})

    found = await outcome_of(client, node.namespace, played)
    assert (found.outcome, found.cause, found.node) == (Outcome.FAILED, Cause.CERTIFICATE, "worker-1")
    assert node.pods() == []


async def test_a_pod_that_no_node_takes_is_unknown_when_the_time_is_over(client: Client, node: Kubelet) -> None:
    def played() -> None:
        node.pod = node.pods()[0]
        node.event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.")

    found = await outcome_of(client, node.namespace, played, within_s=1.5)
    assert (found.outcome, "0/1 nodes are available" in found.sentence) == (Outcome.UNKNOWN, True)
    assert node.pods() == []


async def test_a_pod_that_somebody_deletes_ends_the_test(client: Client, node: Kubelet) -> None:
    def played() -> None:
        node.kube.delete(node.pods()[0] | {"apiVersion": "v1", "kind": "Pod"}).expect(200)

    found = await outcome_of(client, node.namespace, played)
    assert (found.outcome, "somebody deleted the pod" in found.sentence) == (Outcome.UNKNOWN, True)


async def test_a_caller_who_is_cancelled_leaves_no_pod(client: Client, node: Kubelet) -> None:
    manifest = pod(IMAGE, node.namespace, suffix="cancelled", service_account="default", timeout_s=60)
    testing = asyncio.create_task(pull_test(client, manifest, timeout_s=60, say=lambda _: None, warn=lambda _: None))
    await asyncio.to_thread(wait_until, node.pods, "the pod")
    testing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await testing
    assert node.pods() == []


async def test_what_admission_refuses_is_a_verdict_and_a_missing_account_an_error(
    client: Client, node: Kubelet, kube_client: KubeClient
) -> None:
    name = f"refuse-{secrets.token_hex(4)}"
    group = {"apiVersion": "admissionregistration.k8s.io/v1"}
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": node.namespace}}}
    policy = group | {
        "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "false"}]},
    }  # fmt: skip
    binding = group | {
        "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": only},
    }  # fmt: skip
    for obj in (policy, binding):
        kube_client.create(obj).expect(201)
    try:
        refused = pod(IMAGE, node.namespace, suffix="dry", service_account="default", timeout_s=60)
        wait_until(lambda: kube_client.create(refused, {"dryRun": "All"}).status == 422, "the policy to be in force")
        found = await outcome_of(client, node.namespace, None)
    finally:
        for obj in (binding, policy):
            kube_client.delete(obj)
    assert (found.outcome, name in found.sentence) == (Outcome.REFUSED, True)
    manifest = pod(IMAGE, node.namespace, suffix="1", service_account="nobody", timeout_s=60)
    with pytest.raises(Denied):
        await pull_test(client, manifest, timeout_s=5, say=lambda _: None, warn=lambda _: None)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_program_takes_its_pod_away_when_it_is_stopped(
    stop: signal.Signals, kubernetes: Cluster, node: Kubelet, tmp_path: Path
) -> None:
    program = Program(tmp_path, guarded_by=LOOPBACK_GUARD)
    started = subprocess.Popen(
        [PROGRAM, "pulltest", IMAGE, "-n", node.namespace],
        env=program.environment(KUBECONFIG=str(kubernetes.kubeconfig)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(node.pods, "the pod")
        node.bind()
        os.kill(started.pid, stop)
        out, err = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, out) == (130, "")
    assert f"pod {NAME_PREFIX}" in err
    assert node.pods() == []
    assert "Traceback" not in err
