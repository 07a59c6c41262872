"""Images as bytes, made the same each time from a name: enough for a registry, and nothing that would run.

Source: OCI Image Format Specification 1.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portreeve.oci.manifests import OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """As manifests name content."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    """A descriptor of some content."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


@dataclass(frozen=True)
class Built:
    """A manifest, and the blobs (digest → content) that a registry must hold first."""

    content: bytes
    media_type: str
    blobs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of the manifest."""
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
