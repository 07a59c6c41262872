"""What is kept of objects: what a decision needs, whatever else stands there."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from portreeve.core.manifests import Place
from portreeve.kube.objects import (
    MESSAGE_CHARACTERS,
    Event,
    LabelledMetadata,
    ManagedFields,
    Namespace,
    OwnedMetadata,
    Owner,
    Pod,
    Workload,
    owner_of,
)
from portreeve.kube.ownership import LABELS, Ownership, ownership


def read(into: Any, **fields: Any) -> Any:
    return msgspec.json.decode(json.dumps(fields), type=into)


POD = read(
    Pod,
    metadata={
        "name": "api-1",
        "namespace": "shop",
        "uid": "1",
        "annotations": {"portreeve.io/registry.a": "harbor", "kubectl.kubernetes.io/last": "x" * 10_000},
        "ownerReferences": [
            {"kind": "Node", "name": "n"},
            {"kind": "ReplicaSet", "name": "api-5d4", "uid": "rs", "controller": True},
        ],
    },
    spec={
        "containers": [{"name": "app", "image": "app:1", "env": [{"name": "A", "value": "hunter2"}]}],
        "initContainers": [{"name": "init", "image": "init:1"}],
        "ephemeralContainers": [{"name": "debug", "image": "debug:1"}, {"name": "none"}],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "m", "image": {"reference": "model:1"}}],
    },
    status={
        "phase": "Pending",
        "containerStatuses": [
            {"name": "app", "state": {"waiting": {"reason": "ErrImagePull", "message": "m" * 5000}}},
        ],
        "initContainerStatuses": [{"name": "init", "imageID": "init@sha256:1", "state": {"terminated": {}}}],
    },
)


def test_the_images_of_a_pod_are_those_of_all_four_places() -> None:
    assert [(use.place, use.container, use.image) for use in POD.image_uses()] == [
        (Place.CONTAINERS, "app", "app:1"),
        (Place.INIT_CONTAINERS, "init", "init:1"),
        (Place.EPHEMERAL_CONTAINERS, "debug", "debug:1"),
        (Place.VOLUMES, "m", "model:1"),
    ]
    assert {(use.kind, use.namespace, use.name) for use in POD.image_uses()} == {("Pod", "shop", "api-1")}


def test_why_a_container_waits_is_kept_within_bounds() -> None:
    ((name, why),) = POD.status.waiting
    assert (name, why.reason, len(why.message)) == ("app", "ErrImagePull", MESSAGE_CHARACTERS)
    assert [status.image_id for status in POD.status.containers] == ["init@sha256:1", ""]


def test_nothing_is_kept_that_no_decision_asks_for() -> None:
    assert POD.metadata.annotations == {"portreeve.io/registry.a": "harbor"}
    assert "hunter2" not in repr(POD)
    assert len(msgspec.json.encode(POD)) < 2500


def test_a_pod_belongs_to_what_controls_its_controller() -> None:
    assert owner_of(POD, {}) == "ReplicaSet/api-5d4"
    assert owner_of(POD, {"rs": Owner("Deployment", "api")}) == "Deployment/api"
    assert owner_of(Pod(POD.metadata.__class__(name="alone")), {}) == "Pod/alone"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {"replicas": 0, "template": {"spec": {"containers": [{"name": "a", "image": "x:1"}]}}}),
        (
            "CronJob",
            {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "x:1"}]}}}}},
        ),
    ],
)
def test_a_workload_s_template_is_found_wherever_its_kind_has_it(kind: str, spec: dict[str, Any]) -> None:
    workload = read(Workload, metadata={"name": "w"}, spec=spec)
    assert [(use.kind, use.image) for use in workload.image_uses(kind)] == [(kind, "x:1")]


def test_a_namespace_is_the_core_s_and_says_that_it_is_ending() -> None:
    namespace = read(Namespace, metadata={"name": "shop", "labels": {"team": "a"}}, status={"phase": "Terminating"})
    assert namespace.ending
    assert (namespace.value().name, namespace.value().labels) == ("shop", {"team": "a"})


def test_an_event_is_read_with_what_it_is_about() -> None:
    event = read(
        Event,
        metadata={"name": "e"},
        involvedObject={"kind": "Pod", "name": "api-1", "fieldPath": "spec.containers{app}"},
        reason="Failed",
        message="m" * 5000,
        lastTimestamp=None,
    )
    assert (event.involved_object.field_path, len(event.message)) == ("spec.containers{app}", MESSAGE_CHARACTERS)


def owned(manager: str = "portreeve", uid: str = "1", **labels: str) -> OwnedMetadata:
    return OwnedMetadata(name="n", uid=uid, labels=labels or dict(LABELS), managed_fields=[ManagedFields(manager)])


@pytest.mark.parametrize(
    ("metadata", "recorded", "whose"),
    [
        (owned(), "1", Ownership.RECORDED),
        (owned(), "2", Ownership.MARKED),
        (owned(), "", Ownership.MARKED),
        (owned("kubectl"), "1", Ownership.FOREIGN),
        (owned(team="a"), "1", Ownership.FOREIGN),
        (OwnedMetadata(name="n", uid=""), "", Ownership.FOREIGN),
        (owned(uid=""), "", Ownership.MARKED),
    ],
)
def test_an_object_is_ours_by_label_and_manager_and_uid(
    metadata: OwnedMetadata, recorded: str, whose: Ownership
) -> None:
    assert ownership(metadata, recorded) is whose


def test_metadata_alone_is_read_from_any_object() -> None:
    assert read(LabelledMetadata, name="a", labels=None, managedFields=[]).labels is None
