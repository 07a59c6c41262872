"""Objects of the API as the core sees them: what pulls, what is ours, what a Secret holds."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from portreeve.core.credential import AuthEntry, CredentialRef
from portreeve.core.observation import ENTRIES_ANNOTATION, MANAGER, encode_facts, facts
from portreeve.core.secret import SecretValue
from portreeve.kube.objects import OwnedMeta, Pod, Secret, ServiceAccount, Workload
from portreeve.reconciler import seen


def pod(phase: str, **status: Any) -> Pod:
    found = {
        "metadata": {"name": "p", "namespace": "shop", "uid": "u", "annotations": {"portreeve.io/registry.main": "r"}},
        "spec": {"containers": [{"name": "c", "image": "r.example.com/team/a:1"}, {"name": "d", "image": "UPPER/x"}]},
        "status": {"phase": phase, **status},
    }
    return msgspec.convert(found, Pod)


def container(image_id: str = "", waiting: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    return {"name": "c", "imageID": image_id, "state": state}


@pytest.mark.parametrize(
    ("phase", "statuses", "pulls"),
    [
        ("Pending", [], True),
        ("", [], True),
        ("Running", [container("sha256:1")], False),
        ("Running", [container("sha256:1"), container("", "ImagePullBackOff")], True),
        ("Running", [container("sha256:1", "CrashLoopBackOff")], False),
        ("Running", [container("sha256:1", "ErrImagePull")], True),
    ],
)
def test_a_pod_has_to_pull_until_all_its_images_are_there(phase: str, statuses: list[Any], pulls: bool) -> None:
    found = seen.pod(pod(phase, containerStatuses=statuses))
    assert found is not None
    assert found.pulling is pulls
    assert (found.name, set(found.registries)) == ("Pod/p", {"r"})
    assert [str(one) for one in found.images] == ["r.example.com/team/a:1"], "what cannot be read uses no registry"


def test_pods_of_the_same_images_share_what_was_read_of_them() -> None:
    """Ten thousand of them are kept."""
    one, other = seen.pod(pod("Running")), seen.pod(pod("Pending"))
    assert one is not None
    assert other is not None
    assert one.images is other.images
    assert one.pulling is not other.pulling


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_is_none(phase: str) -> None:
    assert seen.pod(pod(phase)) is None


@pytest.mark.parametrize(
    ("kind", "spec", "status", "rolling"),
    [
        ("Deployment", {"replicas": 2}, {"observedGeneration": 3, "updatedReplicas": 2}, False),
        ("Deployment", {"replicas": 2}, {"observedGeneration": 2, "updatedReplicas": 2}, True),
        ("Deployment", {"replicas": 2}, {"observedGeneration": 3, "updatedReplicas": 1}, True),
        ("Deployment", {"replicas": 0}, {"observedGeneration": 2}, False),
        ("DaemonSet", {}, {"observedGeneration": 2}, True),
        ("DaemonSet", {}, {"observedGeneration": 3}, False),
        ("Job", {}, {}, False),
    ],
)
def test_a_workload_pulls_while_it_is_rolled_out(kind: str, spec: Any, status: Any, rolling: bool) -> None:
    template = {"spec": {"containers": [{"image": "r.example.com/team/a:1"}]}}
    metadata = {"name": "w", "namespace": "shop", "uid": "u", "generation": 3}
    whole = msgspec.convert({"metadata": metadata, "spec": {**spec, "template": template}, "status": status}, Workload)
    found = seen.workload(kind, whole)
    assert found is not None
    assert found.pulling is rolling


def test_what_another_workload_made_is_passed_over() -> None:
    owner = {"kind": "Deployment", "name": "w", "uid": "o", "controller": True}
    made = {"metadata": {"name": "w-1", "namespace": "shop", "ownerReferences": [owner]}}
    assert seen.workload("ReplicaSet", msgspec.convert(made, Workload)) is None


def metadata(*managed: tuple[str, dict[str, Any]], labels: dict[str, str] | None = None) -> dict[str, Any]:
    entry = AuthEntry("r.example.com/", CredentialRef("c", 1), None)
    return {
        "name": "portreeve-pull",
        "namespace": "shop",
        "uid": "u",
        "resourceVersion": "7",
        "labels": labels or {"app.kubernetes.io/managed-by": "portreeve"},
        "annotations": {ENTRIES_ANNOTATION: encode_facts(facts((entry,)))},
        "managedFields": [{"manager": name, "operation": "Apply", "fieldsV1": fields} for name, fields in managed],
    }


DATA: dict[str, Any] = {"f:data": {"f:.dockerconfigjson": {}}}


@pytest.mark.parametrize(
    ("managed", "labels", "ours"),
    [
        ([(MANAGER, DATA)], None, True),
        ([(MANAGER, DATA), ("kubectl", {"f:metadata": {"f:annotations": {"f:theirs": {}}}})], None, True),
        ([(MANAGER, DATA), ("kubectl", {"f:data": {"f:other": {}}})], None, True),
        ([(MANAGER, DATA), ("kubectl", DATA)], None, False),
        ([(MANAGER, DATA), ("x", {"f:metadata": {"f:annotations": {f"f:{ENTRIES_ANNOTATION}": {}}}})], None, False),
        ([("kubectl", DATA)], None, False),
        ([(MANAGER, DATA)], {"app.kubernetes.io/managed-by": "helm"}, False),
        ([], None, False),
    ],
)
def test_a_secret_is_marked_if_nobody_else_holds_a_field_that_we_write(
    managed: list[Any], labels: dict[str, str] | None, ours: bool
) -> None:
    found = seen.secret(msgspec.convert({"metadata": metadata(*managed, labels=labels)}, OwnedMeta).metadata)
    assert found.marked is ours
    assert found.entries is not None


@pytest.mark.parametrize(
    ("content", "logins"),
    [
        ({"auths": {"a/": {"username": "u", "password": "p"}}}, {"a/": ("u", b"p")}),
        ({"auths": {"a/": {"auth": base64.b64encode(b"u:p:q").decode()}}}, {"a/": ("u", b"p:q")}),
        ({"auths": {"a/": {"username": "", "password": ""}}}, {}),
        ({"auths": {"a/": {"auth": "!"}}}, {}),
        ({"auths": []}, {}),
        ({}, {}),
        (None, {}),
    ],
)
def test_what_a_secret_holds_is_read_as_far_as_it_can_be(content: Any, logins: dict[str, tuple[str, bytes]]) -> None:
    data = {".dockerconfigjson": SecretValue(json.dumps(content))}
    owned = msgspec.convert({"metadata": metadata((MANAGER, DATA))}, OwnedMeta).metadata
    read = seen.secret_read(Secret(owned, data=data, immutable=True))
    assert read.immutable
    found = {key: (login.username, login.password.reveal()) for key, login in (read.logins or {}).items()}
    assert found == logins


def test_what_comes_under_our_name_by_an_ordinary_write_is_somebody_elses() -> None:
    written = metadata((MANAGER, DATA), (MANAGER, DATA))
    written["managedFields"][1]["operation"] = "Update"
    assert not seen.secret(msgspec.convert({"metadata": written}, OwnedMeta).metadata).marked


LIST: dict[str, Any] = {"f:imagePullSecrets": {}}
LABEL: dict[str, Any] = {"f:metadata": {"f:labels": {"f:a": {}}}}


@pytest.mark.parametrize(
    ("managed", "held", "tracked"),
    [
        ([(MANAGER, "Update", LIST)], True, True),
        ([(MANAGER, "Update", LIST), ("kubectl", "Update", LABEL)], True, True),
        ([(MANAGER, "Update", LIST), ("helm", "Apply", LIST)], False, True),
        ([(MANAGER, "Apply", LIST)], False, True),
        ([("kubectl", "Update", LIST)], False, True),
        ([(MANAGER, "Update", LABEL)], False, True),
        (
            [(MANAGER, "Update", {"f:imagePullSecrets": 1}), ("kubectl", "Update", {"f:imagePullSecrets": []})],
            False,
            True,
        ),
        ([(MANAGER, "Update", {})], False, True),
        ([], False, False),
        (None, False, False),
    ],
)
def test_the_list_of_an_account_is_held_by_whoever_alone_has_written_it(
    managed: list[tuple[str, str, dict[str, Any]]] | None, held: bool, tracked: bool
) -> None:
    rows = (
        None
        if managed is None
        else [{"manager": who, "operation": how, "fieldsV1": fields} for who, how, fields in managed]
    )
    metadata = {"name": "default", "namespace": "shop", "managedFields": rows}
    found = {"metadata": metadata, "imagePullSecrets": [{"name": "portreeve-pull"}]}
    account = seen.account(msgspec.convert(found, ServiceAccount))
    assert (account.held, account.tracked, account.attached, account.shows_ours) == (held, tracked, True, held)
    assert not hasattr(account, "managed_fields")
