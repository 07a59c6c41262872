"""The inventory of a namespace of the real API server, by the reflectors that an agent has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from portreeve.core.inventory import NEEDED
from portreeve.kube.client import Client, Selection
from portreeve.kube.objects import Event, Pod, ServiceAccount, Workload
from portreeve.kube.reflector import Added, Deleted, Modified, Reflector, Relisted, Synced
from portreeve.kube.resources import EVENTS, PODS, SERVICE_ACCOUNTS, WORKLOADS
from portreeve.reconciler.inventory import InventoryKeeper
from portreeve.wire.channel import Report, read_report, report_document
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.slow

Object = dict[str, Any]

APP, OLD, JOB = "harbor.example.com/shop/api:1.4", "harbor.example.com/shop/old:1", "quay.io/shop/report:2"
DIGEST = f"sha256:{'a' * 64}"
UNAUTHORIZED = f'failed to pull and unpack image "{APP}": failed to authorize: 401 Unauthorized'
KINDS: Mapping[Any, type[Any]] = {
    PODS: Pod, SERVICE_ACCOUNTS: ServiceAccount, EVENTS: Event, **dict.fromkeys(WORKLOADS, Workload)
}  # fmt: skip


@asynccontextmanager
async def kept(client: Client, namespace: str) -> AsyncIterator[InventoryKeeper]:
    """A keeper that is told of everything in a namespace, one reflector for each kind."""
    keeper = InventoryKeeper(NEEDED | {"Event"})

    async def follow(resource: Any, into: type[Any]) -> None:
        reflector = Reflector(client, resource, into, Selection(namespace), uniform=lambda _, high: high)
        async with aclosing(reflector.events()) as events:
            async for event in events:
                match event:
                    case Added(item) | Modified(item):
                        keeper.seen(resource.kind, item)
                    case Deleted(key, _):
                        keeper.gone(resource.kind, key)
                    case Synced() | Relisted():
                        keeper.listed(resource.kind)

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(follow(resource, into)) for resource, into in KINDS.items()]
        yield keeper
        for task in running:
            task.cancel()


class Server:
    """The other side: what it knows from reports, each read as the channel does."""

    def __init__(self, keeper: InventoryKeeper) -> None:
        self._keeper, self._reports = keeper, 0
        self.images: dict[tuple[str, str], str] = {}
        self.told: Mapping[str, Any] = {}

    async def until(self, holds: Callable[[Server], bool]) -> None:
        """Take reports until they say so; the timeout of `kept` ends it."""
        while not (self._keeper.complete and self._take() and holds(self)):  # noqa: ASYNC110 -- as a report is due
            await asyncio.sleep(0.05)

    def _take(self) -> bool:
        self._reports += 1
        sent = report_document(Report(self._reports, False, 1, **self._keeper.delta()))
        report = read_report(json.loads(json.dumps(sent)))
        self._keeper.acknowledged()
        for gone in report.images_removed:
            del self.images[gone.owner, gone.image]
        self.images.update({(one.owner, one.image): one.digest for one in report.images_added})
        for one in report.inventory or ():
            self.told = one
        return True

    def owners(self, part: str) -> dict[str, Any]:
        """Owner → what is said of it in a list of the namespace."""
        return {one["owner"]: one for one in self.told.get(part, ())}


def put_all(kube: KubeClient, namespace: str) -> None:
    metadata: Object = {"namespace": namespace}

    def container(image: str, name: str = "app") -> Object:
        return {"name": name, "image": image}

    def workload(kind: str, name: str, api: str, spec: Object) -> None:
        obj = {"apiVersion": api, "kind": kind, "metadata": {**metadata, "name": name}, "spec": spec}
        kube.create(obj).expect(201)

    def template(image: str, name: str, **more: Any) -> Object:
        return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container(image)], **more}}

    for name, image, replicas in (("api", APP, 1), ("asleep", OLD, 0)):
        selector = {"matchLabels": {"app": name}}
        workload("Deployment", name, "apps/v1", {"replicas": replicas, "selector": selector,
                                                 "template": template(image, name)})  # fmt: skip
    jobs = {"spec": {"template": template(JOB, "job", restartPolicy="Never")}}
    workload("CronJob", "nightly", "batch/v1", {"schedule": "@daily", "suspend": True, "jobTemplate": jobs})
    spec = {
        "containers": [{**container("main:1"), "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "initContainers": [container("init:1", "init")],
        "volumes": [{"name": "data", "image": {"reference": "data:1"}}],
    }
    workload("Pod", "bare", "v1", spec)
    workload("Pod", "own", "v1", {"containers": [container("main:1")], "imagePullSecrets": [{"name": "theirs"}]})
    tracked = {"argocd.argoproj.io/tracking-id": "shop:/ServiceAccount:shop/builder"}
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {**metadata, "name": "builder", "annotations": tracked},
        }
    ).expect(201)


def patch(kube: KubeClient, namespace: str, kind: str, name: str, body: Object, *, below: str = "") -> None:
    path = kube.path("v1", kind, name, namespace, below)
    kube.request("PATCH", path, body, "application/strategic-merge-patch+json").expect(200)


def status(state: Object, image_id: str = "") -> Object:
    one = {"name": "app", "image": APP, "imageID": image_id, "ready": False, "restartCount": 0, "state": state}
    return {"status": {"phase": "Pending", "containerStatuses": [one]}}


async def test_what_runs_what_could_run_and_what_was_missed(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:  # fmt: skip
    put_all(kube_client, namespace)
    debug = {"name": "debug", "image": "debug:1", "targetContainerName": "app"}
    patch(
        kube_client, namespace, "Pod", "bare", {"spec": {"ephemeralContainers": [debug]}}, below="ephemeralcontainers"
    )
    async with kept(client, namespace) as keeper:
        server = Server(keeper)
        await server.until(lambda told: ("Deployment/api", APP) in told.images)
        assert {image for owner, image in server.images if owner == "Pod/bare"} == {
            "main:1", "init:1", "data:1", "debug:1",
        }  # fmt: skip
        assert server.told["workloads"] == (
            {"owner": "CronJob/nightly", "image": JOB},
            {"owner": "Deployment/asleep", "image": OLD},
        )
        assert server.told["serviceAccounts"] == ({"name": "builder", "tool": "argocd", "app": "shop"},)
        assert "missed" not in server.told

        # The agent gives the ServiceAccount our entry: pods that are there have not got it.
        patch(kube_client, namespace, "ServiceAccount", "default", {"imagePullSecrets": [{"name": "portreeve-pull"}]})
        await server.until(lambda told: "missed" in told.told)
        assert {owner: one["why"] for owner, one in server.owners("missed").items()} == {
            "Deployment/api": "started_before",
            "Pod/bare": "started_before",
            "Pod/own": "own_secrets",
        }
        ours, theirs = server.told["pullSecretReferences"]
        assert (ours["secret"], ours["pods"], ours["serviceAccounts"]) == ("portreeve-pull", 0, ("default",))
        assert (theirs["secret"], theirs["pods"], theirs["owners"]) == ("theirs", 1, ("Pod/own",))

        # What `kubectl rollout restart` does: the next pod has it.
        again = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
        path = kube_client.path("apps/v1", "Deployment", "api", namespace)
        kube_client.request("PATCH", path, again, "application/strategic-merge-patch+json").expect(200)
        kube_client.request("DELETE", kube_client.path("v1", "Pod", "bare", namespace)).expect(200)
        await server.until(lambda told: any(one["pods"] for one in told.told["pullSecretReferences"]))
        await server.until(lambda told: ("Pod/bare", "main:1") not in told.images)


async def test_pulls_that_fail_and_pods_that_are_refused(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:  # fmt: skip
    put_all(kube_client, namespace)
    async with kept(client, namespace) as keeper:
        server = Server(keeper)
        await server.until(lambda told: ("Deployment/api", APP) in told.images)
        pods = kube_client.request("GET", kube_client.path("v1", "Pod", "", namespace)).body["items"]
        (api,) = (one for one in pods if one["metadata"]["name"].startswith("api-"))
        name, (above,) = api["metadata"]["name"], api["metadata"]["ownerReferences"]
        failing = status({"waiting": {"reason": "ErrImagePull", "message": UNAUTHORIZED}})
        patch(kube_client, namespace, "Pod", name, failing, below="status")
        await server.until(lambda told: "pullFailures" in told.told)
        (failed,) = server.told["pullFailures"]
        made = api["metadata"]["creationTimestamp"]
        assert failed == {
            "owner": "Deployment/api", "image": APP, "cause": "unauthorized", "count": 1, "since": made,
        }  # fmt: skip

        # A kubelet that backs off says no more why; its event does.
        backing = status({"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{APP}"'}})
        patch(kube_client, namespace, "Pod", name, backing, below="status")
        await server.until(lambda told: told.told["pullFailures"][0]["cause"] == "unknown")
        about = {"kind": "Pod", "namespace": namespace, "name": name, "uid": api["metadata"]["uid"]}
        tell(kube_client, about, "Failed", f'Failed to pull image "{APP}": {UNAUTHORIZED}')
        await server.until(lambda told: told.told["pullFailures"][0]["cause"] == "unauthorized")

        # The image is there, and new pods are refused.
        patch(kube_client, namespace, "Pod", name, status({"running": {}}, f"{APP}@{DIGEST}"), below="status")
        refused = "Error creating: pods is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: x"
        about = {"kind": "ReplicaSet", "namespace": namespace, "name": above["name"], "uid": above["uid"]}
        tell(kube_client, about, "FailedCreate", refused, count=4, firstTimestamp="2026-11-28T12:00:00Z")
        await server.until(lambda told: [one["cause"] for one in told.told["pullFailures"]] == ["admission"])
        assert server.told["pullFailures"][0] | {"image": ""} == {
            "owner": "Deployment/api", "image": "", "cause": "admission", "count": 4, "since": "2026-11-28T12:00:00Z",
        }  # fmt: skip
        assert server.images["Deployment/api", APP] == DIGEST
        assert "401" not in json.dumps(server.told)


def tell(kube: KubeClient, about: Object, reason: str, message: str, **more: Any) -> None:
    metadata = {"generateName": "told-", "namespace": about["namespace"]}
    said = {"involvedObject": about, "type": "Warning", "reason": reason, "message": message, **more}
    kube.create({"apiVersion": "v1", "kind": "Event", "metadata": metadata, **said}).expect(201)
