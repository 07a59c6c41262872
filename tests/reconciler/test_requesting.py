"""Requests of namespaces on the real API server: seen, told, and told back, with the real kubectl looking on."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.access_requests import AccessRequest
from portreeve.kube.client import Client
from tests.deploy.definition import API, ask, conditions, defined, read
from tests.reconciler.keeping import Kept, grant, keeping, until
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.slow

READY = {"Ready": ("True", "SecretSynced"), "Reconciling": ("False", "SecretSynced"),
         "Stalled": ("False", "SecretSynced")}  # fmt: skip


@pytest.fixture(scope="module")
def kind(kubernetes: Cluster) -> Iterator[None]:
    with kubernetes.client() as admin, defined(admin):
        yield


def told(kept: Kept) -> list[AccessRequest]:
    """What the control plane knows by the reports so far."""
    found: list[AccessRequest] = []
    for report in kept.reports:
        found = list(report.access_requests) if report.access_requests is not None else found
    return found


async def looked(kept: Kept) -> None:
    """Wait until it has held everything against what is known once more."""
    looks = kept.reconciler.requesting.looks
    await until(lambda: kept.reconciler.requesting.looks > looks, "a look")


def kubectl(kubernetes: Cluster, *arguments: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("NOT RUN: kubectl is not on PATH (Debian package kubernetes-client); it is no part of the product")
    command = [program, "--kubeconfig", str(kubernetes.kubeconfig), *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_cluster_without_the_kind_is_one_in_which_nobody_asks(
    client: Client, kube_client: KubeClient, tmp_path: Path
) -> None:
    """The first of these tests: those behind it need the kind."""
    assert kube_client.request("GET", f"{API}/registryaccesses").status == 404
    async with keeping(client, tmp_path / "state") as kept:
        await kept.want()
        await until(lambda: any(one.access_requests == () for one in kept.reports), "told")
        assert "ClusterSeen" not in [kind for kind, status in kept.conditions().items() if status != "True"]


@pytest.mark.usefixtures("kind")
async def test_a_request_is_told_then_granted_delivered_and_at_rest(
    kubernetes: Cluster, client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    namespace = made()
    ends = (datetime.now(UTC) + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with keeping(client, tmp_path / "state") as kept:
        await kept.want()
        ask(kube_client, namespace, reason="the shop's images", delivery={"serviceAccounts": ["builder"]})
        await until(lambda: conditions(read(kube_client, namespace)), "an answer")
        waiting = read(kube_client, namespace)
        assert waiting["status"]["state"] == "Requested"
        assert conditions(waiting) == {"Ready": ("False", "Requested"), "Reconciling": ("True", "Requested"),
                                       "Stalled": ("False", "Requested")}  # fmt: skip
        await until(lambda: told(kept), "a report")
        [one] = told(kept)
        assert (one.namespace, one.name, one.uid) == (namespace, "r", waiting["metadata"]["uid"])
        assert (one.registry, one.mode, one.accounts) == ("r", "standing", ("builder",))
        assert one.reason == "the shop's images"

        await kept.want(grant("r", "r.example.com/team", namespace, password="p", expires_at=ends))
        await asyncio.to_thread(
            kubectl, kubernetes, "wait", "-n", namespace, "--for=condition=Ready", "regacc/r", "--timeout=20s"
        )
        ready = read(kube_client, namespace)
        assert conditions(ready) == READY
        status = ready["status"]
        assert status["observedGeneration"] == ready["metadata"]["generation"] == 1
        assert (status["state"], status["secretName"], status["expiresAt"]) == ("Granted", "portreeve-pull", ends)
        assert status["keys"] == ["r.example.com/team/"] and status["grantedBy"] == "access test"  # noqa: PT018
        assert [one["manager"] for one in ready["metadata"]["managedFields"] if one.get("subresource")] == ["portreeve"]
        shown = await asyncio.to_thread(kubectl, kubernetes, "describe", "-n", namespace, "regacc", "r")
        assert ends in shown and "Last Refresh Time" in shown  # noqa: PT018

        def reasons() -> list[str]:
            """Those of its Events, which come just behind the status."""
            events = kubectl(kubernetes, "get", "events", "-n", namespace, "-o", "json")
            return [one["reason"] for one in json.loads(events)["items"] if one["involvedObject"]["name"] == "r"]

        await until(lambda: sorted(set(reasons()) - {"Delivering"}) == ["Requested", "SecretSynced"], "the Events")
        listed = await asyncio.to_thread(kubectl, kubernetes, "get", "portreeve", "-n", namespace)
        assert "Granted" in listed and "SecretSynced" in listed  # noqa: PT018

        # At rest: the same document once more, and looking at everything again, write nothing.
        part = kept.reconciler.requesting
        sent = part.sent
        assert sent == 2 * len(reasons()), "each status has its Event"
        for _ in range(3):
            await kept.want(grant("r", "r.example.com/team", namespace, password="p", expires_at=ends))
            await looked(kept)
        assert (part.sent, read(kube_client, namespace)["metadata"]["resourceVersion"]) == (
            sent,
            ready["metadata"]["resourceVersion"],
        )

        # Another version is another refresh; when it became ready stays.
        await kept.want(grant("r", "r.example.com/team", namespace, password="q", version=2, expires_at=ends))
        await until(lambda: read(kube_client, namespace)["status"]["credential"]["version"] == 2, "the rotation")
        rotated = read(kube_client, namespace)["status"]
        assert rotated["conditions"] == status["conditions"]

        # Who deletes the request withdraws it, and keeps what is granted.
        path = f"{API}/namespaces/{namespace}/registryaccesses/r"
        kube_client.request("DELETE", path).expect(200)
        await until(lambda: not told(kept), "the withdrawal")
        assert kube_client.request("GET", f"/api/v1/namespaces/{namespace}/secrets/portreeve-pull").status == 200


@pytest.mark.usefixtures("kind")
async def test_a_restart_says_nothing_before_it_knows(
    client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    namespace = made(team="restarted")
    selector = {"matchLabels": {"team": "restarted"}, "matchExpressions": []}
    given = grant("r", "r.example.com/team", password="p", selector=selector)
    async with keeping(client, tmp_path / "state") as kept:
        ask(kube_client, namespace)
        await kept.want(given)
        await until(lambda: conditions(read(kube_client, namespace)) == READY, "delivered")
        key = kept.key
    version = read(kube_client, namespace)["metadata"]["resourceVersion"]
    async with keeping(client, tmp_path / "state", key=key, generation=1) as kept:
        await kept.want(given)
        await until(lambda: namespace in kept.told(), "looked at")
        kept.reconciler.requesting.want(kept.document(given))
        await looked(kept)
        assert kept.reconciler.requesting.sent == 0
        assert read(kube_client, namespace)["metadata"]["resourceVersion"] == version


@pytest.mark.usefixtures("kind")
async def test_a_refusal_is_answered_with_its_reason_until_something_else_is_asked_for(
    client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    namespace = made()
    uid = ask(kube_client, namespace)["metadata"]["uid"]
    async with keeping(client, tmp_path / "state") as kept:
        kept.generation = 1
        refusal = {"namespace": namespace, "name": "r", "uid": uid, "generation": 1, "state": "Refused", "why": "no"}
        await kept.reconciler.act({**kept.document(), "requests": [refusal]})
        await until(lambda: conditions(read(kube_client, namespace)).get("Stalled") == ("True", "Refused"), "refused")
        found = read(kube_client, namespace)["status"]
        assert (found["state"], found["conditions"][0]["message"]) == ("Refused", "refused: no")
        patch: dict[str, Any] = {"spec": {"reason": "it is for production"}}
        path = f"{API}/namespaces/{namespace}/registryaccesses/r"
        kube_client.request("PATCH", path, patch, "application/merge-patch+json").expect(200)
        await until(lambda: read(kube_client, namespace)["status"]["state"] == "Requested", "asked anew")
        assert read(kube_client, namespace)["status"]["observedGeneration"] == 2
