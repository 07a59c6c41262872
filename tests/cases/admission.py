"""The admission corpus as cases: `corpus.yaml` expanded into requests, with the answer written by hand.

A case knows nothing of our engine: what must be refused follows from the `allow` of its references alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix

CORPUS = Path(__file__).with_name("corpus.yaml")
HEX64 = "0123456789abcdef" * 4
TOKENS = {
    "SHA512": f"sha512:{HEX64}{HEX64}",
    "SHA": f"sha256:{HEX64}",
    "HEX64": HEX64,
    "LONG70000": "a" * 70_000,
    "LONG250": "a" * 250,
    "LONG200": "a" * 200,
    "LONG129": "a" * 129,
    "LONG128": "a" * 128,
}
GOOD = "registry.corp.example/good"
OLD = "old.example/running:1"
"""What objects run before the policy exists; no source allows it."""

API = {
    "Pod": ("v1", "pods"),
    "PodTemplate": ("v1", "podtemplates"),
    "ReplicationController": ("v1", "replicationcontrollers"),
    "Deployment": ("apps/v1", "deployments"),
    "ReplicaSet": ("apps/v1", "replicasets"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "Job": ("batch/v1", "jobs"),
    "CronJob": ("batch/v1", "cronjobs"),
}


@dataclass(frozen=True)
class Case:
    """One request and what must become of it. `refused` lists the images that must be refused, in order."""

    id: str
    namespace: str
    kind: str
    object: dict[str, Any]
    refused: tuple[str, ...]
    old_object: dict[str, Any] | None = None
    subresource: str = ""
    bypass: str = ""
    naive_admits: bool = False
    groups: tuple[str, ...] = ()

    @property
    def operation(self) -> str:
        """CREATE or UPDATE."""
        return "UPDATE" if self.old_object is not None else "CREATE"


@dataclass(frozen=True)
class KnownReference:
    """A reference of the corpus. `namespaces` are those in which it is allowed."""

    image: str
    namespaces: frozenset[str]
    bypass: str = ""
    naive_admits: bool = False


@dataclass(frozen=True)
class Shape:
    """An object around one image."""

    name: str
    kind: str
    place: str
    update: bool = False
    subresource: str = ""
    beside: str = ""
    bypass: str = ""
    naive_admits: bool = False


@dataclass(frozen=True)
class Corpus:
    """The file, read."""

    namespaces: tuple[str, ...]
    policy: RegistryPolicy
    references: tuple[KnownReference, ...]
    shapes: tuple[Shape, ...]
    document: dict[str, Any] = field(repr=False)


@cache
def corpus() -> Corpus:
    """The corpus; references are unique."""
    raw = yaml.safe_load(CORPUS.read_text(encoding="utf-8"))
    namespaces = tuple(raw["namespaces"])
    references = tuple(_reference(entry, namespaces) for entry in raw["references"])
    assert len({reference.image for reference in references}) == len(references)
    shapes = tuple(
        Shape(**{key: value for key, value in entry.items() if key != "naive"}, naive_admits="naive" in entry)
        for entry in raw["shapes"]
    )
    return Corpus(namespaces, _policy(raw["policy"]), references, shapes, raw["policy"])


def _reference(entry: dict[str, Any], namespaces: tuple[str, ...]) -> KnownReference:
    image = entry["image"]
    for token, text in TOKENS.items():
        image = image.replace(token, text)
    allow = {"all": namespaces, "none": ()}.get(str(entry["allow"]), entry["allow"])
    return KnownReference(image, frozenset(allow), entry.get("bypass", ""), "naive" in entry)


def _policy(document: dict[str, Any]) -> RegistryPolicy:
    """Built by hand, so that a fault in reading documents cannot hide one in judging."""
    restrict = document["spec"]["restrict"]
    sources = tuple(
        AllowedSource(
            parse_prefix(source["prefix"]),
            None if source["scope"] == "Global" else tuple(source["scope"]["namespaces"]),
            field=f"spec.restrict.allowedSources[{index}]",
        )
        for index, source in enumerate(restrict["allowedSources"])
    )
    return RegistryPolicy(document["metadata"]["name"], stage=Stage(restrict["stage"]), sources=sources, generation=42)


def pod_spec(images: dict[str, list[str]]) -> dict[str, Any]:
    """A pod spec with the images at their places (place → images); there is always one container."""
    spec: dict[str, Any] = {
        "containers": [_container(f"c{i}", image) for i, image in enumerate(images.get("containers", []))]
    }
    if images.get("initContainers"):
        spec["initContainers"] = [_container(f"i{i}", image) for i, image in enumerate(images["initContainers"])]
    if images.get("ephemeralContainers"):
        spec["ephemeralContainers"] = [
            _container(f"e{i}", image) for i, image in enumerate(images["ephemeralContainers"])
        ]
    if images.get("volumes"):
        spec["volumes"] = [
            {"name": f"v{i}", "image": {"reference": image}} for i, image in enumerate(images["volumes"])
        ]
    return spec


def _container(name: str, image: str) -> dict[str, Any]:
    return {"name": name, "image": image, "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"}


def build(kind: str, name: str, namespace: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """An object of `kind` around a pod spec."""
    head = {"apiVersion": API[kind][0], "kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    match kind:
        case "Pod":
            return {**head, "spec": spec}
        case "PodTemplate":
            return {**head, "template": template}
        case "CronJob":
            job = {"template": {**template, "spec": {**spec, "restartPolicy": "Never"}}}
            return {**head, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}}}
        case "Job":
            return {**head, "spec": {"template": {**template, "spec": {**spec, "restartPolicy": "Never"}}}}
        case "ReplicationController":
            return {**head, "spec": {"replicas": 0, "selector": labels, "template": template}}
        case "DaemonSet":
            return {**head, "spec": {"selector": {"matchLabels": labels}, "template": template}}
        case "StatefulSet":
            return {
                **head,
                "spec": {"replicas": 0, "serviceName": name, "selector": {"matchLabels": labels}, "template": template},
            }
        case _:
            return {**head, "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}}


def existing(kind: str, namespace: str) -> dict[str, Any]:
    """The object that updates start from; it runs an image that the policy would refuse today."""
    return build(kind, f"old-{kind.lower()}", namespace, pod_spec({"containers": [OLD]}))


def cases() -> Iterator[Case]:
    """Every case of the corpus, ids unique."""
    yield from _crossed()
    yield from _own()


def _crossed() -> Iterator[Case]:
    known = corpus()
    for shape in known.shapes:
        for index, reference in enumerate(known.references):
            for namespace in known.namespaces:
                yield _case(shape, index, reference, namespace)


def _case(shape: Shape, index: int, reference: KnownReference, namespace: str) -> Case:
    images = {"containers": [shape.beside or GOOD], shape.place: [reference.image]}
    if shape.beside:
        images["containers"] = [shape.beside, reference.image]
    if shape.update and shape.place == "ephemeralContainers":
        images["containers"] = [OLD]
    name = f"old-{shape.kind.lower()}" if shape.update else f"case-{index}"
    return Case(
        id=f"{shape.name}/{index}/{namespace}",
        namespace=namespace,
        kind=shape.kind,
        object=build(shape.kind, name, namespace, pod_spec(images)),
        old_object=existing(shape.kind, namespace) if shape.update else None,
        subresource=shape.subresource,
        refused=() if namespace in reference.namespaces else (reference.image,),
        bypass=reference.bypass or shape.bypass,
        naive_admits=reference.naive_admits or (shape.naive_admits and shape.kind == "Pod" and not shape.update),
    )


def _own() -> Iterator[Case]:
    """Cases that are not one image in one shape."""
    yield from _large()
    yield from _grandfathered()
    yield from _irrelevant()


def _large() -> Iterator[Case]:
    good = [f"registry.corp.example/app-{index}" for index in range(200)]
    for bad_at in (0, 100, 199):
        images = [*good[:bad_at], "evil.io/x", *good[bad_at + 1 :]]
        yield _pod(f"large/one-bad-at-{bad_at}", "team-a", {"containers": images}, ("evil.io/x",), bypass="AD-06")
    yield _pod("large/all-good", "team-a", {"containers": good}, ())
    bad = [f"evil.io/x{index}" for index in range(200)]
    yield _pod("large/all-bad", "team-a", {"containers": bad}, tuple(bad), bypass="AD-06")
    spread = {
        "containers": good[:50],
        "initContainers": ["evil.io/i", *good[50:100]],
        "volumes": ["evil.io/v", *good[:3]],
    }
    yield _pod("large/spread", "team-b", spread, ("evil.io/i", "evil.io/v"), bypass="AD-02")
    yield _pod("twice", "team-a", {"containers": ["evil.io/x", "evil.io/x", GOOD]}, ("evil.io/x", "evil.io/x"))
    for count in (2, 8, 9):
        images = [f"evil.io/x{index}" for index in range(count)]
        yield _pod(f"several/{count}", "team-a", {"containers": images}, tuple(images))


def _grandfathered() -> Iterator[Case]:
    for kind in API:
        if kind == "Job":  # its pod template is immutable
            continue
        before = existing(kind, "team-a")
        labelled = existing(kind, "team-a")
        labelled["metadata"] = {**labelled["metadata"], "labels": {"touched": "yes"}}
        yield Case(f"grandfathered/{kind}/label", "team-a", kind, labelled, (), before)
        finalized = existing(kind, "team-a")
        finalized["metadata"] = {**finalized["metadata"], "annotations": {"note": "still here"}}
        yield Case(f"grandfathered/{kind}/annotation", "team-a", kind, finalized, (), before)
        swapped = build(kind, before["metadata"]["name"], "team-a", pod_spec({"containers": ["evil.io/other"]}))
        yield Case(f"grandfathered/{kind}/swapped", "team-a", kind, swapped, ("evil.io/other",), before, bypass="AD-02")
        if kind != "Pod":
            moved = build(
                kind,
                before["metadata"]["name"],
                "team-a",
                pod_spec({"containers": [OLD, GOOD], "initContainers": ["evil.io/i"]}),
            )
            yield Case(f"grandfathered/{kind}/added", "team-a", kind, moved, ("evil.io/i",), before, bypass="AD-02")


def _irrelevant() -> Iterator[Case]:
    """AD-13: metadata that says nothing of images never turns deny into allow."""
    metadata: list[dict[str, Any]] = [
        {"labels": {"portreeve.io/exempt": "true", "app.kubernetes.io/managed-by": "portreeve"}},
        {"annotations": {"portreeve.io/policy": "none", "admission.portreeve.io/skip": "true"}},
        {"annotations": {"kubernetes.io/config.mirror": "abc"}},
        {"annotations": {"kubernetes.io/config.source": "file", "kubernetes.io/config.mirror": "0"}},
        {"finalizers": ["example.com/keep"]},
        {"labels": {"kubernetes.io/metadata.name": "kube-system"}},
        {"generateName": "kube-system-"},
    ]
    for index, extra in enumerate(metadata):
        spec = pod_spec({"containers": ["evil.io/x"]})
        if "kubernetes.io/config.mirror" in extra.get("annotations", {}):
            spec["nodeName"] = "worker-1"  # the API server wants it of a mirror pod
        yield Case(
            f"irrelevant/{index}",
            "team-a",
            "Pod",
            build("Pod", f"meta-{index}", "team-a", spec, **extra),
            ("evil.io/x",),
            bypass="AD-13",
        )


def _pod(name: str, namespace: str, images: dict[str, list[str]], refused: tuple[str, ...], bypass: str = "") -> Case:
    slug = name.replace("/", "-")
    return Case(name, namespace, "Pod", build("Pod", slug, namespace, pod_spec(images)), refused, bypass=bypass)
