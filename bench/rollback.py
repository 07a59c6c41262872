"""How long a pod that is refused goes on being refused once its policy is rolled back.

Run: python -m bench.rollback [ROUNDS]

A real agent as a process, between a real control plane over TLS and a real API server. Each round moves the policy to
deny, waits until the agent has proved that it refuses, sends the one request of a rollback, and tries a dry run of the
refused pod again and again; the figure is from before that request until the first that is admitted. Limit: the
acceptance table of interfaces.md, row 12.

Left out: a cluster with several API servers, each of which takes up a change by itself.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.figures import Figures
from tests.agent.governed import Governed, governed, until
from tests.tools.cluster import Cluster
from tests.tools.components import Missing, default_cache, find_kubernetes

ROUNDS = 20
LIMIT_S = 10.0
PODS = "/api/v1/namespaces/default/pods"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "evil", "namespace": "default"},
    "spec": {"containers": [{"name": "main", "image": "r.example.com/team-evil/api:1"}]},
}


def admitted(scene: Governed) -> bool:
    return scene.kube.request("POST", PODS, POD, query={"dryRun": "All"}).status == 201


def moved(scene: Governed, stage: str) -> None:
    """Forward, whatever holds it: the other environment of the group has no agent."""
    scene.confirmed("POST", "policies/p/stage", json={"stage": stage, "force": True, "reason": "a benchmark"})


def rounds(scene: Governed, count: int) -> list[float]:
    """Seconds of each."""
    found = []
    for _ in range(count):
        moved(scene, "deny")
        until(lambda: scene.reason("Enforced") == "PolicyEnforced" and not admitted(scene), "refused")
        etag = scene.ask("GET", "policies/p")["status"]["etag"]
        begun = time.perf_counter()
        scene.ask("POST", "policies/p/stage", json={"stage": "audit"}, headers={"If-Match": etag})
        until(lambda: admitted(scene), "admitted")
        found.append(time.perf_counter() - begun)
        until(lambda: scene.reason("Enforced") == "PolicyAuditing", "told")
    return found


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        sys.exit(f"rollback: {found}")
    figures = Figures()
    with (
        Cluster(found) as cluster,
        tempfile.TemporaryDirectory() as directory,
        governed(cluster, Path(directory)) as scene,
    ):
        scene.registry("a-password-of-the-benchmark")
        scene.grant("default")
        scene.policy("audit")
        times = rounds(scene, count)
    figures.show(f"rolled back, median of {count}", median(times), "s")
    figures.show(f"rolled back, worst of {count}", max(times), "s", LIMIT_S)
    figures.finish()


if __name__ == "__main__":
    main()
