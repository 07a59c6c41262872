"""Which running images a change would newly deny, newly report and newly allow.

What runs is judged twice by the one evaluation (`core.verdict`): with the sources before and with those after, both at
the same `now`, as if it were created again. A change of stage counts: the same sources under `deny` deny what they only
reported under `audit`. UNKNOWN counts as not allowed, and the answer says that it is UNKNOWN.

Left out: images that nothing reported to us; an environment whose inventory is missing shows an empty radius, which
`core.plan` names as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from portreeve.core.policy import Stage
from portreeve.core.sources import ResolvedSources, stage_in
from portreeve.core.verdict import Decision, judge

STRICTNESS: Final = {stage: rank for rank, stage in enumerate((Stage.OFF, Stage.AUDIT, Stage.WARN, Stage.DENY))}


@dataclass(frozen=True, slots=True, order=True)
class RunningImage:
    """An image that runs. `owner` is the workload ("Deployment/api"), so that a new replica is nothing new."""

    environment: str
    namespace: str
    owner: str
    image: str


@dataclass(frozen=True)
class Inventory:
    """What runs everywhere, in any order. `reported` are environments that told us, even if nothing runs there."""

    images: tuple[RunningImage, ...] = ()
    reported: frozenset[str] = frozenset()

    @cached_property
    def by_environment(self) -> Mapping[str, tuple[RunningImage, ...]]:
        """Environment → its images, sorted, each once."""
        found: dict[str, set[RunningImage]] = {}
        for image in self.images:
            found.setdefault(image.environment, set()).add(image)
        return {environment: tuple(sorted(held)) for environment, held in found.items()}

    def knows(self, environment: str) -> bool:
        """Whether the environment reported what runs there."""
        return environment in self.reported or environment in self.by_environment


@dataclass(frozen=True, slots=True, order=True)
class Denial:
    """A running image that would not be allowed; `stage` says what would happen to it, `reason` why."""

    image: RunningImage
    decision: Decision
    stage: Stage
    reason: str


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What a change means for what runs; all sorted.

    `newly_denied` would be refused (stage deny) and were not before; `newly_reported` would be audited or warned of;
    `newly_allowed` were refused before.
    """

    newly_denied: tuple[Denial, ...] = ()
    newly_reported: tuple[Denial, ...] = ()
    newly_allowed: tuple[RunningImage, ...] = ()


@dataclass(frozen=True)
class Denials:
    """The evaluation with a memory: environments with equal sources ask the same questions."""

    now: datetime
    _answers: dict[tuple[str, str, str], tuple[Decision, str]] = field(default_factory=dict)

    def of(self, image: RunningImage, sources: ResolvedSources | None, fingerprint: str) -> Denial | None:
        """Why the image is not allowed; None if it is, or if nothing is restricted.

        `fingerprint` is the same for sources that judge alike.
        """
        stage = Stage.OFF if sources is None else stage_in(sources.stage, image.namespace)
        if sources is None or stage is Stage.OFF:
            return None
        key = (fingerprint, image.namespace, image.image)
        if key not in self._answers:
            verdict = judge(image.image, image.namespace, sources, now=self.now)
            self._answers[key] = (verdict.decision, verdict.reasons[0].message)
        decision, reason = self._answers[key]
        return None if decision is Decision.ALLOW else Denial(image, decision, stage, reason)


def blast_radius(pairs: Iterable[tuple[RunningImage, Denial | None, Denial | None]]) -> BlastRadius:
    """Sort what runs by what changes for it; each image comes with its denial before and after."""
    denied: list[Denial] = []
    reported: list[Denial] = []
    allowed: list[RunningImage] = []
    for image, before, after in pairs:
        was, becomes = _strictness(before), _strictness(after)
        refused = STRICTNESS[Stage.DENY]
        if after is not None and becomes > was:
            (denied if becomes == refused else reported).append(after)
        elif was == refused > becomes:
            allowed.append(image)
    return BlastRadius(tuple(sorted(denied)), tuple(sorted(reported)), tuple(sorted(allowed)))


def _strictness(denial: Denial | None) -> int:
    return 0 if denial is None else STRICTNESS[denial.stage]
