"""Pull secrets and ServiceAccounts on a real API server: delivered, rotated in place, attached, taken away."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portreeve.kube.client import Client
from portreeve.reconciler.delivering import _plain, _record
from portreeve.reconciler.records import Journal
from portreeve.vault import sealing
from tests.reconciler.keeping import attached, auths_in, grant, keeping, secret_in, until
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.wide

KEY = "r.example.com/team/"


def delivered(kube: KubeClient, namespace: str, password: str) -> Callable[[], bool]:
    return lambda: (
        auths_in(kube, namespace).get(KEY) == ("robot", password) and "portreeve-pull" in attached(kube, namespace)
    )


async def test_a_grant_is_delivered_rotated_in_place_and_taken_back(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    async with keeping(client, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", namespace, password="first"))
        await until(delivered(kube_client, namespace, "first"), "delivered")
        first = secret_in(kube_client, namespace)
        await kept.want(grant("r", "r.example.com/team", namespace, password="second", version=2))
        await until(delivered(kube_client, namespace, "second"), "rotated")
        second = secret_in(kube_client, namespace)
        assert first is not None
        assert second is not None
        assert second["metadata"]["uid"] == first["metadata"]["uid"]
        await until(lambda: kept.told().get(namespace, {}).get("entries", [{}])[0].get("version") == 2, "told")
        told = kept.told()[namespace]
        assert (told["phase"], told["uid"], told["entries"][0]["state"]) == (
            "Delivered",
            first["metadata"]["uid"],
            "live",
        )
        await kept.want()
        await until(lambda: secret_in(kube_client, namespace) is None, "removed")
        await until(lambda: attached(kube_client, namespace) == [], "detached")
        await until(lambda: namespace not in kept.told(), "withdrawn")
        assert kept.conditions()["Delivered"] == "True"


async def test_at_rest_nothing_is_written_and_a_restart_changes_nothing(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    wanted = grant("r", "r.example.com/team", namespace, password="pw")
    async with keeping(client, tmp_path) as kept:
        await kept.want(wanted)
        await until(delivered(kube_client, namespace, "pw"))
        await until(lambda: namespace in kept.told())
        key, sent = kept.key, kept.reconciler.delivering.sent
        before = secret_in(kube_client, namespace)
        ticks = kept.reconciler.delivering.ticks
        await until(lambda: kept.reconciler.delivering.ticks > ticks + 2)
        assert kept.reconciler.delivering.sent == sent
    async with keeping(client, tmp_path, key=key) as again:
        await again.want(wanted)
        await until(lambda: again.told().get(namespace, {}).get("phase") == "Delivered")
        assert again.reconciler.delivering.sent == 0
    assert secret_in(kube_client, namespace) == before


async def test_a_new_namespace_that_a_selector_selects_gets_its_secret(
    client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    async with keeping(client, tmp_path) as kept:
        selector = {"matchLabels": {"team": "shop"}, "matchExpressions": []}
        await kept.want(grant("r", "r.example.com/team", password="pw", selector=selector, accounts="all"))
        await until(lambda: kept.conditions().get("ClusterSeen") == "True")
        namespace, other = made(team="shop"), made(team="other")
        await until(delivered(kube_client, namespace, "pw"))
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "build", "namespace": namespace}}
        kube_client.create(account).expect(201)
        await until(lambda: attached(kube_client, namespace, "build") == ["portreeve-pull"])
        assert secret_in(kube_client, other) is None
        kube_client.request(
            "PATCH", f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {"team": "x"}}},
            "application/merge-patch+json",
        ).expect(200)  # fmt: skip
        await until(lambda: secret_in(kube_client, namespace) is None and attached(kube_client, namespace) == [])


async def test_what_belongs_to_others_is_left_and_told(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    data = base64.b64encode(json.dumps({"auths": {}}).encode()).decode()
    theirs = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "portreeve-pull", "namespace": namespace},
        "data": {".dockerconfigjson": data},
    }
    kube_client.create(theirs).expect(201)
    own = {"imagePullSecrets": [{"name": "my-own"}]}
    kube_client.request(
        "PATCH", f"/api/v1/namespaces/{namespace}/serviceaccounts/default", own, "application/merge-patch+json"
    ).expect(200)
    before = secret_in(kube_client, namespace)
    async with keeping(client, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", namespace, password="pw"))
        await until(lambda: kept.told().get(namespace, {}).get("phase") == "NameTaken")
        assert "not ours" in kept.told()[namespace]["conflict"]
        assert kept.conditions()["Delivered"] == "False"
        assert secret_in(kube_client, namespace) == before
        assert attached(kube_client, namespace) == ["my-own"]
        # Once its owner has taken it away, ours comes; and it leaves without what is theirs.
        kube_client.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/portreeve-pull").expect(200)
        await until(lambda: attached(kube_client, namespace) == ["my-own", "portreeve-pull"])
        await kept.want()
        await until(lambda: attached(kube_client, namespace) == ["my-own"])
        await until(lambda: secret_in(kube_client, namespace) is None)


async def test_what_was_left_by_an_agent_that_lost_its_records_is_found_and_taken_away(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    async with keeping(client, tmp_path / "one") as kept:
        await kept.want(grant("r", "r.example.com/team", namespace, password="pw"))
        await until(delivered(kube_client, namespace, "pw"))
    async with keeping(client, tmp_path / "two", generation=10) as other:
        await other.want()
        await until(lambda: secret_in(kube_client, namespace) is None)
        await until(lambda: attached(kube_client, namespace) == [])


async def test_a_lease_is_hollow_until_somebody_has_to_pull(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    async with keeping(client, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", namespace, password="pw", mode="lease"))
        await until(lambda: auths_in(kube_client, namespace) == {KEY: ("", "")})
        uid = (secret_in(kube_client, namespace) or {})["metadata"]["uid"]
        kube_client.create(pod(namespace, "r.example.com/team/api:1")).expect(201)
        await until(delivered(kube_client, namespace, "pw"))
        assert (secret_in(kube_client, namespace) or {})["metadata"]["uid"] == uid


async def test_a_secret_for_workloads_is_there_as_long_as_one_uses_the_registry(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly", "namespace": namespace},
        "spec": {
            "schedule": "0 3 * * *",
            "jobTemplate": {
                "spec": {
                    "template": {
                        "metadata": {"annotations": {"portreeve.io/registry.main": "r"}},
                        "spec": pod(namespace, "busybox")["spec"] | {"restartPolicy": "Never"},
                    }
                }
            },
        },
    }
    async with keeping(client, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", namespace, password="pw", mode="workload"))
        # It is attached before: what is started without it never gets it.
        await until(lambda: attached(kube_client, namespace) == ["portreeve-pull"])
        assert secret_in(kube_client, namespace) is None
        kube_client.create(job).expect(201)
        await until(delivered(kube_client, namespace, "pw"))
        kube_client.delete(job)
        await until(lambda: secret_in(kube_client, namespace) is None)
        assert attached(kube_client, namespace) == ["portreeve-pull"]


def pod(namespace: str, image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


async def test_edits_of_our_secret_and_an_immutable_one_are_told(
    client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    edited, fixed, deleted = made(), made(), made()
    path = "/api/v1/namespaces/{}/secrets/portreeve-pull"

    def grants(password: str, version: int) -> dict[str, Any]:
        return grant("r", "r.example.com/team", edited, fixed, deleted, password=password, version=version)

    async with keeping(client, tmp_path) as kept:
        await kept.want(grants("one", 1))
        for name in (edited, fixed, deleted):
            await until(delivered(kube_client, name, "one"))
        kube_client.request("DELETE", path.format(deleted)).expect(200)
        await until(delivered(kube_client, deleted, "one"), "made anew")
        merge = "application/merge-patch+json"
        kube_client.request("PATCH", path.format(fixed), {"immutable": True}, merge).expect(200)
        data = {".dockerconfigjson": base64.b64encode(b'{"auths":{}}').decode()}
        kube_client.request("PATCH", path.format(edited), {"data": data}, merge).expect(200)
        await until(lambda: kept.told().get(edited, {}).get("phase") == "NameTaken")
        await kept.want(grants("two", 2))
        await until(lambda: kept.told().get(fixed, {}).get("phase") == "Immutable")
        assert auths_in(kube_client, edited) == {}
        assert auths_in(kube_client, fixed)[KEY][1] == "one"


async def test_several_grants_share_one_secret_and_two_versions_overlap(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    old = grant("r", "r.example.com/team", namespace, password="old", version=1)
    new = grant("r", "r.example.com/team", namespace, password="new", version=2)
    hub = grant("hub", "docker.io", namespace, password="hub")
    async with keeping(client, tmp_path) as kept:
        await kept.want(old, new, hub)
        await until(delivered(kube_client, namespace, "new"))
        assert auths_in(kube_client, namespace) == {
            "https://index.docker.io/v1/": ("robot", "hub"),
            "https://r.example.com/v2/team/": ("robot", "old"),
            KEY: ("robot", "new"),
        }
        await kept.want(new, hub)
        await until(lambda: len(auths_in(kube_client, namespace)) == 2)


async def test_what_was_sealed_for_another_agent_leaves_what_is_there(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    async with keeping(client, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", namespace, password="pw"))
        await until(delivered(kube_client, namespace, "pw"))
        own, kept.key = kept.key, sealing.generate()
        await kept.want(grant("r", "r.example.com/team", namespace, password="stolen", version=2))
        await until(lambda: kept.conditions().get("CredentialsOpened") == "False")
        await until(lambda: kept.told()[namespace]["phase"] == "Kept")
        assert auths_in(kube_client, namespace)[KEY] == ("robot", "pw")
        kept.key = own
        await kept.want(grant("r", "r.example.com/team", namespace, password="third", version=3))
        await until(delivered(kube_client, namespace, "third"))
        await until(lambda: kept.conditions()["CredentialsOpened"] == "True")


async def test_many_namespaces_are_told_in_few_reports(
    kubernetes: Cluster, client: Client, kube_client: KubeClient, made: Callable[..., str], tmp_path: Path
) -> None:
    names = [made() for _ in range(20)]
    async with keeping(client, tmp_path) as kept:
        await kept.want(grant("r", "r.example.com/team", *names, password="pw"))
        await until(lambda: all(kept.told().get(name, {}).get("phase") == "Delivered" for name in names))
        assert len(kept.reports) <= 12
        told = [one.capabilities for one in kept.reports if one.capabilities]
        assert told == [{"kubernetes": kubernetes.version, "mutatingAdmissionPolicy": False}]
        assert kept.reports[0].whole
        assert [one.whole for one in kept.reports[1:]] == [False] * (len(kept.reports) - 1)
        assert {one["name"] for one in kept.reports[0].namespaces_added} >= set(names)


def holders(kube: KubeClient, namespace: str) -> list[str]:
    account = kube.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default").expect(200).body
    return [one["manager"] for one in account["metadata"].get("managedFields", ()) if LIST in one["fieldsV1"]]


LIST = "f:imagePullSecrets"


async def test_an_entry_by_hand_where_ours_was_only_recorded_stays_and_is_told(
    client: Client, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    """Seed 107155 of the simulation, from where the agent dies before it hears that it was refused."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    before = kube_client.request("GET", path).expect(200).body["metadata"]
    record = {"namespace": "", "secret": "", "intended": {before["uid"]: before["resourceVersion"]}, "attached": {}}
    with Journal(tmp_path) as journal:
        journal.write("namespace", {namespace: record})
    by_hand = {"imagePullSecrets": [{"name": "portreeve-pull"}]}
    kube_client.request("PATCH", path, by_hand, "application/merge-patch+json").expect(200)
    async with keeping(client, tmp_path) as kept:
        await kept.want()
        await until(lambda: kept.told().get(namespace, {}).get("phase") == "EntryLeft", "told")
        assert attached(kube_client, namespace) == ["portreeve-pull"]
        assert "take it out" in kept.told()[namespace]["conflict"]
        assert kept.conditions()["Delivered"] == "False"
        nothing: dict[str, Any] = {"imagePullSecrets": None}
        kube_client.request("PATCH", path, nothing, "application/merge-patch+json").expect(200)
        await until(lambda: namespace not in kept.told(), "withdrawn")
        await kept.want(grant("r", "r.example.com/team", namespace, password="pw"))
        await until(delivered(kube_client, namespace, "pw"), "delivered")
        assert holders(kube_client, namespace) == ["portreeve"], "the server has begun to say whose the list is"


@pytest.mark.parametrize("stored", [["u"], {"u": "7"}])
def test_a_record_is_read_as_earlier_agents_wrote_it(stored: Any) -> None:
    read = _record({"namespace": "n", "secret": "s", "attached": stored})
    assert read.attached["u"].shown
    assert _record(_plain(read) or {}) == read
