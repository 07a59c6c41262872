"""Whether an object is ours: by its label, by who has set it, and by a UID that we recorded. All three, or it is not.

An object of our name without our marks is somebody's own. One with our marks and another UID than the recorded one may
be a copy, or what an earlier agent left whose records are lost: whoever decides says so by recording its UID.

Left out: deciding on that.

Sources: mission rule 4; reliability I3; Kubernetes, "Server-Side Apply", field management.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from portreeve.kube.client import FIELD_MANAGER
from portreeve.kube.objects import OwnedMetadata

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OURS: Final = "portreeve"
LABELS: Final = {MANAGED_BY: OURS}


class Ownership(StrEnum):
    """Whose an object is."""

    RECORDED = "recorded"
    """Ours: marked, and of the recorded UID."""
    MARKED = "marked"
    """Marked as ours, of a UID that is not recorded."""
    FOREIGN = "foreign"
    """Somebody else's."""


def ownership(metadata: OwnedMetadata, recorded_uid: str) -> Ownership:
    """Whose the object is; `recorded_uid` is "" where none is."""
    managers = {one.manager for one in metadata.managed_fields or ()}
    if (metadata.labels or {}).get(MANAGED_BY) != OURS or FIELD_MANAGER not in managers:
        return Ownership.FOREIGN
    return Ownership.RECORDED if recorded_uid and metadata.uid == recorded_uid else Ownership.MARKED


def holders(metadata: OwnedMetadata, paths: Iterable[tuple[str, ...]]) -> frozenset[str]:
    """Managers that have set at least one of the fields at these paths. We set ours by apply alone: what has come under
    our name in another way is somebody's who has borrowed it, and is told from us.
    """
    found = {writer for path in paths for writer in writers(metadata, path)}
    return frozenset(
        manager if manager != FIELD_MANAGER or operation == "Apply" else f"{manager}, {operation}"
        for manager, operation in found
    )


def writers(metadata: OwnedMetadata, path: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """(manager, operation) of everybody who has set the field at a path."""
    return frozenset(
        (one.manager, one.operation) for one in metadata.managed_fields or () if _below(one.fields, path) is not None
    )


def _below(fields: Mapping[str, object], path: Iterable[str]) -> Mapping[str, object] | None:
    """The part of a tree of fields at a path; None if the manager has not set it."""
    held: object = fields
    for part in path:
        held = held.get(part) if isinstance(held, Mapping) else None
    return held if isinstance(held, Mapping) else None
