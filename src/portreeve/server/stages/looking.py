"""What a policy would deny in an environment, and what else a look at it sees; kept as long as nothing has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from portreeve.core.blast_radius import Denial, Denials, RunningImage
from portreeve.core.environments import Environment
from portreeve.core.estate import policy_type
from portreeve.core.policy import RegistryPolicy, Stage
from portreeve.core.stages import Look, policy_text
from portreeve.server.documents.snapshot import Reported, Snapshot
from portreeve.server.images.verdicts import governed


@dataclass(frozen=True)
class _Kept:
    """What an answer was worked out of, and the answer."""

    running: object
    inventory: object
    hash: str
    found: tuple[Denial, ...]


@dataclass
class Looking:
    """Looks at environments. Judging what runs in a large one takes seconds, so it is done when something changed."""

    _kept: dict[str, _Kept] = field(default_factory=dict)

    def at(
        self, snapshot: Snapshot, policy: RegistryPolicy, now: datetime, generations: Mapping[str, int] | None = None
    ) -> list[Look]:
        """A look at each environment of a policy. Without `generations` no proof counts as one of the present state."""
        text = policy_text(policy)
        return [self._look(snapshot, one, text, now, generations or {}) for one in covered(snapshot, policy)]

    def _look(
        self, snapshot: Snapshot, environment: Environment, text: str, now: datetime, generations: Mapping[str, int]
    ) -> Look:
        name = environment.name
        reported = snapshot.reports.get(name)
        told = {one["type"]: one for one in reported.conditions} if reported is not None else {}
        enforced: Mapping[str, Any] = told.get("Enforced", {})
        wanted = generations.get(name)
        return Look(
            name,
            now,
            text,
            _seen_at(snapshot, name, reported),
            _complete(snapshot, name, reported) and told.get("ClusterSeen", {}).get("status") == "True",
            self.violations(snapshot, environment, now),
            str(enforced.get("reason", "")),
            wanted is not None and enforced.get("observedGeneration", 0) >= wanted,
        )

    def violations(self, snapshot: Snapshot, environment: Environment, now: datetime) -> tuple[Denial, ...]:
        """What runs or could run there that its policy would refuse at `deny`, sorted."""
        state = governed(snapshot, environment, now).state
        reported = snapshot.reports.get(environment.name)
        running = snapshot.running.get(environment.name, ())
        inventory = reported.inventory if reported is not None else None
        kept = self._kept.get(environment.name)
        if kept is None or kept.running is not running or kept.inventory is not inventory or kept.hash != state.hash:
            found: set[Denial] = set()
            if state.sources is not None:
                sources, denials = replace(state.sources, stage=Stage.DENY), Denials(now)
                for image in (*running, *_templates(environment.name, inventory or {})):
                    denial = denials.of(image, sources, "")
                    # In a system namespace nothing is ever refused.
                    if denial is not None and denial.stage is Stage.DENY:
                        found.add(denial)
            kept = self._kept[environment.name] = _Kept(running, inventory, state.hash, tuple(sorted(found)))
        return kept.found


def covered(snapshot: Snapshot, policy: RegistryPolicy) -> list[Environment]:
    """The environments that a policy is in force in, sorted by name."""
    found = (
        one
        for one in snapshot.estate.environments
        if one.group in policy.groups and policy_type(one.type) is policy.type
    )
    return sorted(found, key=lambda one: one.name)


def _seen_at(snapshot: Snapshot, name: str, reported: Reported | None) -> datetime | None:
    agent = snapshot.agents.get(name)
    if agent is None or agent.state != "active":
        return None
    seen_at = agent.seen_at or agent.enrolled_at
    return seen_at if reported is None else max(seen_at, reported.at)


def _complete(snapshot: Snapshot, name: str, reported: Reported | None) -> bool:
    """Whether it has told what runs, and all that could run."""
    if reported is None or reported.inventory is None or name not in snapshot.running:
        return False
    return not any(said.get("leftOut") for said in reported.inventory.values())


def _templates(name: str, inventory: Mapping[str, Mapping[str, Any]]) -> Iterator[RunningImage]:
    for namespace, said in inventory.items():
        for row in said.get("workloads", ()):
            yield RunningImage(name, namespace, row["owner"], row["image"])
