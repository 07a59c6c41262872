"""An agent at rest: what it asks the API server in an hour, and the memory it has in a large cluster.

The hour: 200 namespaces have their pull secrets, a policy with several scopes is enforced and proved, and nothing
happens any more. Then the agent's clocks are moved by five minutes, twelve times, each time until every part has
looked; what it asked meanwhile is counted in the API server's own audit log. Nothing may be written, a round of proof
is two dry runs for each scope and reads our four admission objects, so that what a watch has missed is found out, and
the rest is a look at the server's version, and watches. How long a watch lasts is the server's time, which is not
moved: each is begun anew every five to ten minutes, and that is counted by reckoning.

The memory: a thousand namespaces with pull secrets and so many pods of 12 KB are there before the agent starts, as a
process of its own with all its parts; the same without pods stands beside it. Pods are made without controllers, as
their owners do not exist.

Run: make bench (3,000 pods), or python -m bench.idle [PODS]; PODS of 10,000 are what the limit is about.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import portreeve.agent.main  # what the program loads is part of its memory  # noqa: F401
from bench.figures import Figures
from bench.kube import connected, pod, resident_bytes, status
from portreeve.core.desired import sources_document
from portreeve.core.pacing import Limits
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import compile_policy, digest
from portreeve.core.sources import resolve
from portreeve.kube.reflector import WATCH_S
from portreeve.reconciler.reconciler import Clocks, Reconciler
from portreeve.reconciler.watching import EVERY_KIND
from portreeve.vault import sealing
from portreeve.wire.channel import Report, report_document
from tests.reconciler.keeping import Kept, grant, keeping
from tests.tools.cluster import Cluster, KubeClient
from tests.tools.components import Kubernetes, Missing, default_cache, find_kubernetes

IDLE_NAMESPACES, OWN_SOURCES = 200, 5
"""Namespaces, and how many of them have sources of their own: each is a scope, as is everywhere else."""
STEP_S, STEPS = 300.0, 12
NAMESPACES, PODS = 1_000, 3_000
MEMORY_LIMIT_MB, POD_LIMIT_BYTES = 100.0, 5_000
"""Issue 5, figures: at most 100 MB at 1,000 namespaces and 10,000 pods, at most 5 KB a pod."""
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
KNOWN = ("write", "dry run", "list", "get", "look at the server", "watch")
ONLY = ("namespace-controller", "root-ca-certificate-publisher-controller", "serviceaccount-controller")
AT_ONCE = Limits(rate=100_000, burst=100_000, in_flight=16)


class Moved:
    """Clocks that go on by themselves, and further when they are moved."""

    def __init__(self) -> None:
        self._by = 0.0

    def utc(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._by)

    def monotonic(self) -> float:
        return time.monotonic() + self._by

    async def sleep(self, seconds: float) -> None:
        ends = self.monotonic() + seconds
        while (left := ends - self.monotonic()) > 0:  # noqa: ASYNC110 -- time tells nobody
            await asyncio.sleep(min(left, 0.05))

    def move(self, seconds: float) -> None:
        self._by += seconds


def named(count: int) -> list[str]:
    return [f"team-{number}" for number in range(count)]


def make_namespaces(cluster: Cluster, names: Sequence[str]) -> None:
    def make(kube: KubeClient, name: str) -> None:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect(201)
        kube.wait_for("v1", "ServiceAccount", "default", name)

    _each(cluster, [lambda kube, name=name: make(kube, name) for name in names])  # type: ignore[misc]


def _each(cluster: Cluster, work: Sequence[Callable[[KubeClient], None]]) -> None:
    def some(part: int) -> None:
        with cluster.client() as kube:
            for one in work[part::8]:
                one(kube)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, range(8)))


# -- the hour


def with_policy(document: dict[str, Any], namespaces: Sequence[str]) -> dict[str, Any]:
    """The same document with an enforced policy, as the control plane writes it."""
    sources = resolve(
        RegistryPolicy(
            "bench",
            stage=Stage.DENY,
            generation=1,
            sources=(
                AllowedSource(parse_prefix("r.example.com/team")),
                *(AllowedSource(parse_prefix(f"r.example.com/{name}"), (name,)) for name in namespaces),
            ),
        )
    )
    policy = {
        "name": "bench",
        "version": 1,
        "stage": "deny",
        "enforcedBy": "admission",
        "renderDigest": digest(list(compile_policy(sources))),
    }
    found: dict[str, Any] = json.loads(json.dumps({**document, "policy": policy, "sources": sources_document(sources)}))
    return found


async def hour(cluster: Cluster, directory: Path, names: Sequence[str]) -> tuple[Counter[str], int]:
    """(what an hour at rest asks, its scopes)."""
    moved = Moved()
    async with (
        connected(str(cluster.kubeconfig)) as client,
        keeping(
            client, directory, limits=AT_ONCE, clock=moved.utc, monotonic=moved.monotonic, sleep=moved.sleep
        ) as kept,
    ):
        kept.generation = 1
        document = kept.document(grant("r", "r.example.com/team", *names, password="x" * 100))
        await kept.reconciler.act(with_policy(document, names[:OWN_SOURCES]))
        await at_rest(kept, names)
        before = len(cluster.all_audit_events())
        for _ in range(STEPS):
            moved.move(STEP_S)
            # Each part looks within a second; what it then asks is answered within another.
            looked = kept.reconciler.delivering.ticks
            while kept.reconciler.delivering.ticks < looked + 2:  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        return counted(cluster.all_audit_events()[before:])


async def at_rest(kept: Kept, names: Sequence[str]) -> None:
    """Wait until all is delivered, enforced and told."""
    ends = time.monotonic() + 60
    while True:
        told, said = kept.told(), kept.conditions()
        delivered = sum(told.get(name, {}).get("phase") == "Delivered" for name in names)
        if delivered == len(names) and said.get("Delivered") == "True" and said.get("Enforced") == "True":
            break
        assert time.monotonic() < ends, f"{delivered} of {len(names)} delivered, {said}"
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)


def counted(events: Sequence[dict[str, Any]]) -> tuple[Counter[str], int]:
    """How often each thing was asked, and in how many namespaces dry runs were."""
    found: Counter[str] = Counter()
    scopes = set()
    for event in events:
        if event["user"]["username"] != "admin" or event["stage"] != "ResponseComplete":
            continue
        verb, what = event["verb"], event.get("objectRef", {}).get("resource", "version")
        if "dryRun=All" in event["requestURI"]:
            found["dry run"] += 1
            scopes.add(event["objectRef"]["namespace"])
        elif verb in WRITES:
            found["write"] += 1
        elif what == "version" or (verb, what) == ("get", "mutatingadmissionpolicies"):
            found["look at the server"] += 1
        else:
            found[verb] += 1
    return found, len(scopes)


def show_hour(figures: Figures, programs: Kubernetes) -> None:
    """The figures of an hour at rest."""
    names = named(IDLE_NAMESPACES)
    with Cluster(programs) as cluster, tempfile.TemporaryDirectory() as directory:
        make_namespaces(cluster, names)
        begun = time.perf_counter()
        asked, scopes = asyncio.run(hour(cluster, Path(directory) / "state", names))
        took = time.perf_counter() - begun
    kinds = len(EVERY_KIND) + 4  # and one for each of our four admission objects
    label = f"an hour, {IDLE_NAMESPACES} namespaces"
    figures.show(f"writes in {label}", asked["write"], "", 0)
    figures.show(f"dry runs for each of {scopes} scopes in {label}", asked["dry run"] / scopes, "", 2)
    figures.show(f"lists in {label}", asked["list"], "", 0)
    figures.show(f"our admission objects read anew in {label}", asked["get"], "", 4)
    figures.show(f"looks at the server's version and abilities in {label}", asked["look at the server"], "", 4)
    figures.show(
        f"anything else in {label}, without watches", sum(asked.values()) - sum(asked[one] for one in KNOWN), "", 0
    )
    figures.show("watches begun anew, at most, by reckoning", kinds * 3600 / WATCH_S[0])
    figures.show("the hour took", took, "s")


# -- the memory


def agent(pipe: Connection, kubeconfig: Path, directory: Path, names: Sequence[str]) -> None:
    """Start, take the document, come to rest; its memory now and at most, in bytes."""
    asyncio.run(_agent(pipe, kubeconfig, directory, names))


async def _agent(pipe: Connection, kubeconfig: Path, directory: Path, names: Sequence[str]) -> None:
    delivered: set[str] = set()
    done = asyncio.Event()

    async def send(report: Report) -> None:
        # Written as for the channel, and not kept.
        json.dumps(report_document(report))
        delivered.update(one["namespace"] for one in report.pull_secrets if one["phase"] == "Delivered")
        if len(delivered) == len(names):
            done.set()

    directory.mkdir()  # noqa: ASYNC240 -- a temporary directory
    draw, key = random.Random(1), sealing.generate()
    clocks = Clocks(lambda: datetime.now(UTC), time.monotonic, draw.random, draw.uniform)
    async with connected(str(kubeconfig)) as client:
        reconciler = Reconciler(client, key, directory, send, clocks, limits=AT_ONCE)
        task = asyncio.create_task(reconciler.serve())
        await Kept(reconciler, key).want(grant("r", "r.example.com/team", *names, password="x" * 100))
        await done.wait()
        await asyncio.sleep(5)
        pipe.send((resident_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def weighed(cluster: Cluster, names: Sequence[str]) -> tuple[float, float]:
    """Bytes that a new agent has once it is at rest, and at most had."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    with tempfile.TemporaryDirectory() as directory:
        process = spawn.Process(target=agent, args=(there, cluster.kubeconfig, Path(directory) / "state", names))
        process.start()
        found: tuple[float, float] = here.recv()
        process.join(30)
    return found


def show_memory(figures: Figures, programs: Kubernetes, pods: int) -> None:
    """The figures of a large cluster."""
    names = named(NAMESPACES)

    def make(number: int) -> Callable[[KubeClient], None]:
        def work(kube: KubeClient) -> None:
            body, namespace = pod(number), names[number % len(names)]
            body["metadata"]["namespace"] = namespace
            kube.create(body).expect(201)
            path = kube.path("v1", "Pod", body["metadata"]["name"], namespace, "status")
            kube.request("PATCH", path, status(number), "application/merge-patch+json").expect(200)

        return work

    with Cluster(programs, controllers=ONLY) as cluster:
        make_namespaces(cluster, names)
        bare, _ = weighed(cluster, names)
        _each(cluster, [make(number) for number in range(pods)])
        full, most = weighed(cluster, names)
    label = f"{NAMESPACES:,} namespaces and {pods:,} pods"
    figures.show(f"memory of an agent, {NAMESPACES:,} namespaces", bare / 1e6, "MB")
    figures.show(f"memory of an agent, {label}", full / 1e6, "MB", MEMORY_LIMIT_MB)
    figures.show(f"the most it ever had, {label}", most / 1e6, "MB")
    figures.show(f"memory for one of {pods:,} pods", (full - bare) / pods, "B", POD_LIMIT_BYTES)


def main() -> None:
    """Print the figures."""
    pods = int(sys.argv[1]) if sys.argv[1:] else PODS
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        sys.exit(f"idle: {found}")
    figures = Figures()
    show_hour(figures, found)
    show_memory(figures, found, pods)
    figures.show("load of this machine meanwhile", os.getloadavg()[0])
    figures.finish()


if __name__ == "__main__":
    main()
