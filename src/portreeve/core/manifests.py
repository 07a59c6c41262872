"""Images of Kubernetes objects: plain objects in, image uses out.

Theory of operation
-------------------
A reader (`portreeve.wire.yaml`) hands over what a document holds: mappings, lists and text. `flatten` turns one
document into the objects in it (a `List` holds many), `object_images` turns one object into the images it would run.
Nothing here raises on input: what has the wrong shape is a `NotEvaluated` that says where.

The four places of a pod spec are read: `containers`, `initContainers`, `ephemeralContainers` and image volumes
(`volumes[].image.reference`, Kubernetes 1.36); a fifth, the place of a custom resource, is found by its shape.

Built-in kinds are read at their own path whatever version is written (`extensions/v1beta1`, `apps/v1beta2`, …). In any
other kind every mapping is a pod spec when one of the three container lists in it holds a mapping with an `image`, or
when its `volumes` hold an image volume or a KubeVirt `containerDisk`. That finds Argo Rollouts, Knative Services,
LeaderWorkerSets, JobSets, Kubeflow jobs, KServe predictors and VirtualMachines at any depth.

Not found: images that a custom resource names in fields of its own (`Prometheus` `spec.image`, a Tekton
`steps[].image`, an Argo Workflows `container.image`), manifests kept as text in a ConfigMap, and the old revisions that
a ControllerRevision keeps, which run only when a workload that is read points back to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Place(StrEnum):
    """Where in an object an image stands; the five places of a pod, then the files that name images."""

    CONTAINERS = "containers"
    INIT_CONTAINERS = "initContainers"
    EPHEMERAL_CONTAINERS = "ephemeralContainers"
    VOLUMES = "volumes"
    COMPOSE = "compose"
    DOCKERFILE = "dockerfile"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class ImageUse:
    """One image at one place.

    `image` is as written, never empty. `file` is as the user named it ("-" for standard input) and `line`
    counts from 1. `namespace` is already defaulted. `container` is the container, volume, service or stage.
    """

    image: str
    place: Place
    file: str
    line: int
    kind: str
    namespace: str
    name: str
    container: str


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """Something that was given and could not be judged; never dropped in silence.

    `code` is stable: one of docs/errors.md. `line` is 0 when the whole file is meant.
    """

    file: str
    line: int
    code: str
    reason: str


class Located(str):
    """Text that knows its line, and whether it was written plain (unquoted, so that `null` and `5` are not text)."""

    __slots__ = ("line", "plain")

    line: int
    plain: bool

    def __new__(cls, value: str, line: int, plain: bool) -> Self:
        """Keep `value` with where and how it stood."""
        self = str.__new__(cls, value)
        self.line = line
        self.plain = plain
        return self


class LocatedMapping(dict[str, Any]):
    """A mapping that knows the line it starts on; readers set it right after making one (a hot path)."""

    __slots__ = ("line",)

    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """What every finding of one document has in common. `namespace` is that of objects that name none."""

    file: str
    line: int
    namespace: str = "default"

    def not_evaluated(self, code: str, reason: str, line: int = 0) -> NotEvaluated:
        """Say that something in this document, or all of it, has no answer."""
        return NotEvaluated(self.file, line or self.line, code, reason)


Result = ImageUse | NotEvaluated

# Null as YAML 1.1 and 1.2 write it unquoted. A list or mapping cannot be quoted text, so text of this kind is an
# absent list wherever one is expected.
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
# What a Kubernetes reader (YAML 1.1 with the bool words of Go's yaml.v2) takes for a number or a truth value.
_NOT_TEXT: Final = re.compile(
    r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))"
    r"|\.(?:nan|NaN|NAN)"
    r"|[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
)
# `$` cannot stand in an image reference, so these are never part of a name.
TEMPLATE: Final = re.compile(r"\{\{|\$[{(A-Za-z_]")

LONGEST: Final = 4096
"""Characters of an image in which variables are still replaced; no registry takes a tenth of it."""

_LISTS: Final = (
    ("containers", Place.CONTAINERS),
    ("initContainers", Place.INIT_CONTAINERS),
    ("ephemeralContainers", Place.EPHEMERAL_CONTAINERS),
)
_WORKLOAD: Final = ("spec", "template", "spec")
# kind → where its pod spec stands.
_POD_SPEC: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "ReplicationController": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    "Deployment": _WORKLOAD,
    "StatefulSet": _WORKLOAD,
    "DaemonSet": _WORKLOAD,
    "Job": _WORKLOAD,
    "CronJob": ("spec", "jobTemplate", *_WORKLOAD),
}
# API groups of Kubernetes itself: what is not in the table above runs nothing, so its fields are not searched.
_BUILT_IN: Final = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)


def is_null(value: object) -> bool:
    """Say whether `value` is absent as a Kubernetes reader sees it; quoted text that says "null" is text."""
    if isinstance(value, Located):
        return value.plain and str(value) in _NULL
    return value is None or (isinstance(value, str) and value in _NULL)


def line_of(value: object, otherwise: int) -> int:
    """Line of a value that carries one, `otherwise` for the rest."""
    return getattr(value, "line", 0) or otherwise


def image_result(
    value: object,
    source: Source,
    place: Place,
    *,
    kind: str,
    name: str,
    container: str,
    namespace: str = "",
    line: int = 0,
) -> Result:
    """Turn what stands where an image is expected into an image use, or say why it is none.

    Codes: `image_missing` (absent, null, empty), `image_not_text` (a number, a truth value, a list or mapping),
    `template` (holds a marker that something else fills in later).
    """
    at = line_of(value, line or source.line)
    where = f"{kind}/{name} {place}: {container or 'unnamed'}" if name else f"{kind} {place}: {container or 'unnamed'}"
    if is_null(value) or value == "":
        return source.not_evaluated("image_missing", f"{where} has no image", at)
    if not isinstance(value, str) or (getattr(value, "plain", False) and _NOT_TEXT.fullmatch(value)):
        return source.not_evaluated("image_not_text", f"{where}: image is {_shown(value)}, not text", at)
    if TEMPLATE.search(value):
        return source.not_evaluated("template", f"{where}: image {_shown(value)} is a template; render it first", at)
    return ImageUse(str(value), place, source.file, at, kind, namespace or source.namespace, name, container)


def is_kubernetes(value: object) -> bool:
    """Say whether a document is a Kubernetes object, or a list of some: it has a kind and looks meant for the API."""
    if not isinstance(value, dict):
        return False
    kind = value.get("kind")
    if not isinstance(kind, str) or is_null(kind):
        return isinstance(value.get("apiVersion"), str)
    return "apiVersion" in value or kind in _POD_SPEC or isinstance(value.get("items"), list)


def flatten(value: Mapping[str, Any], source: Source) -> Iterator[tuple[Mapping[str, Any], Source] | NotEvaluated]:
    """Give the objects of a document with the line of each, in the order written.

    kubectl takes any object with `items` for a list, whatever its kind says, and gives items that lack a kind the
    kind of the list without "List"; so does this. The list itself is given too unless its kind says it is one.
    """
    stack: list[tuple[object, str, str, str]] = [(value, "", "", "")]
    while stack:
        item, kind, version, where = stack.pop()
        if not isinstance(item, dict):
            yield source.not_evaluated("shape", f"{where or 'the document'} is {_shown(item)}, not an object")
            continue
        at = Source(source.file, line_of(item, source.line), source.namespace)
        if is_null(item.get("kind")) and is_null(item.get("apiVersion")) and kind:
            item = {**item, "kind": kind, "apiVersion": version}
        own = item.get("kind")
        if not isinstance(own, str) or is_null(own):
            yield at.not_evaluated("shape", f"{where or 'the object'} has no kind")
            continue
        items = item.get("items")
        if isinstance(items, list):
            inherited = (own.removesuffix("List"), _text(item.get("apiVersion")))
            stack += [(part, *inherited, f"{own} items[{i}]") for i, part in reversed(list(enumerate(items)))]
        if not own.endswith("List") or "items" not in item:
            yield item, at
        elif not isinstance(items, list) and not is_null(items):
            yield at.not_evaluated("shape", f"{own} items is {_shown(items)}, not a list")


def object_images(obj: Mapping[str, Any], source: Source) -> Iterator[Result]:
    """Give the image uses of one object, in the order containers, initContainers, ephemeralContainers, volumes."""
    kind, version = _text(obj.get("kind")), _text(obj.get("apiVersion"))
    group = version.rpartition("/")[0]
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace = metadata.get("namespace")
    namespace = source.namespace if is_null(namespace) or not isinstance(namespace, str) else str(namespace)
    owner = _Owner(source, kind, namespace, _text(metadata.get("name")) or _text(metadata.get("generateName")))
    if group not in _BUILT_IN:
        yield from _custom_images(obj, owner)
    elif kind in _POD_SPEC:
        yield from _built_in_images(obj, _POD_SPEC[kind], owner)


@dataclass(frozen=True, slots=True)
class _Owner:
    """The object that an image is found in."""

    source: Source
    kind: str
    namespace: str
    name: str

    def image(self, value: object, place: Place, container: str, line: int) -> Result:
        """What stands at one image field."""
        return image_result(
            value, self.source, place, kind=self.kind, name=self.name, container=container, namespace=self.namespace,
            line=line,
        )  # fmt: skip

    def shape(self, path: str, value: object, wanted: str) -> NotEvaluated:
        """A field that holds something else than Kubernetes reads there."""
        reason = f"{self.kind}/{self.name} {path} is {_shown(value)}, not {wanted}"
        return self.source.not_evaluated("shape", reason, line_of(value, self.source.line))


def _built_in_images(obj: Mapping[str, Any], path: tuple[str, ...], owner: _Owner) -> Iterator[Result]:
    spec: Any = obj
    for i, step in enumerate(path):
        spec = spec.get(step)
        if not isinstance(spec, dict):
            yield owner.shape(".".join(path[: i + 1]), spec, "a mapping")
            return
    yield from _spec_images(spec, ".".join(path), owner)


def _spec_images(spec: Mapping[str, Any], path: str, owner: _Owner) -> Iterator[Result]:
    for field, place in _LISTS:
        for i, container in _entries(spec, field):
            at = f"{path}.{field}" if i < 0 else f"{path}.{field}[{i}]"
            if i < 0 or not isinstance(container, dict):
                yield owner.shape(at, container, "a list" if i < 0 else "a mapping")
                continue
            line = line_of(container, owner.source.line)
            yield owner.image(container.get("image"), place, _text(container.get("name")), line)
    for i, volume in _entries(spec, "volumes"):
        at = f"{path}.volumes" if i < 0 else f"{path}.volumes[{i}]"
        if i < 0 or not isinstance(volume, dict):
            yield owner.shape(at, volume, "a list" if i < 0 else "a mapping")
        elif "image" in volume and not is_null(volume["image"]):
            yield _volume_image(volume, volume["image"], "reference", at, owner)


def _volume_image(volume: Mapping[str, Any], image: object, field: str, at: str, owner: _Owner) -> Result:
    if not isinstance(image, dict):
        return owner.shape(f"{at}.image", image, "a mapping")
    line = line_of(image, line_of(volume, owner.source.line))
    return owner.image(image.get(field), Place.VOLUMES, _text(volume.get("name")), line)


def _entries(spec: Mapping[str, Any], field: str) -> Iterator[tuple[int, object]]:
    """Number and entry of a list; (-1, value) alone when the field holds something that is no list."""
    value = spec.get(field)
    if isinstance(value, list):
        yield from enumerate(value)
    elif not is_null(value):
        yield -1, value


def _custom_images(obj: Mapping[str, Any], owner: _Owner) -> Iterator[Result]:
    """Images of everything in a custom resource that is unmistakably a pod spec.

    A container without an image is legal here (an operator fills it in), and fields of other shapes are the custom
    resource's own, so neither is reported. The reader has bounded how much there is to walk, aliases included.
    """
    stack: list[object] = [obj]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield from _embedded_images(value, owner)
            stack += reversed(value.values())
        elif isinstance(value, list):
            stack += reversed(value)


def _embedded_images(spec: Mapping[str, Any], owner: _Owner) -> Iterator[Result]:
    for field, place in _LISTS:
        for container in _mappings(spec.get(field)):
            image = container.get("image")
            if isinstance(image, str) and not is_null(image) and image:
                line = line_of(container, owner.source.line)
                yield owner.image(image, place, _text(container.get("name")), line)
    for volume in _mappings(spec.get("volumes")):
        for source_field, field in (("image", "reference"), ("containerDisk", "image")):
            source = volume.get(source_field)
            if isinstance(source, dict) and isinstance(source.get(field), str):
                yield _volume_image(volume, source, field, "volumes", owner)


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, dict))


def _text(value: object) -> str:
    return str(value) if isinstance(value, str) else ""


def _shown(value: object) -> str:
    """A value for a message: short, on one line."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if is_null(value):
        return "null"
    text = repr(str(value))
    return text if len(text) <= 80 else f"{text[:77]}..."
