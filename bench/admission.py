"""What the compiled policy adds to a dry-run pod create on a real API server, by number of sources.

Every policy is bound to a namespace of its own and all are in force at once. A pair is one create in a namespace that
no binding selects and one in the policy's, the order changing from pair to pair; the pairs of all policies are
interleaved, so that drift of the machine hits all alike. `added` is the difference of the two minima. The naive form
(`sources.exists(s, image.startsWith(s))` over a literal list) is measured beside it.

Run: make bench, or python -m bench.admission [--pairs N]
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from typing import Any

from bench.figures import Figures
from portreeve.core import cel
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import SourcePrefix
from portreeve.core.render import compile_policy
from portreeve.core.sources import resolve
from tests.cases.admission import build, pod_spec
from tests.e2e.governed import DRY_RUN
from tests.tools.cluster import Cluster, KubeClient, wait_until
from tests.tools.components import Missing, default_cache, find_kubernetes

SIZES = (10, 100, 1_000, 1_700)
ADDED_LIMIT_MS = 0.8
GROWTH_LIMIT = 1.5
WARM_UP_ROUNDS = 10
WITHOUT = "bench-without"
LARGE = "bench-map-200x500"
LARGE_LIST = "bench-list-200x500"


def prefixes(count: int) -> list[SourcePrefix]:
    """Sources of about 34 characters on 97 hosts; the last one is the one that the pod uses."""
    return [SourcePrefix(f"registry-{index % 97}.example.com", f"team-{index}") for index in range(count)]


def image_of(count: int) -> str:
    """An image of the last source, the worst case of a list."""
    return f"{prefixes(count)[-1]}/app:1.4"


def compiled(count: int, name: str, namespace: str) -> list[dict[str, Any]]:
    """Our policy under a name of its own, bound to one namespace."""
    sources = tuple(AllowedSource(prefix) for prefix in prefixes(count))
    policy, binding, *_ = compile_policy(resolve(RegistryPolicy("bench", stage=Stage.DENY, sources=sources)))
    return [renamed(policy, name), bound(renamed(binding, name), name, namespace)]


def naive(count: int, name: str, namespace: str) -> list[dict[str, Any]]:
    """The form that everybody writes first."""
    policy, binding = compiled(10, name, namespace)
    listed = "[" + ",".join(cel.literal(prefix.key) for prefix in prefixes(count)) + "]"
    expression = f"object.spec.containers.all(c, {listed}.exists(s, c.image.startsWith(s)))"
    policy["spec"] = {
        "failurePolicy": "Fail",
        "matchConstraints": policy["spec"]["matchConstraints"],
        "validations": [{"expression": expression}],
    }
    return [policy, binding]


def renamed(obj: dict[str, Any], name: str) -> dict[str, Any]:
    """A copy under another name."""
    found = copy.deepcopy(obj)
    found["metadata"]["name"] = name
    return found


def bound(binding: dict[str, Any], policy: str, namespace: str) -> dict[str, Any]:
    """The binding, to `policy` in `namespace` alone."""
    binding["spec"]["policyName"] = policy
    (expression,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    expression |= {"operator": "In", "values": [namespace]}
    return binding


def milliseconds(client: KubeClient, pod: dict[str, Any]) -> float:
    """How long one dry-run create takes, in ms, as the client sees it."""
    start = time.perf_counter()
    response = client.create(pod, DRY_RUN)
    elapsed = (time.perf_counter() - start) * 1000
    response.expect(201)
    return elapsed


def in_force(client: KubeClient, namespace: str) -> bool:
    """Whether the policy of a namespace refuses a probe."""
    return client.create(pod_in(namespace, "probe.invalid/x"), DRY_RUN).status in (403, 422)


def pod_in(namespace: str, *images: str) -> dict[str, Any]:
    """A pod with these images."""
    return build("Pod", "bench", namespace, pod_spec({"containers": list(images)}))


def prepare(client: KubeClient) -> dict[str, dict[str, Any]]:
    """Namespaces and policies; answers namespace → the pod to ask with."""
    pods: dict[str, dict[str, Any]] = {}
    for count in SIZES:
        for kind, make in (("map", compiled), ("list", naive)):
            namespace = f"bench-{kind}-{count}"
            pods[namespace] = pod_in(namespace, image_of(count))
            for obj in make(count, namespace, namespace):
                client.create(obj).expect(201)
    for obj in (*compiled(500, LARGE, LARGE), *naive(500, LARGE_LIST, LARGE_LIST)):
        client.create(obj).expect(201)
    for namespace in (WITHOUT, LARGE, LARGE_LIST, *pods):
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).expect(201)
    for namespace in (WITHOUT, LARGE, LARGE_LIST, *pods):
        client.wait_for("v1", "ServiceAccount", "default", namespace)
        if namespace != WITHOUT:
            wait_until(lambda namespace=namespace: in_force(client, namespace), f"{namespace} to be in force")
    return pods


def measure(client: KubeClient, pods: dict[str, dict[str, Any]], pairs: int) -> dict[str, tuple[float, float]]:
    """Namespace → minima in ms without and with its policy, over `pairs` pairs after some that are not counted."""
    plain = pod_in(WITHOUT, image_of(10))
    best = dict.fromkeys(pods, (float("inf"), float("inf")))
    for round_ in range(pairs + WARM_UP_ROUNDS):
        for namespace, pod in pods.items():
            asked = [plain, pod] if round_ % 2 else [pod, plain]
            took = [milliseconds(client, each) for each in asked]
            without, added = took if round_ % 2 else reversed(took)
            if round_ >= WARM_UP_ROUNDS:
                best[namespace] = (min(best[namespace][0], without), min(best[namespace][1], added))
        if round_ % 50 == 49:
            print(f"  pair {round_ + 1} of {pairs + WARM_UP_ROUNDS}", file=sys.stderr, flush=True)
    return best


def main() -> None:
    """Start a control plane, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=250)
    pairs = parser.parse_args().pairs
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        sys.exit(str(found))
    with Cluster(found) as cluster, cluster.client() as client:
        pods = prepare(client)
        best = measure(client, pods, pairs)
        crowd = [f"{prefix}/app" for prefix in prefixes(500)[-200:]]
        large = min(milliseconds(client, pod_in(LARGE, *crowd)) for _ in range(20))
        large_list = min(milliseconds(client, pod_in(LARGE_LIST, *crowd)) for _ in range(20))
        large_without = min(milliseconds(client, pod_in(WITHOUT, *crowd)) for _ in range(20))
    report(best, large - large_without, large_list - large_without)


def report(best: dict[str, tuple[float, float]], large_ms: float, large_list_ms: float) -> None:
    """Print the figures, the compiled policy's with their limits."""
    figures = Figures()
    figures.show("dry-run pod create without a policy, minimum", min(without for without, _ in best.values()), "ms")
    added = {name: with_policy - without for name, (without, with_policy) in best.items()}
    for count in SIZES:
        limit = ADDED_LIMIT_MS if count == SIZES[-1] else None
        figures.show(f"added by the compiled policy, {count} sources", added[f"bench-map-{count}"], "ms", limit)
    for count in SIZES:
        figures.show(f"added by the naive list, {count} sources", added[f"bench-list-{count}"], "ms")
    growth = {kind: added[f"bench-{kind}-1700"] / added[f"bench-{kind}-10"] for kind in ("map", "list")}
    figures.show("added(1,700) / added(10), compiled", growth["map"], "x", GROWTH_LIMIT)
    figures.show("added(1,700) / added(10), naive", growth["list"], "x")
    figures.show("200 containers x 500 sources: judged, added", large_ms, "ms")
    figures.show("200 containers x 500 sources: naive list, added", large_list_ms, "ms")
    figures.finish()


if __name__ == "__main__":
    main()
