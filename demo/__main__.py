"""`make demo`: the main job on real input, then the same on real parts, as far as they can be had.

1. `check` judges manifests within seconds: the published ones beside the repository if they are there (PORTREEVE_DATA
   or ../shared/data), else the small shop in demo/manifests.
2. With progress, a real kube-apiserver is found or built, gets the policy that `render` wrote, and is asked to create
   every pod of those manifests as a dry run. What it refuses must be what `check` denied.
3. `portreeve sandbox` starts a cluster, a registry, a control plane and an agent, and tells what they do together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from demo.story import told
from portreeve.core.admission import pod_spec
from tests.cases.admission import API, build
from tests.e2e.governed import DRY_RUN, await_refusal
from tests.tools.cluster import Cluster, KubeClient
from tests.tools.components import Missing, default_cache, get_kubernetes

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = Path(os.environ.get("PORTREEVE_DATA", ROOT.parent / "shared" / "data")) / "manifests"
OWN = ROOT / "demo" / "manifests"
PROBE_NAMESPACE = "portreeve-demo"


def say(text: str) -> None:
    """A line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", file=sys.stderr, flush=True)


def portreeve(*arguments: str, show: bool = True, codes: tuple[int, ...] = (0, 1, 3)) -> str:
    """Run the installed command; its output is shown, or answered."""
    command = [str(Path(sys.executable).with_name("portreeve")), *([] if show else ["-q"]), *arguments]
    if show:
        print(f"$ portreeve {' '.join(arguments)}", flush=True)
    done = subprocess.run(command, check=False, text=True, stdout=None if show else subprocess.PIPE)
    if done.returncode not in codes:
        sys.exit(f"demo: portreeve {arguments[0]} ended with {done.returncode}")
    return done.stdout or ""


def starter(manifests: Path, directory: Path) -> Path:
    """The policy: written by hand for our own manifests, suggested for others; at stage deny in both cases."""
    if manifests == OWN:
        return ROOT / "demo" / "policy.yaml"
    policy = directory / "starter.yaml"
    policy.write_text(portreeve("suggest", str(manifests), "--stage", "deny", show=False), encoding="utf-8")
    return policy


def workloads(manifests: Path) -> Iterable[dict[str, Any]]:
    """Every object with a pod spec in the folder's YAML files."""
    for path in sorted(manifests.glob("*.yaml")):
        for document in yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader):
            if isinstance(document, dict) and document.get("kind") in API:
                yield document


def images(spec: dict[str, Any]) -> list[str]:
    """The images of a pod spec that `check` would list."""
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    return [container["image"] for container in containers if container.get("image")]


def enforce(client: KubeClient, policy: Path) -> None:
    """Apply what `render` writes and wait until the API server refuses a probe."""
    rendered = portreeve("render", "-p", str(policy), show=False, codes=(0,))
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROBE_NAMESPACE}}).expect(201)
    client.wait_for("v1", "ServiceAccount", "default", PROBE_NAMESPACE)
    for obj in yaml.safe_load_all(rendered):
        client.server_side_apply(obj, "portreeve").expect(200, 201)
        say(f"applied {obj['kind']} {obj['metadata']['name']}")
    await_refusal(client, PROBE_NAMESPACE)


def ask(client: KubeClient, manifests: Path) -> set[tuple[str, str]]:
    """(namespace, image) of every image that the API server refuses, one pod for each image."""
    refused: set[tuple[str, str]] = set()
    ready: set[str] = set()
    asked = 0
    for workload in workloads(manifests):
        namespace = workload["metadata"].get("namespace", "default")
        if namespace not in ready:
            client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).expect(201, 409)
            client.wait_for("v1", "ServiceAccount", "default", namespace)
            ready.add(namespace)
        for image in images(dict(pod_spec(workload))):
            pod = build("Pod", "demo", namespace, {"containers": [{"name": "c", "image": image}]})
            answer = client.create(pod, DRY_RUN).expect(201, 403)
            asked += 1
            if answer.status == 403:
                refused.add((namespace, image))
                say(f"refused by the API server: {answer.message.partition('denied request: ')[2]}")
    say(f"asked for {asked} pods, {len(refused)} images refused")
    return refused


def main() -> int:
    """All three; what needs an API server is left out, and that is said, where none can be had."""
    judge()
    say("now all of Portreeve, with an agent in that cluster")
    return told(say)


def judge() -> None:
    """The first two; the second is left out where no API server can be had."""
    manifests = PUBLISHED if PUBLISHED.is_dir() else OWN
    say(f"judging {manifests.relative_to(manifests.parents[1])}, without a cluster or a network")
    with tempfile.TemporaryDirectory() as directory:
        policy = starter(manifests, Path(directory))
        portreeve("check", str(manifests), "-p", str(policy))
        findings = json.loads(portreeve("check", str(manifests), "-p", str(policy), "-o", "json", show=False))[
            "findings"
        ]
        kinds = set(API)
        denied = {(f["namespace"], f["image"]) for f in findings if f["kind"] in kinds and f["verdict"] == "DENY"}
        say("that was the command line; now the same policy on a real API server (a first build takes minutes)")
        found = get_kubernetes(default_cache(), say)
        if isinstance(found, Missing):
            say(f"left out, because no API server could be had here: {found}")
            return
        with Cluster(found) as cluster, cluster.client() as client:
            say(f"kube-apiserver {cluster.version} is ready on {cluster.url}")
            enforce(client, policy)
            refused = ask(client, manifests)
    if refused != denied:
        sys.exit(f"demo: check and the API server differ: {sorted(refused ^ denied)}")
    say(f"the API server refused exactly the {len(denied)} images that check denied")


STARTED = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
