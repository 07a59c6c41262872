"""From audit to deny and back, the whole way: a workload holds it, and what was refused passes within seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.governed import Governed, governed, until
from tests.kube.conftest import namespace
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

pytestmark = pytest.mark.slow

MOVES = "policies/p/stage"
NOW = {"quietSeconds": 0}
"""Nobody can wait for a week here; tests/server/agents/test_stages.py moves its clock."""


@pytest.fixture
def scene(kubernetes: Cluster, tmp_path: Path) -> Iterator[Governed]:
    with governed(kubernetes, tmp_path) as found:
        yield found


def evil(namespace: str, kind: str = "Pod") -> dict[str, Any]:
    """What the policy does not allow: a pod, or a Deployment of one."""
    metadata = {"name": "evil", "namespace": namespace}
    pod = {"containers": [{"name": "main", "image": "r.example.com/team-evil/api:1"}]}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}
    labels = {"app": "evil"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def rollout(scene: Governed, stage: str) -> Any:
    return scene.ask("GET", f"policies/p/rollout?stage={stage}&quietSeconds=0")


def test_a_workload_holds_it_and_what_was_refused_passes_within_seconds(scene: Governed, namespace: str) -> None:
    scene.registry("stage-canary-1")
    scene.grant(namespace)
    scene.served.run(_without_west(scene))
    workload = evil(namespace, "Deployment")
    scene.kube.create(workload).expect(201)
    scene.policy("audit")
    until(lambda: [one["code"] for one in rollout(scene, "deny")["holds"]] == ["stage_violations"], "seen")
    preview = scene.ask("POST", f"{MOVES}?dryRun=All", json={"stage": "deny", **NOW})
    headers = {"Portreeve-Plan": preview["digest"]}
    path = f"/api/v1/{MOVES}"
    refused = scene.served.run(scene.admin.post(path, json={"stage": "deny", **NOW}, headers=headers))
    assert (refused.status_code, refused.json()["code"]) == (409, "stage_held")
    (problem,) = refused.json()["errors"]
    assert f"Deployment/evil in {namespace} (r.example.com/team-evil/api:1)" in problem["message"]

    scene.kube.request("DELETE", f"/apis/apps/v1/namespaces/{namespace}/deployments/evil").expect(200)
    until(lambda: not rollout(scene, "deny")["held"], lambda: f"free: {rollout(scene, 'deny')['holds']}")
    scene.confirmed("POST", MOVES, json={"stage": "deny", **NOW})
    until(lambda: scene.reason("Enforced") == "PolicyEnforced", "enforced")
    pods = f"/api/v1/namespaces/{namespace}/pods"

    def dry_run() -> int:
        return scene.kube.request("POST", pods, evil(namespace), query={"dryRun": "All"}).status

    assert dry_run() == 403
    etag = scene.ask("GET", "policies/p")["status"]["etag"]
    begun = time.perf_counter()
    scene.ask("POST", MOVES, json={"stage": "audit"}, headers={"If-Match": etag})
    until(lambda: dry_run() == 201, "a pod that was refused passes")
    print(f"from the command to the first pod that passes: {time.perf_counter() - begun:.2f} s (limit 10 s)")
    until(lambda: scene.reason("Enforced") == "PolicyAuditing", "told")


async def _without_west(scene: Governed) -> None:
    """The other environment of the group has no agent, and would hold every promotion."""
    preview = await scene.admin.delete("/api/v1/environments/west?dryRun=All")
    headers = {"Portreeve-Plan": preview.headers["Portreeve-Plan"]}
    assert (await scene.admin.delete("/api/v1/environments/west", headers=headers)).status_code == 204
