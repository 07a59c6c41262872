"""Events on a real API server: on the right objects, taken by it, readable by kubectl; silent where they should be.

Source: issue 5, point 9; interfaces.md, "CRDs".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.cluster_events import REPEAT
from portreeve.core.desired import sources_document
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.sources import resolve
from portreeve.kube.client import Client
from portreeve.reconciler.telling import Telling
from tests.fakes.fault_proxy import FaultProxy, Says
from tests.reconciler.keeping import Kept, attached, grant, keeping, until
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.wide

SECRET = "canary-of-the-events-5519"
SOURCES = resolve(
    RegistryPolicy("prod", sources=(AllowedSource(parse_prefix("r.example.com/team")),), stage=Stage.DENY)
)


class Moved:
    """The time, and what a test adds to it."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.by


def events(kube: KubeClient, namespace: str) -> list[dict[str, Any]]:
    """Ours, as kubectl lists them."""
    found = kube.request("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events").expect(200).body["items"]
    return [one for one in found if one["reportingController"] == "portreeve.io/agent"]


def deployment(namespace: str, image: str) -> dict[str, Any]:
    labels = {"app": "api"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


async def test_what_a_developer_is_told_on_their_own_objects(
    client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    granted, taken = made(), made()
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portreeve-pull", "namespace": taken}}
    kube_client.create({**foreign, "stringData": {"a": "b"}}).expect(201)
    kube_client.create(deployment(granted, "evil.example.com/x:1")).expect(201)
    clock = Moved()
    async with keeping(client, tmp_path, clock=clock) as kept:
        telling = kept.reconciler.telling
        ends = (datetime.now(UTC) + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        await want(kept, grant("r", "r.example.com/team", granted, taken, password=SECRET, expires_at=ends))
        await until(lambda: "portreeve-pull" in attached(kube_client, granted), "attached")
        await until(lambda: kept.told().get(taken, {}).get("phase") == "NameTaken", "told")
        await until(lambda: kept.told().get(granted, {}).get("phase") == "Delivered", "delivered")
        await until(lambda: _knows(telling, granted), "seen")
        await look(telling, granted, taken)
        found = {one["reason"]: one for one in events(kube_client, granted)}
        assert set(found) == {"ImageNotAllowed", "PullSecretAttached"}
        image = found["ImageNotAllowed"]
        assert (image["type"], image["regarding"]["kind"], image["regarding"]["name"]) == (
            "Warning",
            "Deployment",
            "api",
        )
        assert "evil.example.com/x:1" in image["note"]
        account = found["PullSecretAttached"]
        assert (account["type"], account["regarding"]["name"]) == ("Normal", "default")
        [conflict] = events(kube_client, taken)
        assert (conflict["reason"], conflict["regarding"]["name"]) == ("PullSecretConflict", "portreeve-pull")
        # As the older API shows it, which kubectl describe reads.
        listed = kube_client.request("GET", f"/api/v1/namespaces/{granted}/events").body["items"]
        assert "ImageNotAllowed" in {one["reason"] for one in listed}

        # Nothing is said twice; what goes on is said again later, with how often.
        await look(telling, granted, taken)
        assert len(events(kube_client, granted)) == 2
        clock.by = timedelta(hours=4)
        await look(telling, granted, taken)
        assert len(events(kube_client, granted)) == 3
        expiring = [one for one in events(kube_client, granted) if one["reason"] == "PullCredentialExpiring"]
        assert [(one["type"], one["regarding"]["kind"]) for one in expiring] == [("Warning", "Secret")]
        assert "r.example.com/team/" in expiring[0]["note"]
        clock.by = REPEAT + timedelta(minutes=1)
        await look(telling, granted, taken)
        counts = [one["series"]["count"] for one in events(kube_client, granted) if "series" in one]
        assert counts == [2]
        for namespace in (granted, taken):
            assert SECRET not in str(events(kube_client, namespace))
    # Nobody is told once more of what the agent before has attached.
    async with keeping(client, tmp_path) as kept:
        telling = kept.reconciler.telling
        await until(lambda: (granted, "default") in telling._accounts, "seen")
        assert [fact for fact in telling._facts(clock()) if fact.reason == "PullSecretAttached"] == []


async def look(telling: Telling, *namespaces: str) -> int:
    """Say what is due. The cluster is shared: what others run in it is looked away from, as there may be much of it."""
    for place in [place for place in telling._workloads if place[1] not in namespaces]:
        del telling._workloads[place]
    return await telling.look()


async def want(kept: Kept, *grants: dict[str, Any]) -> None:
    """A document with these grants and the policy, whose objects nobody renders: the cluster is shared."""
    kept.generation += 1
    stated = {"name": SOURCES.policy, "version": SOURCES.generation, "stage": "deny", "renderDigest": None}
    document = {**kept.document(*grants), "policy": stated, "sources": sources_document(SOURCES)}
    await kept.reconciler.act(json.loads(json.dumps(document)))


def _knows(telling: Telling, namespace: str) -> bool:
    """Whether the watches have shown it everything that this test is about."""
    facts = {fact.reason for fact in telling._facts(datetime.now(UTC)) if fact.subject.namespace == namespace}
    return {"ImageNotAllowed", "PullSecretAttached"} <= facts


async def test_it_is_silent_while_the_api_server_is_busy(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    kube_client.create(deployment(namespace, "evil.example.com/x:1")).expect(201)
    async with keeping(through_proxy, tmp_path) as kept:
        telling = kept.reconciler.telling
        telling.policy(SOURCES)
        await until(
            lambda: any(one.subject.namespace == namespace for one in telling._facts(datetime.now(UTC))), "seen"
        )
        too_many = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429, "reason": "TooManyRequests"}
        proxy.inject(Says(429, {"Retry-After": "7"}, too_many), "POST /apis/events.k8s.io")
        assert await look(telling, namespace) == 0
        assert proxy.faulted["Says"] == 1
        assert events(kube_client, namespace) == []
        assert telling.quiet
        # It was not said, so it is, later.
        await look(telling, namespace)
        assert [one["reason"] for one in events(kube_client, namespace)] == ["ImageNotAllowed"]


async def test_without_a_policy_nothing_is_said_of_images(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    kube_client.create(deployment(namespace, "evil.example.com/x:1")).expect(201)
    async with keeping(client, tmp_path) as kept:
        telling = kept.reconciler.telling
        await until(lambda: any(one[0].namespace == namespace for one in telling._workloads.values()), "seen")
        await look(telling, namespace)
        assert events(kube_client, namespace) == []
        telling.policy(SOURCES)
        # Once it is gone, nothing is said of it.
        facts = [one for one in telling._facts(datetime.now(UTC)) if one.subject.namespace == namespace]
        assert [one.reason for one in facts] == ["ImageNotAllowed"]
        kube_client.delete(deployment(namespace, "x")).expect(200)
        await until(lambda: not any(one[0].namespace == namespace for one in telling._workloads.values()), "gone")
        assert [one for one in telling._facts(datetime.now(UTC)) if one.subject.namespace == namespace] == []
