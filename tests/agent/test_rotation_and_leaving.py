"""The whole way once more: a rotation that overlaps, and an environment that leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.governed import Governed, governed, until
from tests.kube.conftest import namespace
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

pytestmark = pytest.mark.slow

OLD, NEW = "rotated-canary-1848", "rotated-canary-2949"


@pytest.fixture
def scene(kubernetes: Cluster, tmp_path: Path) -> Iterator[Governed]:
    with governed(kubernetes, tmp_path) as found:
        yield found


def admission(scene: Governed) -> list[str]:
    """What of ours judges in the cluster."""
    base = "/apis/admissionregistration.k8s.io/v1"
    return [
        one["metadata"]["name"]
        for plural in ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
        for one in scene.kube.request("GET", f"{base}/{plural}").body["items"]
        if one["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "portreeve"
    ]


def test_both_versions_are_there_until_the_cluster_has_confirmed(scene: Governed, namespace: str) -> None:
    server = scene.served.plane.server
    # So that the test sees what lies between: its sweep runs when the test says so.
    scene.served.run(server.rotations.stop())
    scene.registry(OLD)
    scene.grant(namespace)
    until(lambda: scene.holds(namespace, OLD), "delivered")
    before = scene.secret(namespace)
    scene.rotate(NEW)
    until(lambda: scene.holds(namespace, NEW), "rotated")
    assert scene.holds(namespace, OLD)
    until(lambda: scene.served.run(server.rotations.sweep()), "confirmed")
    until(lambda: not scene.holds(namespace, OLD), "the old one removed")
    after = scene.secret(namespace)
    assert scene.holds(namespace, NEW)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    told = scene.ask("GET", "registries/r/rotation")
    assert (told["overlap"], told["done"]) == (None, True)


def test_an_environment_that_leaves_takes_everything_of_ours_and_nothing_else(scene: Governed, namespace: str) -> None:
    kube = scene.kube
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "namespace": namespace}}
    kube.create({**theirs, "stringData": {"a": "b"}}).expect(201)
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    mine = {"imagePullSecrets": [{"name": "theirs"}]}
    kube.request("PATCH", account, mine, "application/merge-patch+json").expect(200)

    def entries() -> list[str]:
        return [one["name"] for one in kube.request("GET", account).body.get("imagePullSecrets", [])]

    scene.registry(OLD)
    scene.grant(namespace)
    until(lambda: scene.holds(namespace, OLD), "delivered")
    until(lambda: entries() == ["theirs", "portreeve-pull"], "attached")
    until(lambda: scene.conditions().get("Delivered") == "True", "told")
    scene.policy("audit")
    until(lambda: scene.reason("Enforced") == "PolicyAuditing", "audited")
    assert admission(scene)

    # It is away while it is deleted, and stays visible.
    scene.agent.kill()
    proposal: dict[str, Any] = {
        "delete": [{"kind": "RegistryAccess", "name": "a"}, {"kind": "Environment", "name": "prod"}]
    }
    plan = scene.ask("POST", "plans", json=proposal)
    assert "environment_leaves" in {one["code"] for one in plan["warnings"]}
    scene.ask("POST", f"plans/{plan['id']}/confirm")
    assert scene.status()["phase"] == "Leaving"
    assert scene.secret(namespace) is not None

    scene.agent.start()
    gone = "/api/v1/environments/prod"
    until(lambda: scene.served.run(scene.admin.get(gone)).status_code == 404, "gone")
    assert scene.secret(namespace) is None
    assert entries() == ["theirs"]
    assert admission(scene) == []
    kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/theirs").expect(200)
    until(lambda: "agent_refused" in scene.agent.log.read_text(), "refused afterwards")
