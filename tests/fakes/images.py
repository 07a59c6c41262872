"""Images as bytes, made the same each time from a name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from portreeve.oci.manifests import OCI_INDEX, OCI_MANIFEST
from portreeve.sandbox.images import CONFIG, Built, described, digest_of, image

__all__ = [
    "CONFIG",
    "EMPTY",
    "Built",
    "described",
    "digest_of",
    "image",
    "index",
    "referrer",
    "referrers_index",
]

EMPTY = "application/vnd.oci.empty.v1+json"


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
