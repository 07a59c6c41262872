"""A document as it is kept, and as it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from portreeve.core.estate import Key
from portreeve.core.policy import API_VERSION
from portreeve.wire.documents import Read, Value, read_document

LEAVING: Final = "leaving"
"""In the state of an environment that was deleted: since when, and by whom. Decision record: docs/adr/0026."""

MOVED: Final = "moved"
"""In the state of a policy: its last move to another stage by itself, and why it was forced, if it was."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document at one version. `revision` numbers the change that wrote it, among all changes.

    `state` is what only the control plane writes: who asked for an exemption, who decided, how far it has come.
    """

    key: Key
    uid: str
    version: int
    revision: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    state: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    value: Value = field(compare=False, repr=False)

    @property
    def etag(self) -> str:
        """The version as HTTP names it (RFC 9110, 8.8.3); the uid tells a new document of an old name."""
        return f'"{self.uid}.{self.version}"'

    @property
    def leaving(self) -> bool:
        """Whether it is an environment that was deleted, and whose agent still removes what it delivered."""
        return LEAVING in self.state

    def document(self) -> dict[str, Any]:
        """The document without its status: what `apply` takes and `export` gives."""
        metadata: dict[str, Any] = {"name": self.key.name}
        if self.labels:
            metadata["labels"] = dict(sorted(self.labels.items()))
        if self.annotations:
            metadata["annotations"] = dict(sorted(self.annotations.items()))
        return {"apiVersion": API_VERSION, "kind": self.key.kind, "metadata": metadata, "spec": self.spec}

    def canonical(self) -> bytes:
        """What the audit log holds the digest of."""
        whole = {**self.document(), "state": self.state}
        return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


def read(kind: str, name: str, parts: Mapping[str, Any], *, version: int, state: Mapping[str, Any]) -> Read:
    """Read a document together with what the control plane knows of it: its version, and an exemption's state.

    `parts` are `spec`, and `metadata.labels` and `metadata.annotations` as `labels` and `annotations`.
    """
    status: dict[str, Any] = {"observedGeneration": version}
    if kind == "Exemption" and "state" in state:
        status["state"] = state["state"]
    metadata = {
        "name": name,
        "labels": dict(parts.get("labels") or {}),
        "annotations": dict(parts.get("annotations") or {}),
    }
    whole = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": parts["spec"], "status": status}
    return read_document(whole)
