"""Images of a pod, a workload, a Compose file, a Dockerfile or a workflow: objects in, image uses out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
