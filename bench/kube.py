"""What a pod costs the agent: memory as it is kept, CPU as it is listed and as it changes, from a real API server.

3,000 pods of about 12 KB each (four containers, statuses, managed fields) are made by a process of its own, then listed
and watched through the reflector while each of them changes once. Nodes do not exist, so nothing runs. The peer of the
same run is the standard library, which reads the same pods into dictionaries: that alone, without connection and TLS,
must cost more than all of ours.

The process's own CPU time is counted, TLS included; changes come one by one, so that each pays for waking up. Memory is
what the process has grown by, with the buffers that a list leaves behind; each figure comes from a process of its own.

Run: make bench, or python -m bench.kube
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bench.figures import Figures
from portreeve.kube.client import METADATA_LIST, Client, Selection
from portreeve.kube.kubeconfig import connection, find
from portreeve.kube.objects import Meta, Pod
from portreeve.kube.reflector import Added, Modified, Reflector, Synced
from portreeve.kube.resources import PODS
from tests.tools.cluster import Cluster, KubeClient
from tests.tools.components import Missing, default_cache, find_kubernetes

T = TypeVar("T")

Files = tuple[Path, Path, Path]
"""The cluster's authority, the administrator's certificate, its key."""

COUNT = 3_000
WRITERS = 4
NAMESPACE = "bench"
MEMORY_LIMIT_BYTES = 5_000
"""Issue 5, figures: at most 5 KB a pod."""
IMAGES = [f"registry.example.com/team-{number % 20}/service-{number}:1.{number}" for number in range(60)]


def pod(number: int) -> dict[str, Any]:
    containers = [
        {
            "name": name,
            "image": IMAGES[(number + index) % len(IMAGES)],
            "args": [f"--listen=:{8000 + index}", "--log=json"],
            "env": [{"name": f"SETTING_{each}", "value": f"value-{each}"} for each in range(10)],
            "ports": [{"containerPort": 8000 + index}],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000 + index}},
        }
        for index, name in enumerate(("app", "proxy", "metrics"))
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"service-{number}",
            "namespace": NAMESPACE,
            "labels": {"app": f"service-{number % 60}", "pod-template-hash": "5d4f8c7b9"},
            "annotations": {"prometheus.io/scrape": "true", "checksum/config": f"{number:064x}"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"service-{number % 60}-5d4f8c7b9",
                    "uid": f"00000000-0000-0000-0000-{number % 60:012}",
                    "controller": True,
                }
            ],
        },
        "spec": {
            "nodeName": f"node-{number % 50}",
            "initContainers": [{"name": "init", "image": IMAGES[number % len(IMAGES)]}],
            "containers": containers,
            "imagePullSecrets": [{"name": "portreeve-pull"}],
        },
    }


def status(number: int) -> dict[str, Any]:
    def one(name: str, index: int) -> dict[str, Any]:
        image = IMAGES[(number + index) % len(IMAGES)]
        digest = f"{(number + index) % len(IMAGES):064x}"
        return {
            "name": name,
            "image": image,
            "imageID": f"{image.rpartition(':')[0]}@sha256:{digest}",
            "containerID": f"containerd://{number:064x}",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": "2026-11-28T00:00:00Z"}},
        }

    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": "2026-11-28T00:00:00Z"}
        for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    containers = [one(name, index) for index, name in enumerate(("app", "proxy", "metrics"))]
    return {"status": {"phase": "Running", "conditions": conditions, "containerStatuses": containers}}


def make(client: KubeClient, number: int) -> None:
    client.create(pod(number)).expect(201)
    path = client.path("v1", "Pod", f"service-{number}", NAMESPACE, "status")
    client.request("PATCH", path, status(number), "application/merge-patch+json").expect(200)


def change(client: KubeClient, number: int) -> None:
    path = client.path("v1", "Pod", f"service-{number}", NAMESPACE)
    body = {"metadata": {"labels": {"changed": "yes"}}}
    client.request("PATCH", path, body, "application/merge-patch+json").expect(200)


def each_pod(url: str, files: Files, work: Callable[[KubeClient, int], None]) -> None:
    """In a process of its own: do the work for every pod, over a few connections."""

    def some(worker: int) -> None:
        with KubeClient(url, files[0], certificate=files[1:]) as client:
            for number in range(worker, COUNT, WRITERS):
                work(client, number)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(some, range(WRITERS)))


def apart(url: str, files: Files, work: Callable[[KubeClient, int], None]) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=each_pod, args=(url, files, work))
    process.start()
    return process


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def connected(kubeconfig: str) -> Client:
    environment = {"KUBECONFIG": kubeconfig}
    return Client(connection(find(environment), environment=environment, now=lambda: datetime.now(UTC)))


async def reflected(kubeconfig: str, files: Files, url: str) -> tuple[float, float, float]:
    """(bytes of memory, µs of CPU in a list, µs of CPU in a change), each for one pod."""
    kept: dict[tuple[str, str], Pod] = {}
    async with connected(kubeconfig) as client:
        await client.version()
        memory, cpu = resident_bytes(), time.process_time()
        reflector = Reflector(client, PODS, Pod, Selection(NAMESPACE), uniform=random.uniform)
        async with aclosing(reflector.events()) as events:
            async for event in events:
                if isinstance(event, Added | Modified):
                    kept[event.object.metadata.namespace, event.object.metadata.name] = event.object
                if isinstance(event, Synced):
                    break
            listed = time.process_time() - cpu
            grown = resident_bytes() - memory
            writer = apart(url, files, change)
            changed, cpu = 0, time.process_time()
            async for event in events:
                if isinstance(event, Modified):
                    kept[event.object.metadata.namespace, event.object.metadata.name] = event.object
                    changed += 1
                    if changed == COUNT:
                        break
            watched = time.process_time() - cpu
            await asyncio.to_thread(writer.join)
    assert len(kept) == COUNT
    assert next(iter(kept.values())).metadata.controller is not None
    return grown / COUNT, listed / COUNT * 1e6, watched / COUNT * 1e6


async def of_metadata(kubeconfig: str) -> float:
    """Bytes of memory for a pod's metadata alone."""
    async with connected(kubeconfig) as client:
        await client.version()
        memory = resident_bytes()
        kept = await client.list(PODS, Meta, Selection(NAMESPACE), accept=METADATA_LIST)
        assert len(kept) == COUNT
        return (resident_bytes() - memory) / COUNT


async def as_dictionaries(kubeconfig: str) -> tuple[float, float, float]:
    """(bytes of memory, µs of CPU, bytes of JSON), each for one pod, read whole by the standard library."""
    async with connected(kubeconfig) as client:
        await client.version()
        memory = resident_bytes()
        whole: list[Any] = []
        size, cpu = 0, 0.0
        async with aclosing(client.pages(PODS, msgspec.Raw, Selection(NAMESPACE))) as pages:
            async for page in pages:
                for raw in page.items:
                    size += len(bytes(raw))
                    begun = time.process_time()
                    whole.append(json.loads(bytes(raw)))
                    cpu += time.process_time() - begun
        return (resident_bytes() - memory) / COUNT, cpu / COUNT * 1e6, size / COUNT


def measured(measure: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """In a process of its own: what one measurement leaves behind is not the next one's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, measure, *arguments).result()


def run(measure: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    return asyncio.run(measure(*arguments))


def main() -> None:
    """Start, fill, measure."""
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        sys.exit(str(found))
    figures = Figures()
    with Cluster(found) as cluster, cluster.client() as client:
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).expect(201)
        client.wait_for("v1", "ServiceAccount", "default", NAMESPACE)
        files, kubeconfig = (cluster.ca_file, cluster.client_cert, cluster.client_key), str(cluster.kubeconfig)
        apart(cluster.url, files, make).join()
        kept, listed, watched = measured(reflected, kubeconfig, files, cluster.url)
        metadata = measured(of_metadata, kubeconfig)
        whole, read, size = measured(as_dictionaries, kubeconfig)
    figures.show("a pod as JSON", size, "B")
    figures.show("a pod as a dictionary, memory", whole, "B")
    figures.show("a pod as a dictionary, CPU of its reader alone", read, "µs")
    figures.show("a pod as it is kept, memory", kept, "B", MEMORY_LIMIT_BYTES)
    figures.show("a pod's metadata alone, memory", metadata, "B", MEMORY_LIMIT_BYTES)
    figures.show("a pod in a list, CPU", listed, "µs", read)
    figures.show("a pod that changes, CPU", watched, "µs", read)
    figures.finish()


if __name__ == "__main__":
    main()
