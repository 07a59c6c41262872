"""Images of Kubernetes objects: every place, every kind, and nothing dropped."""

from __future__ import annotations

from typing import Any

import pytest

from portreeve.core.manifests import (
    ImageUse,
    Located,
    NotEvaluated,
    Place,
    Result,
    Source,
    flatten,
    is_kubernetes,
    object_images,
)

SOURCE = Source("a.yaml", 3)


def results(value: dict[str, Any]) -> list[Result]:
    found: list[Result] = []
    for one in flatten(value, SOURCE):
        found += [one] if isinstance(one, NotEvaluated) else object_images(*one)
    return found


def images(value: dict[str, Any]) -> list[str]:
    return [one.image if isinstance(one, ImageUse) else one.code for one in results(value)]


def nested(path: str, value: object) -> dict[str, Any]:
    for step in reversed(path.split(".")):
        value = {step: value}
    assert isinstance(value, dict)
    return value


POD_SPEC = {
    "containers": [{"name": "c", "image": "one"}],
    "initContainers": [{"name": "i", "image": "two"}],
    "ephemeralContainers": [{"name": "e", "image": "three"}],
    "volumes": [{"name": "v", "image": {"reference": "four"}}, {"name": "tmp", "emptyDir": {}}],
}
KINDS = [
    ("v1", "Pod", "spec"),
    ("v1", "PodTemplate", "template.spec"),
    ("v1", "ReplicationController", "spec.template.spec"),
    ("apps/v1", "Deployment", "spec.template.spec"),
    ("extensions/v1beta1", "Deployment", "spec.template.spec"),
    ("apps/v1beta2", "ReplicaSet", "spec.template.spec"),
    ("apps/v1beta1", "StatefulSet", "spec.template.spec"),
    ("extensions/v1beta1", "DaemonSet", "spec.template.spec"),
    ("batch/v1", "Job", "spec.template.spec"),
    ("batch/v1beta1", "CronJob", "spec.jobTemplate.spec.template.spec"),
    ("argoproj.io/v1alpha1", "Rollout", "spec.template.spec"),
    ("serving.knative.dev/v1", "Service", "spec.template.spec"),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "spec.leaderWorkerTemplate.workerTemplate.spec"),
    ("kubeflow.org/v1", "PyTorchJob", "spec.pytorchReplicaSpecs.Worker.template.spec"),
    ("example.com/v1", "Deployment", "spec.template.spec"),
]


@pytest.mark.parametrize(("version", "kind", "path"), KINDS)
def test_every_place_of_every_kind_is_found(version: str, kind: str, path: str) -> None:
    value = nested(path, POD_SPEC) | {"apiVersion": version, "kind": kind, "metadata": {"name": "n", "namespace": "s"}}
    assert [(one.image, one.place, one.container, one.kind, one.namespace, one.name) for one in uses(value)] == [
        ("one", Place.CONTAINERS, "c", kind, "s", "n"),
        ("two", Place.INIT_CONTAINERS, "i", kind, "s", "n"),
        ("three", Place.EPHEMERAL_CONTAINERS, "e", kind, "s", "n"),
        ("four", Place.VOLUMES, "v", kind, "s", "n"),
    ]


def uses(value: dict[str, Any]) -> list[ImageUse]:
    found = results(value)
    assert all(isinstance(one, ImageUse) for one in found), found
    return [one for one in found if isinstance(one, ImageUse)]


def pod(image: object, **more: object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": image, **more}]}}


def test_the_line_is_that_of_the_image() -> None:
    assert uses(pod(Located("nginx", 12, plain=True)))[0].line == 12


def test_an_object_without_a_namespace_gets_the_given_one() -> None:
    value = pod("nginx") | {"metadata": {"namespace": Located("null", 2, plain=True)}}
    found = list(object_images(value, Source("a", 1, "shop")))
    assert [one.namespace for one in found if isinstance(one, ImageUse)] == ["shop"]


def test_a_namespace_of_the_quoted_word_null_is_a_name() -> None:
    value = pod("nginx") | {"metadata": {"namespace": Located("null", 2, plain=False)}}
    assert uses(value)[0].namespace == "null"


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (None, "image_missing"),
        ("", "image_missing"),
        (Located("", 1, plain=False), "image_missing"),
        (Located("~", 1, plain=True), "image_missing"),
        (Located("null", 1, plain=True), "image_missing"),
        (Located("null", 1, plain=False), "null"),
        (Located("5", 1, plain=True), "image_not_text"),
        (Located("1.20", 1, plain=True), "image_not_text"),
        (Located("0x1F", 1, plain=True), "image_not_text"),
        (Located("yes", 1, plain=True), "image_not_text"),
        (Located("5", 1, plain=False), "5"),
        (Located("1.2.3", 1, plain=True), "1.2.3"),
        ({"repository": "x"}, "image_not_text"),
        (["x"], "image_not_text"),
        (7, "image_not_text"),
        ("{{ .Values.image }}", "template"),
        ("r/${NAME}:1", "template"),
        ("r/$(NAME):1", "template"),
        ("nginx:$TAG", "template"),
    ],
)
def test_what_is_no_image_says_so(image: object, code: str) -> None:
    assert images(pod(image)) == [code]


def test_a_container_without_an_image_field_is_reported() -> None:
    value = {"kind": "Pod", "spec": {"containers": [{"name": "c"}]}}
    assert images(value) == ["image_missing"]


def test_a_custom_resource_may_leave_an_image_to_its_operator() -> None:
    spec = {"containers": [{"name": "config-reloader"}, {"name": "sidecar", "image": "envoy"}]}
    assert images({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "spec": spec}) == ["envoy"]


def test_a_virtual_machine_disk_is_an_image() -> None:
    volumes = [{"name": "disk", "containerDisk": {"image": "fedora"}}]
    value = nested("spec.template.spec", {"volumes": volumes}) | {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
    }
    assert [(one.image, one.place) for one in uses(value)] == [("fedora", Place.VOLUMES)]


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("containers", "nginx", "spec.containers is 'nginx', not a list"),
        ("containers", {"image": "nginx"}, "spec.containers is a mapping, not a list"),
        ("initContainers", ["nginx"], "spec.initContainers[0] is 'nginx', not a mapping"),
        ("ephemeralContainers", [["nginx"]], "spec.ephemeralContainers[0] is a list, not a mapping"),
        ("volumes", "x", "spec.volumes is 'x', not a list"),
        ("volumes", ["x"], "spec.volumes[0] is 'x', not a mapping"),
        ("volumes", [{"image": "x"}], "spec.volumes[0].image is 'x', not a mapping"),
    ],
)
def test_a_wrong_shape_says_where(field: str, value: object, where: str) -> None:
    [found] = results({"kind": "Pod", "metadata": {"name": "p"}, "spec": {field: value}})
    assert isinstance(found, NotEvaluated)
    assert (found.code, where in found.reason) == ("shape", True)


@pytest.mark.parametrize("spec", [None, "text", [], {"template": None}, {"template": {"spec": "x"}}])
def test_a_workload_without_a_pod_spec_is_reported(spec: object) -> None:
    assert images({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}) == ["shape"]


def test_items_of_a_list_are_objects_and_inherit_its_kind() -> None:
    item = {"metadata": {"name": "a"}, "spec": {"containers": [{"image": "one"}]}}
    value = {"apiVersion": "v1", "kind": "PodList", "items": [item, pod("two")]}
    assert [(one.kind, one.image) for one in uses(value)] == [("Pod", "one"), ("Pod", "two")]


def test_a_list_may_hold_lists() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [pod("one")]}
    assert images({"apiVersion": "v1", "kind": "List", "items": [inner, pod("two")]}) == ["one", "two"]


def test_items_count_whatever_the_kind_says() -> None:
    # kubectl takes every object with items for a list.
    value = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "items": [pod("hidden")]}
    assert images(value) == ["hidden"]


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "List", "items": "x"},
        {"kind": "List", "items": {"a": 1}},
        {"kind": "List", "items": ["x"]},
        {"kind": "List", "items": [{"kind": None}]},
        {"apiVersion": "v1"},
    ],
)
def test_a_list_of_something_else_is_reported(value: dict[str, Any]) -> None:
    assert "shape" in images(value)


def test_an_empty_list_holds_nothing() -> None:
    assert images({"apiVersion": "v1", "kind": "List", "items": []}) == []


def test_built_in_kinds_that_run_nothing_are_not_searched() -> None:
    assert images({"apiVersion": "v1", "kind": "ConfigMap", "data": {"containers": [{"image": "x"}]}}) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, True),
        ({"kind": "Pod"}, True),
        ({"apiVersion": "v1"}, True),
        ({"kind": "pipeline"}, False),
        ({"services": {}}, False),
        ("text", False),
        ([], False),
    ],
)
def test_a_kubernetes_object_is_told_by_its_kind(value: object, expected: bool) -> None:
    assert is_kubernetes(value) is expected


def test_nesting_is_walked_without_recursion() -> None:
    value: dict[str, Any] = {"containers": [{"name": "c", "image": "deep"}]}
    for _ in range(5000):
        value = {"spec": value}
    assert images(value | {"apiVersion": "example.com/v1", "kind": "Deep"}) == ["deep"]
