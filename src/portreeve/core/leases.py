"""Until when a registry's credential is live in a namespace that has it just in time.

Theory of operation. A lease is opened when somebody has to pull, goes on while somebody does and for a quiet time
after, and ends in any case after `CAP_S`: what pulls in vain for an hour is not helped by a credential that stays.
Those who had their whole hour do not open it again; whoever comes after them does. Ended, the entry is hollow and not
removed (`core.delivery`).

`at` is in seconds of a clock that is never set.

Source: kubernetes.md 3.5 (quiet period of ten minutes, hard cap for a window).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

QUIET_S: Final = 600.0
"""A lease stays live this long after the last pull."""

CAP_S: Final = 3600.0
"""And no longer than this, however long somebody pulls."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Live before `until`. `waiting` had to pull when it was looked at last; `spent` had a whole lease in vain."""

    until: float
    opened_at: float
    waiting: frozenset[str] = frozenset()
    spent: frozenset[str] = frozenset()


def found_live(at: float) -> Lease:
    """Of a credential that is live though nothing is known of a lease: it has its quiet time."""
    return Lease(at + QUIET_S, at)


def looked_at(before: Lease | None, pulling: frozenset[str], at: float) -> Lease | None:
    """The lease, None where there is none yet. `pulling` are UIDs of those who have to pull now."""
    if before is None:
        return Lease(at + QUIET_S, at, pulling) if pulling else None
    over = at >= before.until
    capped = over and before.until >= before.opened_at + CAP_S
    spent = (before.spent | before.waiting if capped else before.spent) & pulling
    waiting = pulling - spent
    if not waiting:
        return replace(before, waiting=waiting, spent=spent)
    goes_on = not capped and (bool(before.waiting) or not over)
    opened_at = before.opened_at if goes_on else at
    return Lease(min(at + QUIET_S, opened_at + CAP_S), opened_at, waiting, spent)
