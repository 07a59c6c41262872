"""The admission decision in Python: what the compiled policy refuses of a request to the API server.

The cluster decides with CEL (`core.cel`, `core.render`); this is the same decision for previews, simulation and the
agent's own evaluation, and the two are held together by one corpus on a real API server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portreeve.core.sources import ResolvedSources
from portreeve.core.verdict import Decision, judge

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
NODES_GROUP: Final = "system:nodes"


@dataclass(frozen=True, slots=True)
class Request:
    """What admission sees. `operation` is CREATE or UPDATE; `created_at` is what the server set on CREATE."""

    namespace: str
    operation: str
    object: Mapping[str, Any]
    old_object: Mapping[str, Any] | None = None
    groups: tuple[str, ...] = ()
    created_at: datetime | None = None


def refused_images(request: Request, sources: ResolvedSources) -> tuple[str, ...]:
    """The images of the request that the policy refuses, in the order of their places, repeated as they are.

    An image that the old object names already is left alone (grandfathered): finalizers, labels and scaling of what
    runs must stay possible. An exemption counts for a CREATE alone, against the creation time that the server set.
    """
    if _is_mirror_pod(request):
        return ()
    before = frozenset(_images(request.old_object)) if request.old_object is not None else frozenset()
    created_at = request.created_at if request.operation == "CREATE" else None
    return tuple(
        image
        for image in _images(request.object)
        if image not in before
        and judge(image, request.namespace, sources, now=created_at).decision is not Decision.ALLOW
    )


def _is_mirror_pod(request: Request) -> bool:
    """A node mirrors a static pod that runs already; refusing the mirror would only hide it."""
    annotations = request.object.get("metadata", {}).get("annotations") or {}
    return NODES_GROUP in request.groups and MIRROR_ANNOTATION in annotations


def pod_spec(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod spec of a pod or of one of the workload kinds that the policy matches."""
    match obj["kind"]:
        case "Pod":
            spec = obj["spec"]
        case "CronJob":
            spec = obj["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        case "PodTemplate":
            spec = obj["template"]["spec"]
        case _:
            spec = obj["spec"]["template"]["spec"]
    found: Mapping[str, Any] = spec
    return found


def _images(obj: Mapping[str, Any]) -> Iterator[str]:
    spec = pod_spec(obj)
    for place in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(place) or ():
            yield container.get("image") or ""
    for volume in spec.get("volumes") or ():
        if volume.get("image") is not None:
            yield volume["image"].get("reference") or ""
