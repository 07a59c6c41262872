"""Whether an environment that is leaving still holds something of ours, by what its agent has reported.

An environment leaves in two steps: its desired state becomes empty, so that its agent removes all of it, and it is gone
once the agent has said that nothing is left. What is not known counts as left: a cluster that the agent cannot see, or
an agent that has not yet taken the empty state, proves nothing. One that was started anew, and says nothing at all of
deliveries, may only not have looked yet: what it reports has to have stood for `SETTLED` first.

Left out: what asks for it and what is deleted then (`server.environments`). Sources: mission rule 4; requirement A-22.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

OFF: Final = "PolicyOff"
"""The reason of `Enforced` when nothing of a policy is in the cluster. Source: the agent's enforcement."""


SETTLED: Final = timedelta(seconds=5)
"""How long a report without a word of deliveries has to stand. An agent tells within a second what it finds."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an environment reported last: under which generation, when, its conditions, how many pull secrets it has."""

    generation: int
    at: datetime
    conditions: tuple[Mapping[str, Any], ...]
    pull_secrets: int


def left(said: Said | None, emptied: int | None, now: datetime) -> tuple[str, ...]:
    """What is still there or not known, as phrases for a person; none: nothing is left.

    `emptied` is the generation of the empty desired state, None as long as there is none.
    """
    if said is None:
        return ("its agent has not reported",)
    if emptied is None or said.generation < emptied:
        return ("its agent has not taken up that it is leaving",)
    return tuple(_left(said, emptied, now))


def _left(said: Said, emptied: int, now: datetime) -> Iterable[str]:
    by_type = {one["type"]: one for one in said.conditions}
    if said.pull_secrets:
        yield f"{said.pull_secrets:,} pull secrets"
    seen, delivered, enforced = (by_type.get(name) for name in ("ClusterSeen", "Delivered", "Enforced"))
    if seen is not None and seen["status"] != "True":
        yield "its agent cannot see the cluster"
    if now - said.at < SETTLED if delivered is None else delivered["status"] != "True":
        yield "its agent has not said that everything is removed"
    if enforced is not None and (enforced["reason"] != OFF or enforced.get("observedGeneration", emptied) < emptied):
        yield "the policy's objects"
