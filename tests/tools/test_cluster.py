"""The test cluster itself: what the other tests take for granted about it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.tools.cluster import DRY_RUN, Cluster, ClusterFailed, KubeClient, wait_until

pytestmark = pytest.mark.slow

POLICY: dict[str, Any] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "tools-images"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [
            {
                "expression": "object.spec.containers.all(c, c.image.startsWith('registry.example.com/'))",
                "messageExpression": "'refused: ' + object.spec.containers[0].image",
            }
        ],
        "auditAnnotations": [{"key": "image", "valueExpression": "string(object.spec.containers[0].image)"}],
    },
}
BINDING: dict[str, Any] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "tools-images"},
    "spec": {
        "policyName": "tools-images",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tools-policy"}}},
    },
}


def namespace(client: KubeClient, name: str) -> str:
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    client.create(obj).expect(201)
    client.wait_for("v1", "ServiceAccount", "default", name)
    return name


def pod(namespace: str, image: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": image}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": namespace}, "spec": spec}


def test_server_reports_the_version_it_was_built_as(kubernetes: Cluster, kube_client: KubeClient) -> None:
    assert kube_client.request("GET", "/version").body["gitVersion"] == kubernetes.version
    assert kubernetes.version.startswith("v1.")


def test_pod_is_admitted_with_the_service_account_of_its_namespace(kube_client: KubeClient) -> None:
    name = namespace(kube_client, "tools-pod")
    created = kube_client.create(pod(name, "nginx"), DRY_RUN).expect(201)
    assert created.body["spec"]["serviceAccountName"] == "default"
    assert kube_client.get("v1", "Pod", "probe", name).status == 404


def test_policy_refuses_and_writes_its_audit_annotation(kubernetes: Cluster, kube_client: KubeClient) -> None:
    name = namespace(kube_client, "tools-policy")
    kube_client.create(POLICY).expect(201)
    kube_client.create(BINDING).expect(201)

    def refused() -> str | None:
        response = kube_client.create(pod(name, "evil.example.net/x"), DRY_RUN)
        return response.message if response.status == 422 else None

    assert "refused: evil.example.net/x" in wait_until(refused, "the policy to take effect")
    allowed = kube_client.create(pod(name, "registry.example.com/x"), DRY_RUN).expect(201)
    assert kubernetes.audit_annotations(allowed.audit_id)["tools-images/image"] == "registry.example.com/x"
    kube_client.delete(BINDING).expect(200)
    kube_client.delete(POLICY).expect(200)


def test_warnings_are_read_from_their_headers(kube_client: KubeClient) -> None:
    name = namespace(kube_client, "tools-warning")
    labels = {"pod-security.kubernetes.io/warn": "restricted"}
    patch = {"metadata": {"labels": labels}}
    path = kube_client.path("v1", "Namespace", name)
    kube_client.request("PATCH", path, patch, "application/merge-patch+json").expect(200)

    def warned() -> tuple[str, ...]:
        # Admission looks at namespaces through a cache that is a moment behind.
        return tuple(kube_client.create(pod(name, "nginx"), DRY_RUN).expect(201).warnings)

    assert wait_until(warned, "a warning about the pod")[0].startswith(
        'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation'
    )


def test_developer_has_an_identity_and_no_rights(kubernetes: Cluster) -> None:
    with kubernetes.client("developer") as client:
        assert client.request("GET", "/api/v1/namespaces/default/secrets").status == 403
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review).expect(201)
    assert answer.body["status"]["userInfo"]["username"] == "developer"


def test_node_may_read_its_own_node_only(kubernetes: Cluster) -> None:
    with kubernetes.client("system:node:worker-1") as client:
        assert client.get("v1", "Node", "worker-1").status == 404
        assert client.get("v1", "Node", "worker-2").status == 403


def test_another_manager_conflicts_and_force_takes_over(kube_client: KubeClient) -> None:
    namespace(kube_client, "tools-apply")
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s", "namespace": "tools-apply"}}
    kube_client.server_side_apply({**settings, "data": {"a": "1"}}, "first").expect(201)
    assert kube_client.server_side_apply({**settings, "data": {"a": "2"}}, "second").status == 409
    taken = kube_client.server_side_apply({**settings, "data": {"a": "2"}}, "second", {"force": "true"})
    assert taken.expect(200).body["data"] == {"a": "2"}


def test_deployment_gets_its_pods_and_a_deleted_namespace_goes_away(kube_client: KubeClient) -> None:
    name = namespace(kube_client, "tools-deploy")
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}}
    kube_client.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": name},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
        }
    ).expect(201)
    pods = kube_client.path("v1", "Pod", namespace=name)
    wait_until(lambda: len(kube_client.request("GET", pods).body["items"]) == 2, "two pods")
    kube_client.request("DELETE", kube_client.path("v1", "Namespace", name)).expect(200)
    wait_until(lambda: kube_client.get("v1", "Namespace", name).status == 404, "the namespace to go", 60)


def test_failed_start_quotes_the_logs_and_leaves_nothing(kubernetes: Cluster, tmp_path: Path) -> None:
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho this is the reason >&2\nexit 3\n")
    broken.chmod(0o755)
    programs = dataclasses.replace(kubernetes.programs, apiserver=broken)
    cluster = Cluster(programs, directory=tmp_path / "cluster")
    with (
        pytest.raises(ClusterFailed, match=r"kube-apiserver ended(?s:.*)exit code 3(?s:.*)this is the reason"),
        cluster,
    ):
        pass
    assert not any(running_in(tmp_path / "cluster"))


def test_servers_die_with_the_process_that_started_them(kubernetes: Cluster, tmp_path: Path) -> None:
    programs = kubernetes.programs
    paths = (programs.apiserver, programs.controller_manager, programs.etcd)
    script = textwrap.dedent(
        f"""
        import os, pathlib, signal
        from tests.tools.cluster import Cluster
        from tests.tools.components import Kubernetes
        programs = Kubernetes(*map(pathlib.Path, {[*map(str, paths)]!r}), version="", ways={{}})
        with Cluster(programs, controllers=(), directory=pathlib.Path({str(tmp_path)!r})):
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    killed = subprocess.run([sys.executable, "-c", script], check=False, cwd=root, env=environment, timeout=300)
    assert killed.returncode == -9
    wait_until(lambda: not any(running_in(tmp_path)), "the servers to end")


def running_in(directory: Path) -> list[str]:
    """The processes that work in a directory."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").resolve() == directory:
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue  # it ended meanwhile
    return found
