"""What a policy would deny in an environment, and what else a look at it sees; kept as long as nothing has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from portreeve.core.agent_identity import ADMITTED
from portreeve.core.blast_radius import Denial, Denials, RunningImage
from portreeve.core.desired import DesiredState
from portreeve.core.environments import Environment
from portreeve.core.estate import policy_type
from portreeve.core.policy import Exemption, RegistryPolicy, Stage
from portreeve.core.stages import Look, policy_text
from portreeve.server.documents.snapshot import Reported, Snapshot
from portreeve.server.images.verdicts import governed


@dataclass(frozen=True)
class _Kept:
    """What an answer was worked out of, and the answer. `given` are values that are replaced and never changed."""

    given: tuple[object, ...]
    at: datetime
    hash: str
    found: tuple[Denial, ...]

    def holds(self, given: tuple[object, ...]) -> bool:
        """Whether nothing it was worked out of is another one now."""
        return all(one is other for one, other in zip(self.given, given, strict=True))

    def lapsed(self, exemptions: Iterable[Exemption], now: datetime) -> bool:
        """Whether an exemption has ended since: that is all that time alone does."""
        return self.at > now or any(self.at < one.expires_at <= now for one in exemptions)


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
            last_seen(snapshot, name, reported),
            _complete(snapshot, name, reported) and told.get("ClusterSeen", {}).get("status") == "True",
            self.violations(snapshot, environment, now),
            str(enforced.get("reason", "")),
            wanted is not None and enforced.get("observedGeneration", 0) >= wanted,
        )

    def violations(self, snapshot: Snapshot, environment: Environment, now: datetime) -> tuple[Denial, ...]:
        """What runs or could run there that its policy would refuse at `deny`, sorted."""
        reported = snapshot.reports.get(environment.name)
        running = snapshot.running.get(environment.name, ())
        inventory = reported.inventory if reported is not None else None
        capabilities = snapshot.capabilities.get(environment.name)
        # Documents and namespaces make the sources, and time ends exemptions; credentials decide nothing.
        given = (snapshot.documents, capabilities, running, inventory)
        kept = self._kept.get(environment.name)
        if kept is None or not kept.holds(given) or kept.lapsed(snapshot.estate.exemptions, now):
            state = governed(snapshot, environment, now).state
            same = kept is not None and kept.hash == state.hash and kept.given[2:] == given[2:]
            same = same and kept is not None and not kept.lapsed(snapshot.estate.exemptions, now)
            found = kept.found if same and kept is not None else _judged(state, running, inventory or {}, now)
            kept = self._kept[environment.name] = _Kept(given, now, state.hash, found)
        return kept.found

    def forget(self, there: Iterable[str]) -> None:
        """Keep what is of these environments."""
        for name in set(self._kept) - set(there):
            self._kept.pop(name, None)


def _judged(
    state: DesiredState, running: Iterable[RunningImage], inventory: Mapping[str, Mapping[str, Any]], now: datetime
) -> tuple[Denial, ...]:
    if state.sources is None:
        return ()
    sources, denials = replace(state.sources, stage=Stage.DENY), Denials(now)
    every = (denials.of(image, sources, "") for image in (*running, *_templates(state.environment, inventory)))
    # In a system namespace nothing is ever refused.
    return tuple(sorted({one for one in every if one is not None and one.stage is Stage.DENY}))


def covered(snapshot: Snapshot, policy: RegistryPolicy) -> list[Environment]:
    """The environments that a policy is in force in, sorted by name."""
    found = (
        one
        for one in snapshot.estate.environments
        if one.group in policy.groups and policy_type(one.type) is policy.type
    )
    return sorted(found, key=lambda one: one.name)


def last_seen(snapshot: Snapshot, name: str, reported: Reported | None) -> datetime | None:
    """When the environment's agent was last known to be there; None if there is none."""
    agent = snapshot.agents.get(name)
    if agent is None or agent.state not in ADMITTED:
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
