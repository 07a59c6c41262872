"""Images as bytes, made the same each time from a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portreeve.oci.manifests import OCI_INDEX, OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


@dataclass(frozen=True)
class Built:
    """A manifest, and the blobs (digest → content) that a registry must hold first."""

    content: bytes
    media_type: str
    blobs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest_of(self.content)


def image(name: str, **more: Any) -> Built:
    """An image of one layer; `more` goes into its manifest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"name": name}}}).encode()
    layer = f"layer of {name}".encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(config, CONFIG),
        "layers": [described(layer, LAYER)],
        **more,
    }
    blobs = {digest_of(content): content for content in (config, layer)}
    return Built(json.dumps(manifest).encode(), OCI_MANIFEST, blobs)


def index(children: Sequence[Built], platforms: Sequence[str]) -> Built:
    """An index of images, one for each `os/architecture`."""
    listed = []
    for child, platform in zip(children, platforms, strict=True):
        system, architecture = platform.split("/")
        listed.append(described(child.content, child.media_type, platform={"os": system, "architecture": architecture}))
    return Built(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode(), OCI_INDEX)


def referrer(subject: Built, artifact_type: str) -> Built:
    """An artifact of one empty blob that refers to another manifest.

    Its configuration is of the same type, which go-containerregistry tells in place of the artifact's.
    """
    empty = b"{}"
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": described(empty, artifact_type),
        "layers": [described(empty, EMPTY)],
        "subject": described(subject.content, subject.media_type),
    }
    return Built(json.dumps(manifest).encode(), OCI_MANIFEST, {digest_of(empty): empty})


def referrers_index(referrers: Mapping[str, Built]) -> Built:
    """What stands under the referrers tag; artifact type → the artifact."""
    listed = [
        described(built.content, built.media_type, artifactType=artifact_type)
        for artifact_type, built in referrers.items()
    ]
    return Built(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode(), OCI_INDEX)
