"""A real API server behind a proxy that fails: storms, lost answers, cut watches, kills, two at once, a restored etcd.

What must hold is what `core.reconcile` promises, and here on the real parts: it converges, it writes nothing twice, it
touches nothing of others', and a storm is not answered by one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.pacing import Limits
from portreeve.core.secret import SecretValue
from portreeve.kube.client import Client
from portreeve.kube.identity import FixedIdentity, Identity
from portreeve.kube.kubeconfig import Connection
from portreeve.transport.trust import Trust
from portreeve.vault import sealing
from tests.fakes.fault_proxy import FaultProxy, LosesAnswer, Resets, Says
from tests.kube.conftest import connected
from tests.reconciler.keeping import attached, auths_in, grant, keeping, secret_in, until
from tests.tools.cluster import Cluster
from tests.tools.components import Missing, default_cache, find_kubernetes
from tests.tools.kubeclient import KubeClient
from tests.tools.required import give_up

pytestmark = pytest.mark.slow

KEY = "r.example.com/team/"


def status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}


def granted(names: list[str], password: str, version: int = 1) -> dict[str, Any]:
    return grant("r", "r.example.com/team", *names, password=password, version=version)


def all_have(kube: KubeClient, names: list[str], password: str) -> Callable[[], bool]:
    return lambda: all(auths_in(kube, name).get(KEY, ("", ""))[1] == password for name in names)


def secret_writes(proxy: FaultProxy, name: str) -> int:
    return sum(f"namespaces/{name}/secrets" in one and not one.startswith("GET") for one in proxy.asked)


async def test_a_storm_of_429_is_waited_out(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    names = [made() for _ in range(6)]
    async with keeping(through_proxy, tmp_path, limits=Limits(rate=200, burst=200, in_flight=4)) as kept:
        await until(lambda: kept.conditions().get("ClusterSeen") == "True")
        proxy.inject(
            Says(429, {"Retry-After": "1"}, status(429, "TooManyRequests")), "", times=12, contains="/secrets/"
        )
        before = len(proxy.asked)
        await kept.want(granted(names, "pw"))
        await until(all_have(kube_client, names, "pw"), "delivered after the storm", seconds=60)
        # Each refusal quiets all: what is asked meanwhile is bounded by what was under way, not by time.
        assert proxy.faulted["Says"] == 12
        asked = [one for one in proxy.asked[before:] if "/secrets/" in one]
        assert len(asked) <= 12 + 3 * len(names), asked


async def test_conflicts_failures_and_lost_answers_are_survived_without_a_second_write(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    conflict, failing, lost, reset, account = (made() for _ in range(5))
    names = [conflict, failing, lost, reset, account]

    def secrets(name: str) -> str:
        return f"PATCH /api/v1/namespaces/{name}/secrets"

    proxy.inject(Says(409, {}, status(409, "Conflict")), secrets(conflict), times=2)
    proxy.inject(Says(503, {}, status(503, "ServiceUnavailable")), secrets(failing), times=2)
    proxy.inject(LosesAnswer(), secrets(lost))
    proxy.inject(Resets(), secrets(reset), times=2)
    proxy.inject(Says(422, {}, status(422, "Invalid")), f"PATCH /api/v1/namespaces/{account}/serviceaccounts", times=2)
    proxy.inject(LosesAnswer(), f"PATCH /api/v1/namespaces/{lost}/serviceaccounts")
    async with keeping(through_proxy, tmp_path) as kept:
        await kept.want(granted(names, "pw"))
        await until(all_have(kube_client, names, "pw"), "delivered", seconds=60)
        await until(lambda: all(attached(kube_client, one) == ["portreeve-pull"] for one in names), seconds=60)
        await until(lambda: all(kept.told().get(one, {}).get("phase") == "Delivered" for one in names), seconds=60)
        # The lost one was carried out: it is found as ours, and is not written again.
        assert secret_writes(proxy, lost) == 1
        managed = (secret_in(kube_client, lost) or {})["metadata"]["managedFields"]
        assert [one["manager"] for one in managed] == ["portreeve"]


async def test_watches_that_end_or_are_gone_lose_nothing(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    selector = {"matchLabels": {"team": "watched"}, "matchExpressions": []}
    async with keeping(through_proxy, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", password="pw", selector=selector))
        await until(lambda: kept.conditions().get("ClusterSeen") == "True")
        first = made(team="watched")
        await until(all_have(kube_client, [first], "pw"))
        proxy.inject(Says(410, {}, status(410, "Expired")), "", times=8, contains="watch=true")
        proxy.cut()
        second = made(team="watched")
        kube_client.request("DELETE", f"/api/v1/namespaces/{first}/secrets/portreeve-pull").expect(200)
        await until(all_have(kube_client, [first, second], "pw"), "seen again", seconds=60)


async def test_a_right_that_is_taken_away_is_told_and_missed_no_longer_than_it_is_missing(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    name = made()
    async with keeping(through_proxy, tmp_path) as kept:
        await kept.want(granted([name], "one"))
        await until(all_have(kube_client, [name], "one"))
        path = f"PATCH /api/v1/namespaces/{name}/secrets"
        proxy.inject(Says(403, {}, status(403, "Forbidden")), path)
        await kept.want(granted([name], "two", 2))
        await until(lambda: kept.told().get(name, {}).get("phase") == "Forbidden")
        assert auths_in(kube_client, name)[KEY][1] == "one"
        # Something about the namespace changes: it is tried at its own time, not at once and not in a loop.
        asked = sum(one.startswith(path) for one in proxy.asked)
        kube_client.request(
            "PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": {"a": "b"}}}, "application/merge-patch+json"
        ).expect(200)
        await asyncio.sleep(1)
        assert sum(one.startswith(path) for one in proxy.asked) == asked


async def test_two_at_once_take_nothing_from_each_other_or_from_anybody(
    kubernetes: Cluster, client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    """F-23: an agent that was paused goes on beside the one that took its place, with an older document."""
    names, foreign = [made() for _ in range(4)], made()
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portreeve-pull", "namespace": foreign}}
    kube_client.create(own | {"stringData": {"a": "b"}}).expect(201)
    before = secret_in(kube_client, foreign)
    key = sealing.generate()
    async with keeping(client, tmp_path / "one", key=key) as old:
        await old.want(granted([*names, foreign], "one"))
        await until(all_have(kube_client, names, "one"))
        uids = [(secret_in(kube_client, name) or {})["metadata"]["uid"] for name in names]
        async with Client(connected(kubernetes)) as second, keeping(
            second, tmp_path / "two", key=key, generation=5
        ) as new:  # fmt: skip
            await new.want(granted([*names, foreign], "two", 2))
            await asyncio.sleep(3)
            writes = old.reconciler.delivering.sent + new.reconciler.delivering.sent
            # They disagree, and fight for it; each object at its own pace, so that this is no storm.
            await asyncio.sleep(2)
            fought = old.reconciler.delivering.sent + new.reconciler.delivering.sent - writes
            assert fought < 40 * len(names)
            await old.want(granted([*names, foreign], "two", 2))
            await until(all_have(kube_client, names, "two"), "they agree", seconds=60)
    assert [(secret_in(kube_client, name) or {})["metadata"]["uid"] for name in names] == uids
    assert secret_in(kube_client, foreign) == before
    assert all(attached(kube_client, name) == ["portreeve-pull"] for name in names)


RUN = """
import asyncio, json, random, sys, time
from pathlib import Path
from datetime import UTC, datetime
from portreeve.core.secret import SecretValue
from portreeve.kube.client import Client
from portreeve.kube.kubeconfig import connection, find
from portreeve.reconciler.reconciler import Clocks, Reconciler
from portreeve.vault import sealing

async def main(kubeconfig, directory, key, document):
    now = lambda: datetime.now(UTC)
    draw = random.Random()
    clocks = Clocks(now, time.monotonic, draw.random, draw.uniform)
    async def send(report): pass
    environment = {"KUBECONFIG": kubeconfig}
    async with Client(connection(find(environment), environment=environment, now=now)) as client:
        opening = sealing.read_private(SecretValue(Path(key).read_bytes()))
        reconciler = Reconciler(client, opening, Path(directory), send, clocks)
        await reconciler.act(json.loads(Path(document).read_text()))
        await reconciler.serve()

asyncio.run(main(*sys.argv[1:]))
"""


def test_kill_9_at_any_moment_leaves_what_the_next_one_finishes(
    kubernetes: Cluster, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    """Killed again and again within a delivery, a rotation and a removal; each life goes on where the last one was."""
    from tests.reconciler.keeping import Kept

    names = [made() for _ in range(40)]
    key = sealing.generate()
    (tmp_path / "key").write_bytes(sealing.private_bytes(key).reveal())
    (tmp_path / "state").mkdir()
    kept = Kept(None, key)  # type: ignore[arg-type]
    uids: dict[str, str] = {}
    lives = 0
    for version, password in ((1, "one"), (2, "two"), (3, "")):
        kept.generation = version
        grants = [granted(names, password, version)] if password else []
        (tmp_path / "document").write_text(json.dumps(kept.document(*grants)))
        done = all_have(kube_client, names, password) if password else lambda: _nothing_left(kube_client, names)
        for wait_s in (0.9, 1.0, 1.1, 1.2, 30.0):
            words = [
                str(kubernetes.kubeconfig),
                str(tmp_path / "state"),
                str(tmp_path / "key"),
                str(tmp_path / "document"),
            ]
            process = subprocess.Popen([sys.executable, "-c", RUN, *words])
            lives += 1
            ends = time.monotonic() + wait_s
            try:
                while time.monotonic() < ends and not (wait_s == 30.0 and done()):
                    time.sleep(0.05)
            finally:
                os.kill(process.pid, signal.SIGKILL)
                process.wait(30)
        assert done(), (version, lives)
        if password:
            found = {name: (secret_in(kube_client, name) or {})["metadata"]["uid"] for name in names}
            assert uids in ({}, found)
            uids = found
    assert lives == 15


def _nothing_left(kube: KubeClient, names: list[str]) -> bool:
    return all(secret_in(kube, name) is None and attached(kube, name) == [] for name in names)


async def test_an_etcd_that_was_restored_to_an_older_state_is_caught_up_with(tmp_path: Path) -> None:
    """F-21: versions go back, our rotation and a namespace are lost, and what was removed is there again."""
    found = find_kubernetes(default_cache())
    if isinstance(found, Missing):
        give_up(found)
    with Cluster(found) as cluster, cluster.client() as kube:
        for name in ("kept", "left", "users"):
            kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect(201)
            kube.wait_for("v1", "ServiceAccount", "default", name)
        async with Client(connected(cluster)) as client, keeping(client, tmp_path / "state") as kept:
            await kept.want(granted(["kept", "left"], "one"))
            await until(all_have(kube, ["kept", "left"], "one"))
            await asyncio.to_thread(cluster.copy_of_etcd, tmp_path / "copy")
            await kept.want(granted(["kept"], "two", 2))
            await until(all_have(kube, ["kept"], "two"), seconds=90)
            await until(lambda: secret_in(kube, "left") is None, seconds=90)
            own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portreeve-pull", "namespace": "users"}}
            kube.create(own | {"stringData": {"a": "b"}}).expect(201)
            await asyncio.to_thread(cluster.restore_etcd, tmp_path / "copy")
            await until(lambda: _lies_open(kube), seconds=90)
            await until(all_have(kube, ["kept"], "two"), "rotated anew", seconds=120)
            await until(lambda: _nothing_left(kube, ["left"]), "removed anew", seconds=120)


def _lies_open(kube: KubeClient) -> bool:
    try:
        return kube.request("GET", "/readyz").status == 200
    except OSError:
        return False


async def test_without_a_right_to_watch_nothing_is_assumed(
    kubernetes: Cluster, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    """An agent that is nobody in the cluster sees nothing, deletes nothing, and says so."""
    name = made()
    nobody = Connection(
        kubernetes.url,
        Trust(ca_bundle=kubernetes.ca_file.read_text()),
        FixedIdentity(Identity(token=SecretValue(kubernetes.token("developer")))),
    )
    async with Client(nobody) as blind, keeping(blind, tmp_path) as kept:
        await kept.want(granted([name], "pw"))
        await until(lambda: kept.reconciler.watching.blind.get("secrets") == "kube_forbidden")
        assert kept.reconciler.delivering.sent == 0
    assert secret_in(kube_client, name) is None
