"""Manifests and indexes, read strictly: what one reader takes for an image and another for an index is refused.

Left out: schema 1 and Docker's foreign layers (`urls` are never followed), and whatever an image's configuration says.

Sources: OCI Image Specification 1.1, manifest and image index; Docker Image Manifest V2, Schema 2; CVE-2021-41190;
threats RC-05, RC-06.
"""

from __future__ import annotations

from typing import Any, Final

from portreeve.core.reference import shown
from portreeve.errors import Stalled
from portreeve.oci.model import Descriptor, Manifest
from portreeve.oci.shapes import Shapes
from portreeve.transport import strict

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
IMAGES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT: Final = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"
"""All that are known, at once: a registry converts or refuses what is not asked for."""

MANIFEST_BYTES: Final = 4 * 1024 * 1024
"""Source: OCI Distribution Specification 1.1: registries accept at least that, and clients need no more."""

_KEYS: Final = (
    "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations", "fsLayers",
)  # fmt: skip


def read(content: bytes, *, content_type: str, digest: str, where: str) -> Manifest:
    """A manifest as a value.

    Args:
        content: exactly what the registry sent; `digest` is of it, and was calculated here.
        content_type: the header; parameters behind a semicolon are ignored.
        where: for messages: a redacted address.
    Raises:
        Stalled: `answer_too_large`, `answer_not_json`, `answer_ambiguous`, `answer_shape`, `registry_unsupported` (a
            type that is not known, such as schema 1).
    """
    if len(content) > MANIFEST_BYTES:
        raise Stalled("answer_too_large", f"{where} is larger than a manifest may be", hint="look at what was pushed")
    media_type = plain_type(content_type)
    shapes = Shapes(where)
    body = shapes.mapping(strict.read(content, where=where), _KEYS)
    if media_type not in INDEXES | IMAGES:
        raise Stalled(
            "registry_unsupported",
            f"{where} is of a type that is not read here: {shown(media_type, 80) or 'none'}",
            hint="push it again with a current tool; schema 1 is not supported",
        )
    if "mediaType" in body and body["mediaType"] != media_type:
        shapes.ambiguous("it calls itself another type than the registry does")
    if body.get("schemaVersion") != 2 or isinstance(body["schemaVersion"], bool):
        shapes.refuse("it is not of schema version 2")
    descriptor = Descriptor(
        digest,
        media_type,
        len(content),
        shapes.media_type(body["artifactType"]) if body.get("artifactType") else "",
        {key: shapes.text(value) for key, value in shapes.mapping(body.get("annotations") or {}).items()},
    )
    subject = shapes.descriptor(body["subject"]) if body.get("subject") is not None else None
    if media_type in INDEXES:
        return Manifest(descriptor, content, children=_children(body, shapes), subject=subject)
    config, layers = _image(body, shapes)
    return Manifest(descriptor, content, config=config, layers=layers, subject=subject)


def plain_type(content_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _children(body: Any, shapes: Shapes) -> tuple[Descriptor, ...]:
    if {"layers", "config", "fsLayers"} & set(body):
        shapes.ambiguous("an index that has layers of its own")
    if "manifests" not in body:
        shapes.refuse("an index without manifests")
    return tuple(shapes.descriptor(each) for each in shapes.listed(body["manifests"]))


def _image(body: Any, shapes: Shapes) -> tuple[Descriptor, tuple[Descriptor, ...]]:
    if {"manifests", "fsLayers"} & set(body):
        shapes.ambiguous("an image that is an index, too")
    if "layers" not in body or "config" not in body:
        shapes.refuse("an image without layers or configuration")
    return shapes.descriptor(body["config"]), tuple(shapes.descriptor(each) for each in shapes.listed(body["layers"]))
