"""Every field that is kept, read from the real API server: a misspelt one would read as empty."""

from __future__ import annotations

from typing import Any

import pytest

from portreeve.kube.client import METADATA_LIST, Client, Selection
from portreeve.kube.objects import Event, Meta, Namespace, OwnedMeta, Pod, Secret, ServiceAccount, Workload
from portreeve.kube.resources import (
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    Resource,
)
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.slow

IMAGE = "registry.example.com/team/app:1"
SPEC = {"containers": [{"name": "app", "image": IMAGE, "imagePullPolicy": "Always"}], "serviceAccountName": "default"}
MARKS = {"portreeve.io/registry.a": "harbor"}
TEMPLATE = {"metadata": {"labels": {"app": "a"}, "annotations": MARKS}, "spec": SPEC}
JOB_TEMPLATE = {"metadata": {"annotations": MARKS}, "spec": SPEC | {"restartPolicy": "Never"}}
SELECTED = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}

WORKLOADS: list[tuple[Resource, dict[str, Any]]] = [
    (DEPLOYMENTS, {"replicas": 0, **SELECTED}),
    (STATEFUL_SETS, {"replicas": 0, "serviceName": "a", **SELECTED}),
    (DAEMON_SETS, SELECTED),
    (REPLICA_SETS, {"replicas": 0, **SELECTED}),
    (JOBS, {"suspend": True, "template": JOB_TEMPLATE}),
    (CRON_JOBS, {"schedule": "@daily", "suspend": True, "jobTemplate": {"spec": {"template": JOB_TEMPLATE}}}),
]


@pytest.mark.parametrize(("resource", "spec"), WORKLOADS, ids=[resource.kind for resource, _ in WORKLOADS])
async def test_a_workload(
    resource: Resource, spec: dict[str, Any], client: Client, kube_client: KubeClient, namespace: str
) -> None:
    metadata = {"name": "a", "namespace": namespace, "labels": {"team": "x"}}
    made = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
    kube_client.create(made).expect(201)
    (seen,) = await client.list(resource, Workload, Selection(namespace, labels="team=x"))
    assert seen.metadata.generation == 1
    assert seen.metadata.labels is not None
    assert seen.metadata.labels["team"] == "x"
    assert seen.spec.replicas == spec.get("replicas")
    assert seen.template.metadata.annotations == {"portreeve.io/registry.a": "harbor"}
    assert seen.template.spec.service_account_name == "default"
    (use,) = seen.image_uses(resource.kind)
    assert (use.kind, use.namespace, use.name, use.container, use.image) == (
        resource.kind, namespace, "a", "app", IMAGE,
    )  # fmt: skip


async def test_how_far_a_rollout_is(client: Client, kube_client: KubeClient, namespace: str) -> None:
    """Of a StatefulSet, as no controller here writes what is said of it."""
    metadata = {"name": "a", "namespace": namespace}
    made = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {"serviceName": "a", **SELECTED},
    }
    kube_client.create(made).expect(201)
    path = kube_client.path("apps/v1", "StatefulSet", "a", namespace, "status")
    said = {"observedGeneration": 1, "replicas": 4, "readyReplicas": 3, "availableReplicas": 2, "updatedReplicas": 1}
    kube_client.request("PATCH", path, {"status": said}, "application/merge-patch+json").expect(200)
    status = (await client.get(STATEFUL_SETS, "a", Workload, namespace=namespace)).status
    assert (status.observed_generation, status.replicas) == (1, 4)
    assert (status.available_replicas, status.updated_replicas) == (2, 1)


async def test_a_pod_with_what_a_kubelet_says(client: Client, kube_client: KubeClient, namespace: str) -> None:
    kube_client.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a", "namespace": namespace},
            "spec": {**SPEC, "nodeName": "worker-1", "imagePullSecrets": [{"name": "portreeve-pull"}]},
        }
    ).expect(201)
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    status = {
        "phase": "Pending",
        "containerStatuses": [
            {
                "name": "app",
                "image": IMAGE,
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"waiting": waiting},
            }
        ],
        "initContainerStatuses": [
            {
                "name": "init",
                "image": IMAGE,
                "imageID": f"{IMAGE}@sha256:{'0' * 64}",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {}},
            }
        ],
    }
    path = kube_client.path("v1", "Pod", "a", namespace, "status")
    kube_client.request("PATCH", path, {"status": status}, "application/merge-patch+json").expect(200)
    pod = await client.get(PODS, "a", Pod, namespace=namespace)
    assert pod.metadata.uid
    assert pod.metadata.resource_version
    assert pod.metadata.creation_timestamp.endswith("Z")
    assert (pod.spec.node_name, pod.spec.pull_secrets) == ("worker-1", ("portreeve-pull",))
    assert pod.spec.containers[0].image_pull_policy == "Always"
    assert pod.status.phase == "Pending"
    assert [(name, why.reason, why.message) for name, why in pod.status.waiting] == [
        ("app", "ImagePullBackOff", "Back-off pulling image")
    ]
    assert {one.name: (one.ready, one.image_id) for one in pod.status.containers} == {
        "app": (False, ""),
        "init": (True, f"{IMAGE}@sha256:{'0' * 64}"),
    }


async def test_an_event(client: Client, kube_client: KubeClient, namespace: str) -> None:
    kube_client.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "a", "namespace": namespace},
            "involvedObject": {
                "kind": "Pod",
                "namespace": namespace,
                "name": "api",
                "uid": "1",
                "fieldPath": "spec.containers{app}",
            },
            "type": "Warning",
            "reason": "Failed",
            "message": "Failed to pull image",
            "count": 3,
            "firstTimestamp": "2026-11-28T11:00:00Z",
            "lastTimestamp": "2026-11-28T12:00:00Z",
            "eventTime": None,
        }
    ).expect(201)
    (seen,) = await client.list(EVENTS, Event, Selection(namespace, fields="reason=Failed"))
    about = seen.involved_object
    assert (about.kind, about.namespace, about.name, about.uid) == ("Pod", namespace, "api", "1")
    assert about.field_path == "spec.containers{app}"
    assert (seen.type, seen.reason, seen.message, seen.count) == ("Warning", "Failed", "Failed to pull image", 3)
    assert (seen.last_timestamp, seen.event_time) == ("2026-11-28T12:00:00Z", None)
    assert seen.first_timestamp == "2026-11-28T11:00:00Z"


async def test_a_namespace_a_secret_and_a_service_account(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    seen = await client.get(NAMESPACES, namespace, Namespace)
    assert (seen.status.phase, seen.ending) == ("Active", False)
    assert seen.value().labels == {"kubernetes.io/metadata.name": namespace}
    metadata = {"name": "a", "namespace": namespace, "annotations": {"argocd.argoproj.io/tracking-id": "x"}}
    kube_client.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"k": "aHVudGVyMg=="}, "immutable": True}
    ).expect(201)
    secret = await client.get(SECRETS, "a", Secret, namespace=namespace)
    assert (secret.type, secret.immutable) == ("Opaque", True)
    assert secret.data is not None
    assert secret.data["k"].reveal() == b"hunter2"
    assert "hunter2" not in repr(secret)
    assert "aHVudGVyMg" not in repr(secret)
    (alone,) = await client.list(SECRETS, OwnedMeta, Selection(namespace, "metadata.name=a"), accept=METADATA_LIST)
    assert alone.metadata.managed_fields is not None
    assert alone.metadata.managed_fields[0].operation == "Update"
    assert "f:data" in alone.metadata.managed_fields[0].fields
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    kube_client.create({**account, "imagePullSecrets": [{"name": "theirs"}]}).expect(201)
    read = await client.get(SERVICE_ACCOUNTS, "a", ServiceAccount, namespace=namespace)
    assert read.pull_secrets == ("theirs",)
    assert read.metadata.annotations == metadata["annotations"]
    kept = await client.get(SERVICE_ACCOUNTS, "a", Meta, namespace=namespace)
    assert kept.metadata.annotations == metadata["annotations"]
