"""The pull secrets of an environment as its agent has reported them: what is in each, and what is in the way.

Versions and ends alone: no report has a login in it, and this holds none. Small, as a control plane keeps it of every
namespace that it governs. Left out: what should be there (`core.desired`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """One entry. Not `live` is hollow: its key is there, its login is empty. `expires_at` as it was told."""

    registry: str
    credential: str
    version: int
    live: bool
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class HeldSecret:
    """The pull secret of a namespace. `conflict` says what is in the way, "" nothing."""

    phase: str
    conflict: str
    entries: tuple[HeldEntry, ...]


def held_secrets(told: Iterable[Mapping[str, Any]]) -> dict[str, HeldSecret]:
    """Namespace → its pull secret, out of `pullSecrets` of a report (`wire.channel` has read it strictly)."""
    return {
        one["namespace"]: HeldSecret(
            one.get("phase") or "", one.get("conflict") or "", tuple(map(_entry, one["entries"]))
        )
        for one in told
    }


def _entry(told: Mapping[str, Any]) -> HeldEntry:
    return HeldEntry(
        told["registry"], told["credential"], told["version"], told["state"] == "live", told.get("expiresAt")
    )
