"""Old entries and old Secrets on the real API server: one thing goes, everything else stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portreeve.core.retirement import Detach, Removal
from portreeve.kube.client import Client
from portreeve.kube.objects import OwnedMeta
from portreeve.kube.resources import SECRETS, SERVICE_ACCOUNTS
from portreeve.kube.retiring import Done, detach, remove
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.wide


def pulls(kube: KubeClient, namespace: str) -> list[str]:
    body = kube.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default").expect(200).body
    return [one["name"] for one in body.get("imagePullSecrets", ())]


def patched(kube: KubeClient, namespace: str, *operations: dict[str, Any]) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    kube.request("PATCH", path, list(operations), "application/json-patch+json").expect(200)


def named(kube: KubeClient, namespace: str, *names: str) -> None:
    patched(kube, namespace, {"op": "add", "path": "/imagePullSecrets", "value": [{"name": one} for one in names]})


async def wanted(client: Client, namespace: str) -> Detach:
    found = await client.get(SERVICE_ACCOUNTS, "default", OwnedMeta, namespace=namespace)
    return Detach(namespace, "default", "old", found.metadata.uid)


async def test_one_entry_goes_and_the_others_keep_their_order(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    named(kube_client, namespace, "a", "old", "portreeve-pull", "old-too", "z")
    step = await wanted(client, namespace)
    assert await detach(client, step, dry_run=True) is Done.DONE
    assert "old" in pulls(kube_client, namespace)
    assert await detach(client, step) is Done.DONE
    assert pulls(kube_client, namespace) == ["a", "portreeve-pull", "old-too", "z"]
    assert await detach(client, step) is Done.ABSENT


async def test_an_entry_of_our_name_that_stays_does_not_become_the_agent_s(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/by-hand"
    named_so = {"name": "by-hand", "namespace": namespace, "labels": {"a": "b"}}
    pulls_with = [{"name": "old"}, {"name": "portreeve-pull"}]
    made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named_so, "imagePullSecrets": pulls_with}
    uid = kube_client.create(made).expect(201).body["metadata"]["uid"]
    assert await detach(client, Detach(namespace, "by-hand", "old", uid)) is Done.DONE
    managed = kube_client.request("GET", path).expect(200).body["metadata"]["managedFields"]
    assert [one["manager"] for one in managed if "f:imagePullSecrets" in one["fieldsV1"]] == ["portreeve-cli"]


async def test_an_account_that_is_not_what_was_seen_is_left_alone(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    named(kube_client, namespace, "old")
    step = await wanted(client, namespace)
    assert await detach(client, step) is Done.CHANGED  # ours is not named
    named(kube_client, namespace, "old", "portreeve-pull")
    assert await detach(client, Detach(namespace, "default", "old", "another")) is Done.CHANGED
    assert await detach(client, Detach(namespace, "absent", "old", step.uid)) is Done.ABSENT
    assert pulls(kube_client, namespace) == ["old", "portreeve-pull"]


async def test_no_entry_of_others_is_lost_who_write_at_the_same_time(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    named(kube_client, namespace, "old", "portreeve-pull")
    step = await wanted(client, namespace)

    def others() -> None:
        for number in range(12):
            entry = {"op": "add", "path": "/imagePullSecrets/0", "value": {"name": f"other-{number}"}}
            patched(kube_client, namespace, entry)

    writing = asyncio.create_task(asyncio.to_thread(others))
    outcome = await detach(client, step)
    await writing
    left = pulls(kube_client, namespace)
    assert {f"other-{number}" for number in range(12)} <= set(left)
    assert "portreeve-pull" in left
    assert ("old" in left) == (outcome is Done.CHANGED)


async def test_a_secret_goes_only_at_the_version_that_was_seen(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "old", "namespace": namespace}}
    kube_client.create(obj).expect(201)
    seen = (await client.get(SECRETS, "old", OwnedMeta, namespace=namespace)).metadata
    path = f"/api/v1/namespaces/{namespace}/secrets/old"
    change = [{"op": "add", "path": "/metadata/labels", "value": {"changed": "yes"}}]
    kube_client.request("PATCH", path, change, "application/json-patch+json").expect(200)
    step = Removal(namespace, "old", seen.uid, seen.resource_version)
    assert await remove(client, step) is Done.CHANGED
    now = (await client.get(SECRETS, "old", OwnedMeta, namespace=namespace)).metadata
    assert await remove(client, Removal(namespace, "old", "another", now.resource_version)) is Done.CHANGED
    step = Removal(namespace, "old", now.uid, now.resource_version)
    assert await remove(client, step, dry_run=True) is Done.DONE
    kube_client.request("GET", path).expect(200)
    assert await remove(client, step) is Done.DONE
    kube_client.request("GET", path).expect(404)
    assert await remove(client, step) is Done.ABSENT
