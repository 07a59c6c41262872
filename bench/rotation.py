"""One credential rotated into 1,000 namespaces of one real API server, beside bare writes by as many clients.

The agent is the reconciler as it runs in a cluster, in a process of its own, with all its watches; it is handed the
next document, and the clock stops when the write of the last namespace was answered; until it is told takes the moment
that reports are gathered for, and is shown. Beside it, in a process of the same kind, as many requests at once only
apply the same Secret under another name, which nobody watches (what no program can be quicker than), or delete and
create one as others do on rotation. Each is done eight times, in turn; the median of each counts. How often the
agent wrote is counted in the API server's own audit log. Last, namespaces are made that a selector grants, and their
Secret is awaited.

Run: make bench, or python -m bench.rotation [NAMESPACES]
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from bench.figures import Figures
from portreeve.agent.main import collect_seldom
from portreeve.core.agent_messages import ApplySecret
from portreeve.core.credential import AuthEntry, CredentialRef, Login
from portreeve.core.pacing import Limits
from portreeve.core.secret import SecretValue
from portreeve.kube.client import METADATA, Client
from portreeve.kube.kubeconfig import connection, find
from portreeve.kube.resources import SECRETS
from portreeve.reconciler import requests
from portreeve.reconciler.reconciler import Clocks, Reconciler
from portreeve.vault import sealing
from portreeve.wire.channel import Report
from tests.reconciler.keeping import Kept, grant
from tests.tools.cluster import Cluster
from tests.tools.components import Missing, default_cache, find_kubernetes

NAMESPACES = 1_000
AT_ONCE = 16
ROUNDS = 8
"""Interleaved. Rates of single rounds differ by a tenth each way, as the API server collects its garbage, so medians
are compared: the best of a few is a matter of luck."""
PREFIX = "fan-"
NEW = {"matchLabels": {"new": "yes"}, "matchExpressions": []}
ARRIVING = 20
ARRIVAL_LIMIT_S = 1.0
"""Issue 5: a new namespace has its Secret within a second."""
RATIO_LIMIT = 1.25
"""Of the time of bare applies: 80 % of their rate."""
MEMORY_LIMIT_MB = 100.0


class Unread(msgspec.Struct):
    """An answer that is not looked at."""


def client_of(kubeconfig: Path) -> Client:
    environment = {"KUBECONFIG": str(kubeconfig)}
    return Client(connection(find(environment), environment=environment, now=utc))


def utc() -> datetime:
    return datetime.now(UTC)


def names(count: int) -> list[str]:
    return [f"{PREFIX}{number}" for number in range(count)]


# -- the agent


def agent(pipe: Connection, kubeconfig: Path, directory: Path, count: int) -> None:
    """Rotate as often as it is told, and answer how long it took; None ends it."""
    collect_seldom()
    asyncio.run(_agent(pipe, kubeconfig, directory, names(count)))


async def _agent(pipe: Connection, kubeconfig: Path, directory: Path, namespaces: list[str]) -> None:
    draw = random.Random(1)
    told: dict[str, int] = {}
    done = asyncio.Event()
    wanted = 0

    async def send(report: Report) -> None:
        for one in report.pull_secrets:
            if one["phase"] == "Delivered" and one["entries"]:
                told[one["namespace"]] = one["entries"][0]["version"]
        if sum(told.get(name) == wanted for name in namespaces) == len(namespaces):
            done.set()

    clocks = Clocks(utc, time.monotonic, draw.random, draw.uniform)
    async with client_of(kubeconfig) as client:
        limits = Limits(rate=100_000, burst=100_000, in_flight=AT_ONCE)
        reconciler = Reconciler(client, sealing.generate(), directory, send, clocks, limits=limits)
        kept = Kept(reconciler, reconciler._key)
        task = asyncio.create_task(reconciler.serve())
        while await asyncio.to_thread(pipe.recv):
            wanted += 1
            done.clear()
            cpu, begun = time.process_time(), time.perf_counter()
            password = "x" * 1_000
            await kept.want(
                grant("r", "r.example.com/team", *namespaces, password=password, version=wanted, selector=NEW)
            )
            # Those that have it are not looked at again: looking is the bench's, and would count as the agent's time.
            missing = list(namespaces)
            while missing:
                await asyncio.sleep(0.03)
                while missing and _holds(reconciler, missing[-1], wanted):
                    missing.pop()
            took, spent = time.perf_counter() - begun, time.process_time() - cpu
            await done.wait()
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((took, spent, memory, time.perf_counter() - begun))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _holds(reconciler: Reconciler, namespace: str, version: int) -> bool:
    """Whether the API server has answered that the namespace has this version."""
    line = reconciler.delivering.state.lines.get(namespace)
    return (
        line is not None
        and line.secret is not None
        and line.secret.entries is not None
        and any(fact.credential.version == version for fact in line.secret.entries)
    )


# -- what it is held against


def bare(pipe: Connection, kubeconfig: Path, count: int) -> None:
    """Do what is named for every namespace, `AT_ONCE` at once, and answer how long it took; None ends it."""
    collect_seldom()
    asyncio.run(_bare(pipe, kubeconfig, names(count)))


async def _bare(pipe: Connection, kubeconfig: Path, namespaces: list[str]) -> None:
    async with client_of(kubeconfig) as client:
        version = 0
        while (what := await asyncio.to_thread(pipe.recv)) is not None:
            version += 1
            todo: Callable[[str], Awaitable[Any]] = _applier(client, version)
            if what == "recreate":
                todo = await _recreator(client, version)
            begun = time.perf_counter()
            await _all(namespaces, todo)
            pipe.send(time.perf_counter() - begun)


async def _all(namespaces: list[str], todo: Callable[[str], Awaitable[Any]]) -> None:
    left = iter(namespaces)

    async def worker() -> None:
        for namespace in left:
            await todo(namespace)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def manifest(namespace: str, name: str, version: int) -> dict[str, Any]:
    """The very Secret that the agent applies, under another name and without its preconditions."""
    login = Login("robot", SecretValue("x" * 1_000))
    entry = AuthEntry("r.example.com/team/", CredentialRef("c-r", version), login)
    made = requests.manifest(ApplySecret(namespace, "", "", (entry,)))
    made["metadata"]["name"] = name
    return made


def _applier(client: Client, version: int) -> Callable[[str], Awaitable[Any]]:
    return lambda namespace: client.apply(SECRETS, manifest(namespace, "bare", version), Unread, accept=METADATA)


async def _recreator(client: Client, version: int) -> Callable[[str], Awaitable[Any]]:
    from portreeve.kube.objects import Meta

    held = {one.metadata.namespace: one.metadata for one in await client.list(SECRETS, Meta)
            if one.metadata.name == "recreated"}  # fmt: skip

    async def recreate(namespace: str) -> None:
        known = held.get(namespace)
        if known is not None:
            await client.delete(
                SECRETS, known.name, uid=known.uid, resource_version=known.resource_version, namespace=namespace
            )
        await client.create(SECRETS, manifest(namespace, "recreated", version), Unread, namespace=namespace)

    return recreate


# -- the run


def make_namespaces(cluster: Cluster, count: int) -> None:
    def make(part: int) -> None:
        with cluster.client() as kube:
            for name in names(count)[part::8]:
                kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect(201)
                kube.wait_for("v1", "ServiceAccount", "default", name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))


def writes(cluster: Cluster, since: int) -> Counter[str]:
    """Writes of pull secrets by the agent, by verb, behind this line of the audit log."""
    lines = cluster.audit_log.read_text().splitlines()[since:]
    found: Counter[str] = Counter()
    for line in lines:
        event = json.loads(line)
        reference = event.get("objectRef", {})
        if reference.get("name") == "portreeve-pull" and event["verb"] not in {"get", "list", "watch"}:
            found[event["verb"]] += 1
    return found


def arrival_s(cluster: Cluster, number: int) -> float:
    """Seconds from the answer to a namespace's creation until its Secret is there."""
    name = f"arriving-{number}"
    with cluster.client() as kube:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"new": "yes"}}}
        kube.create(made).expect(201)
        begun = time.perf_counter()
        path = f"/api/v1/namespaces/{name}/secrets/portreeve-pull"
        while kube.request("GET", path).status != 200:
            assert time.perf_counter() - begun < 60, "it never came"
        return time.perf_counter() - begun


def ask(pipe: Connection, what: Any) -> Any:
    pipe.send(what)
    return pipe.recv()


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else NAMESPACES
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        sys.exit(f"rotation: {found}")
    figures = Figures()
    spawn = multiprocessing.get_context("spawn")
    with Cluster(found) as cluster, tempfile.TemporaryDirectory() as directory:
        make_namespaces(cluster, count)
        ours, theirs = spawn.Pipe(), spawn.Pipe()
        processes = [
            spawn.Process(target=agent, args=(ours[1], cluster.kubeconfig, Path(directory), count)),
            spawn.Process(target=bare, args=(theirs[1], cluster.kubeconfig, count)),
        ]
        for process in processes:
            process.start()
        first, *_ = ask(ours[0], True)
        ask(theirs[0], "apply")
        ask(theirs[0], "recreate")
        figures.show(f"first delivery, {count:,} namespaces with ServiceAccounts", first, "s")
        times: dict[str, list[float]] = {"agent": [], "apply": [], "recreate": []}
        cpu, memory, told = 0.0, 0.0, 0.0
        for _ in range(ROUNDS):
            since = len(cluster.audit_log.read_text().splitlines())
            took, cpu, memory, told = ask(ours[0], True)
            times["agent"].append(took)
            made = writes(cluster, since)
            for kind in ("apply", "recreate"):
                times[kind].append(ask(theirs[0], kind))
        arrivals = sorted(arrival_s(cluster, number) for number in range(ARRIVING))
        for pipe, end in ((ours[0], False), (theirs[0], None)):
            pipe.send(end)
        for process in processes:
            process.join(60)
        middle = {kind: statistics.median(each) for kind, each in times.items()}
        for kind, each in times.items():
            print(f"{kind}, each round a second: {', '.join(f'{count / one:.0f}' for one in each)}")
        figures.show("bare server-side applies, a second", count / middle["apply"])
        figures.show("delete and create, a second", count / middle["recreate"])
        figures.show("rotated by the agent, a second", count / middle["agent"])
        figures.show("time of the agent / of bare applies", middle["agent"] / middle["apply"], "", RATIO_LIMIT)
        figures.show("until all are told to the control plane", told, "s")
        figures.show("writes a namespace in one rotation", sum(made.values()) / count, "", 1.0)
        figures.show(f"a new namespace has its Secret after, worst of {ARRIVING}", arrivals[-1], "s", ARRIVAL_LIMIT_S)
        figures.show("processor time of the agent, a namespace", 1000 * cpu / count, "ms")
        figures.show("memory of the agent", memory, "MB", MEMORY_LIMIT_MB)
    figures.finish()


if __name__ == "__main__":
    main()
