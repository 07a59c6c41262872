"""The whole way: control plane, channel, agent, API server. What a person does at one end is seen at the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.governed import Governed, governed, until
from tests.kube.conftest import namespace
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(kubernetes: Cluster, tmp_path: Path) -> Iterator[Governed]:
    with governed(kubernetes, tmp_path) as found:
        yield found


def test_a_pod_gets_the_secret_without_naming_it_and_nothing_is_left_behind(scene: Governed, namespace: str) -> None:
    """The story of the issue: granted, used by a plain pod, rotated, killed, cut off, taken back, converged."""
    kube = scene.kube
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "theirs", "namespace": namespace},
            "stringData": {"a": "b"},
        }
    ).expect(201)
    mine = {"imagePullSecrets": [{"name": "theirs"}]}
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    kube.request("PATCH", account, mine, "application/merge-patch+json").expect(200)

    scene.registry("first-canary-4711")
    scene.grant(namespace)
    until(lambda: scene.holds(namespace, "first-canary-4711"), "delivered")
    until(lambda: len(kube.request("GET", account).body["imagePullSecrets"]) == 2, "attached")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain", "namespace": namespace}}
    pod["spec"] = {"containers": [{"name": "main", "image": "r.example.com/team/api:1"}]}
    made = kube.create(pod).expect(201).body
    assert [one["name"] for one in made["spec"]["imagePullSecrets"]] == ["theirs", "portreeve-pull"]
    until(lambda: scene.conditions().get("Delivered") == "True", "told")

    # The policy, from audit to deny: what the cluster refuses is what a look-alike tries.
    scene.policy("audit")
    until(lambda: scene.reason("Enforced") == "PolicyAuditing", "audited")
    evil = {**pod, "metadata": {"name": "evil", "namespace": namespace}}
    evil["spec"] = {"containers": [{"name": "main", "image": "r.example.com/team-evil/api:1"}]}
    dry = {"dryRun": "All"}
    path = f"/api/v1/namespaces/{namespace}/pods"
    kube.request("POST", path, evil, query=dry).expect(201)
    scene.policy("deny")
    until(lambda: scene.reason("Enforced") == "PolicyEnforced", "enforced")
    refused = kube.request("POST", path, evil, query=dry).expect(422, 403)
    assert "r.example.com/team-evil/api:1 not allowed" in refused.message
    kube.request("POST", path, {**pod, "metadata": {"name": "good", "namespace": namespace}}, query=dry).expect(201)

    # Killed and rotated meanwhile: the next start finds out, and the Secret stays the same object.
    before = scene.secret(namespace)
    scene.agent.kill()
    scene.rotate("second-canary-0815")
    scene.agent.start()
    until(lambda: scene.holds(namespace, "second-canary-0815"), "rotated")
    after = scene.secret(namespace)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    until(lambda: scene.conditions().get("Delivered") == "True", "told again")

    # Cut off while the registry is deleted; it hears of that when it is back.
    scene.agent.kill()
    scene.confirmed("DELETE", "policies/p")
    scene.confirmed("DELETE", "access/a")
    scene.confirmed("DELETE", "registries/r")
    assert scene.secret(namespace) is not None
    scene.agent.start()
    until(lambda: scene.secret(namespace) is None, "removed")
    until(lambda: [one["name"] for one in kube.request("GET", account).body["imagePullSecrets"]] == ["theirs"])
    kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/theirs").expect(200)
    ours = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/portreeve-images"
    until(lambda: kube.request("GET", ours).status == 404, "the policy is gone")
    until(lambda: scene.reason("Enforced") == "PolicyOff", "told")
    assert scene.agent.stop() == 0
    log = scene.agent.log.read_text()
    for password in scene.passwords:
        assert password not in log
    assert "Traceback" not in log, log
