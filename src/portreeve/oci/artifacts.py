"""What the artifacts that refer to an image are: signatures, SBOMs, attestations; by their types, no content is read.

That something is there is all that this says. Who signed, and whether it is right, is for the verification of gates.

Sources: OCI Image Specification 1.1, "Guidelines for Artifact Usage"; cosign, SIGNATURE_SPEC and BUNDLE_SPEC; Notary
Project, signature specification; SPDX and CycloneDX media types as registered with IANA.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from portreeve.oci.model import Descriptor


class Artifact(StrEnum):
    """What refers to an image."""

    SIGNATURE = "signature"
    SBOM = "sbom"
    ATTESTATION = "attestation"
    OTHER = "other"


_TYPES: Final = {
    "application/vnd.dev.cosign.artifact.sig.v1+json": Artifact.SIGNATURE,
    "application/vnd.dev.cosign.simplesigning.v1+json": Artifact.SIGNATURE,
    "application/vnd.cncf.notary.signature": Artifact.SIGNATURE,
    "application/vnd.dev.sigstore.bundle.v0.3+json": Artifact.SIGNATURE,
    "application/vnd.dev.cosign.artifact.sbom.v1+json": Artifact.SBOM,
    "application/spdx+json": Artifact.SBOM,
    "text/spdx": Artifact.SBOM,
    "text/spdx+json": Artifact.SBOM,
    "application/vnd.cyclonedx": Artifact.SBOM,
    "application/vnd.cyclonedx+json": Artifact.SBOM,
    "application/vnd.cyclonedx+xml": Artifact.SBOM,
    "application/vnd.syft+json": Artifact.SBOM,
    "application/vnd.goharbor.harbor.sbom.v1": Artifact.SBOM,
    "application/vnd.in-toto+json": Artifact.ATTESTATION,
    "application/vnd.dsse.envelope.v1+json": Artifact.ATTESTATION,
}

_PREDICATES: Final = ("https://spdx.dev/", "https://cyclonedx.org/")
"""Beginnings of the predicate types of SBOMs within attestations. Source: in-toto attestation, predicates."""

_PREDICATE_KEYS: Final = ("dev.sigstore.bundle.predicateType", "in-toto.io/predicate-type", "predicateType")

LEGACY_TAGS: Final = {".sig": Artifact.SIGNATURE, ".att": Artifact.ATTESTATION, ".sbom": Artifact.SBOM}
"""Ends of the tags under which cosign keeps what belongs to a digest where it uses no referrers."""


def legacy_tag(digest: str, end: str) -> str:
    """The tag of cosign for a digest: `sha256-<hex>.sig`."""
    return f"{digest.replace(':', '-', 1)}{end}"


def kind_of(referrer: Descriptor) -> Artifact:
    """What a referrer is. A bundle or attestation says by its predicate whether it is an SBOM."""
    for key in _PREDICATE_KEYS:
        if (predicate := referrer.annotations.get(key, "")).startswith(_PREDICATES):
            return Artifact.SBOM
        if predicate:
            return Artifact.ATTESTATION
    return _TYPES.get(referrer.artifact_type.partition(";")[0].strip(), Artifact.OTHER)
