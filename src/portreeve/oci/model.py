"""What the OCI Distribution API speaks of, as values.

Sources: OCI Distribution Specification 1.1; OCI Image Specification 1.1; Docker's "Token Authentication Specification".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from portreeve.core.secret import SecretValue


class Scheme(StrEnum):
    """How a registry wants to be asked."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What `GET /v2/` answered. `realm`, `service` and `scope` are "" but for Bearer, and as the registry said them."""

    scheme: Scheme
    realm: str = ""
    service: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """What a realm gave for a scope. `expires_at` is UTC; 60 s after it was asked for where the realm did not say."""

    value: SecretValue
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Content by its digest: `size_bytes` -1 when the registry did not say."""

    digest: str
    media_type: str = ""
    size_bytes: int = -1
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    """`os/architecture[/variant]`, "" where there is none."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index, read strictly and hashed anew. `content` is exactly what the registry sent.

    `children` are the manifests of an index; `config` and `layers` those of an image. One of the two is empty.
    """

    descriptor: Descriptor
    content: bytes = field(repr=False)
    children: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None

    @property
    def is_index(self) -> bool:
        """Whether it stands for several images."""
        return bool(self.children) or self.config is None


@dataclass(frozen=True, slots=True)
class Names:
    """One page of repositories or tags, in the registry's order. `after` continues behind it, "" at the end."""

    names: tuple[str, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What `HEAD` of a manifest told: the descriptor, and headers that count as signals, names in lower case."""

    descriptor: Descriptor
    signals: Mapping[str, str] = field(default_factory=dict)
