"""How a registry looks from where its images are pulled: what the nodes of each environment have told of it.

Theory of operation. The checklist (`core.checklist`) says what the control plane reaches. What the nodes of a cluster
reach, with their own network, proxy and trust, is said by their pulls alone: a registry is FAILED there while a pull
from it fails for a cause that speaks of it, OK while something of it runs and no such pull fails, and UNKNOWN where
nothing has been told of it, or nothing lately. An image that runs may have been pulled long ago; so OK says that no
pull fails, and no more than that.

Left out: asking the registry from an agent, whose network and trust need not be those of the nodes.
Source: requirements, D-14; console.md 2.2, screen 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from portreeve.core.checklist import Outcome
from portreeve.core.pull_failure import ADVICE, Cause

OF_THE_NODE: Final = frozenset(
    {Cause.ADMISSION, Cause.NAME_INVALID, Cause.NEVER_PULLED, Cause.DISK, Cause.NODE_THROTTLED, Cause.NODE_REFUSED}
)
"""Causes for which a registry was not asked, or has nothing to do with it."""


@dataclass(frozen=True, slots=True)
class FailedPulls:
    """Pulls that fail for one cause, and of how many workloads."""

    cause: Cause
    workloads: int


@dataclass(frozen=True, slots=True)
class Vantage:
    """A registry as one environment sees it. `images` are those that run; `failing` has the most workloads first."""

    environment: str
    outcome: Outcome
    message: str
    images: int
    failing: tuple[FailedPulls, ...]


def seen_from(
    environment: str, *, told: bool, connected: bool, images: int, failed: Iterable[tuple[Cause, str]]
) -> Vantage:
    """What is said of a registry from an environment.

    Args:
        told: it is known what runs there.
        connected: its agent has come lately.
        failed: cause and workload of each pull from the registry that fails.
    """
    owners: dict[Cause, set[str]] = {}
    for cause, owner in failed:
        if cause not in OF_THE_NODE:
            owners.setdefault(cause, set()).add(owner)
    failing = tuple(
        FailedPulls(cause, len(found))
        for cause, found in sorted(owners.items(), key=lambda one: (-len(one[1]), one[0]))
    )
    outcome, message = _outcome(told=told, connected=connected, images=images, failing=failing)
    return Vantage(environment, outcome, message, images, failing)


def _outcome(*, told: bool, connected: bool, images: int, failing: tuple[FailedPulls, ...]) -> tuple[Outcome, str]:
    if not told:
        return Outcome.UNKNOWN, "nobody has told what is pulled there"
    if not connected:
        return Outcome.UNKNOWN, "its agent has not come lately: what it said last may be out of date"
    if failing:
        return Outcome.FAILED, f"pulls fail: {ADVICE[failing[0].cause].meaning}"
    if images:
        return Outcome.OK, "images of it run, and no pull from it fails"
    return Outcome.UNKNOWN, "nothing that runs there comes from it"


RANK: Final = {Outcome.FAILED: 0, Outcome.UNKNOWN: 1, Outcome.OK: 2}


def ordered(vantages: Iterable[Vantage]) -> list[Vantage]:
    """Those first that somebody has to look at."""
    return sorted(vantages, key=lambda one: (RANK[one.outcome], one.environment))
