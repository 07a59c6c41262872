"""A grant taken back: from the click to the Secret's removal, and to the control plane's having been told of it.

A real control plane with TLS, a real agent as a process with its usual limits, a real API server. A hundred namespaces
have a grant each, all delivered and told; then each grant is deleted through the API, four people at a time, who each
wait until theirs is shown as gone before they take the next. The click is the request that confirms what was looked at.
When the Secret went is read from the API server's own audit log; when it was told, from the control plane's database,
looked at each 20 ms.

Run: make bench, or python -m bench.revoke [REVOCATIONS]
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bench.figures import Figures
from portreeve.server.images.service import said
from tests.agent.governed import Governed, governed, until
from tests.server.plane import document
from tests.tools.cluster import Cluster
from tests.tools.components import Missing, default_cache, find_kubernetes

REVOCATIONS = 100
AT_ONCE = 4
LIMIT_S = 5.0
"""Issue 5, figures: click to observed removal, p99."""
LOOK_S = 0.02


class Told:
    """Which namespaces have a pull secret by what was reported, and since when one has none."""

    def __init__(self, scene: Governed) -> None:
        self._scene = scene
        self.delivered: set[str] = set()
        self.gone: dict[str, datetime] = {}

    async def look(self) -> None:
        """Until cancelled, in the control plane's own loop."""
        reader = self._scene.served.plane.server.database.reader
        while True:
            async with reader.connect() as connection:
                facts = await said(connection, "prod")
            now, found = datetime.now(UTC), facts.get("pullSecrets", ())
            present = {one["namespace"] for one in found}
            for name in self.delivered - present:
                self.gone.setdefault(name, now)
            self.delivered |= {one["namespace"] for one in found if one["phase"] == "Delivered"}
            await asyncio.sleep(LOOK_S)


def revoked(scene: Governed, told: Told, names: Sequence[str]) -> dict[str, datetime]:
    """Take back the grant of each namespace, and wait until that is told; when each was clicked."""
    clicks: dict[str, datetime] = {}
    one_by_one = threading.Lock()

    def each(name: str) -> None:
        with one_by_one:
            # What was looked at has to be what is done, so nobody else changes anything in between.
            preview = scene.ask("DELETE", f"access/{name}?dryRun=All")
            clicks[name] = datetime.now(UTC)
            scene.ask("DELETE", f"access/{name}", headers={"Portreeve-Plan": preview["digest"]})
        until(lambda: name in told.gone, f"{name} is told to be gone")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(each, names))
    return clicks


def removals(cluster: Cluster) -> dict[str, datetime]:
    """When the API server was done with deleting the pull secret of each namespace."""
    return {
        event["objectRef"]["namespace"]: datetime.fromisoformat(event["stageTimestamp"])
        for event in cluster.all_audit_events()
        if event["verb"] == "delete" and event["objectRef"].get("name") == "portreeve-pull"
        if event["stage"] == "ResponseComplete" and event["responseStatus"]["code"] == 200
    }


def made(cluster: Cluster, names: Sequence[str]) -> None:
    def make(name: str) -> None:
        with cluster.client() as kube:
            kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect(201)
            kube.wait_for("v1", "ServiceAccount", "default", name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, names))


def percentile(seconds: Sequence[float], of: float) -> float:
    """The value that so many of them do not exceed; the nearest rank."""
    found = sorted(seconds)
    return found[math.ceil(len(found) * of) - 1]


def main() -> None:
    """Start, deliver, take back."""
    count = int(sys.argv[1]) if sys.argv[1:] else REVOCATIONS
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        sys.exit(f"revoke: {found}")
    figures = Figures()
    # The control plane runs in this process, and would write a line for each request between the figures.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    names = [f"team-{number}" for number in range(count)]
    with tempfile.TemporaryDirectory() as directory, Cluster(found) as cluster:
        made(cluster, names)
        with governed(cluster, Path(directory)) as scene:
            scene.registry("a-password-that-is-taken-back")
            grants = (
                document("RegistryAccess", name, registry="r", environment="prod", namespaces={"names": [name]})
                for name in names
            )
            scene.served.put(*grants)
            told = Told(scene)
            looking = asyncio.run_coroutine_threadsafe(told.look(), scene.served.loop)
            begun = time.perf_counter()
            until(lambda: looking.done() or told.delivered >= set(names), "all delivered", seconds=120)
            delivered = time.perf_counter() - begun
            clicks = revoked(scene, told, names)
            looking.cancel()
        removed = removals(cluster)
    assert removed.keys() >= set(names), "a Secret is still there"
    gone = [(removed[name] - clicks[name]).total_seconds() for name in names]
    shown = [(told.gone[name] - clicks[name]).total_seconds() for name in names]
    figures.show(f"{count} grants delivered and told", delivered, "s")
    figures.show("from the click until the Secret is gone, p50", percentile(gone, 0.5), "s")
    figures.show("from the click until the Secret is gone, p99", percentile(gone, 0.99), "s", LIMIT_S)
    figures.show("from the click until that is told, p50", percentile(shown, 0.5), "s")
    figures.show("from the click until that is told, p99", percentile(shown, 0.99), "s", LIMIT_S)
    figures.show("the longest of them", max(shown), "s")
    figures.show("load of this machine meanwhile", os.getloadavg()[0])
    figures.finish()


if __name__ == "__main__":
    main()
