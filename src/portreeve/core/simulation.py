"""What a new policy would deny or allow that the old one did not, over the same image uses.

Verdicts are compared, not stages: what a policy in audit would deny counts as denied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from portreeve.core.findings import Finding
from portreeve.core.judging import Judge
from portreeve.core.manifests import ImageUse
from portreeve.core.verdict import Decision


class Effect(StrEnum):
    """What becomes of an image use, in the order of its weight."""

    DENIED = "newly denied"
    UNKNOWN = "newly unknown"
    ALLOWED = "newly allowed"
    UNCHANGED = "unchanged"


_EFFECTS = {Decision.DENY: Effect.DENIED, Decision.UNKNOWN: Effect.UNKNOWN, Decision.ALLOW: Effect.ALLOWED}


@dataclass(frozen=True, slots=True)
class Change:
    """One image in one namespace whose verdict differs; `uses` in the order found, never empty."""

    effect: Effect
    image: str
    namespace: str
    before: Decision
    after: Decision
    reason: str
    uses: tuple[ImageUse, ...]


def compare(uses: Sequence[ImageUse], new: Judge, old: Judge | None) -> tuple[Change, ...]:
    """Every change, the heaviest first, then by image and namespace. `old` None allowed everything.

    Both judges judge by a policy.
    """
    grouped: dict[tuple[Effect, str, str, Decision, Decision, str], list[ImageUse]] = {}
    for use in uses:
        before = _decision(old.finding(use)) if old else Decision.ALLOW
        after = new.finding(use)
        decision = _decision(after)
        if decision is not before:
            reason = after.verdict.reasons[0].message if after.verdict else ""
            key = (_EFFECTS[decision], after.canonical or use.image, use.namespace, before, decision, reason)
            grouped.setdefault(key, []).append(use)
    order = list(Effect)
    found = (Change(*key, tuple(held)) for key, held in grouped.items())
    return tuple(sorted(found, key=lambda change: (order.index(change.effect), change.image, change.namespace)))


def _decision(finding: Finding) -> Decision:
    assert finding.decision is not None, "a judge without a policy has nothing to compare"
    return finding.decision


def tally(changes: Sequence[Change], total: int) -> dict[Effect, int]:
    """Image uses by what becomes of them; `total` counts all that were compared."""
    counts = {
        effect: sum(len(change.uses) for change in changes if change.effect is effect)
        for effect in (Effect.DENIED, Effect.ALLOWED, Effect.UNKNOWN)
    }
    return {**counts, Effect.UNCHANGED: total - sum(counts.values())}
