"""What `check` found: every image use with its verdict, and everything that could not be judged.

The exit code is decided here, once, so that the command line, CI and the reports cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portreeve.core.manifests import ImageUse, NotEvaluated
from portreeve.core.policy import Stage
from portreeve.core.sources import stage_in
from portreeve.core.verdict import Decision, ImageVerdict

EXIT_OK = 0
EXIT_VIOLATION = 1
EXIT_ERROR = 2
EXIT_INCOMPLETE = 3


class FailOn(StrEnum):
    """From which stage on a DENY makes `check` exit 1."""

    DENY = "deny"
    WARN = "warn"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Finding:
    """One image use and what was said of it; `verdict` is None when no policy was given."""

    use: ImageUse
    verdict: ImageVerdict | None
    canonical: str | None

    @property
    def decision(self) -> Decision | None:
        """The decision, None without a policy."""
        return self.verdict.decision if self.verdict else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of image uses by decision, and of what was not evaluated. `unjudged` counts uses without a policy."""

    allowed: int = 0
    denied: int = 0
    unknown: int = 0
    unjudged: int = 0
    not_evaluated: int = 0


@dataclass(frozen=True, slots=True)
class Inspection:
    """The whole result. `policy` is the policy's name, None without one; `stage` is that policy's."""

    policy: str | None
    stage: Stage
    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]

    @property
    def summary(self) -> Summary:
        """Counts over the findings."""
        decisions = [finding.decision for finding in self.findings]
        return Summary(
            allowed=decisions.count(Decision.ALLOW),
            denied=decisions.count(Decision.DENY),
            unknown=decisions.count(Decision.UNKNOWN),
            unjudged=decisions.count(None),
            not_evaluated=len(self.not_evaluated),
        )


def fails(finding: Finding, stage: Stage, fail_on: FailOn) -> bool:
    """Whether this finding is a violation at or above `fail_on`."""
    enforced = stage_in(stage, finding.use.namespace)
    failing = {FailOn.DENY: {Stage.DENY}, FailOn.WARN: {Stage.DENY, Stage.WARN}, FailOn.NONE: set[Stage]()}[fail_on]
    return finding.decision is Decision.DENY and enforced in failing


def exit_code(inspection: Inspection, fail_on: FailOn = FailOn.DENY, *, allow_incomplete: bool = False) -> int:
    """0, 1 for a violation, 3 if something is UNKNOWN or was not evaluated and nothing else failed."""
    if any(fails(finding, inspection.stage, fail_on) for finding in inspection.findings):
        return EXIT_VIOLATION
    incomplete = inspection.not_evaluated or any(f.decision is Decision.UNKNOWN for f in inspection.findings)
    return EXIT_INCOMPLETE if incomplete and not allow_incomplete else EXIT_OK
