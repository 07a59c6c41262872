"""The exit code is decided once: by the verdicts, the stage where each object stands, and what was left open."""

from __future__ import annotations

import pytest

from portreeve.core.findings import FailOn, Finding, Inspection, exit_code
from portreeve.core.manifests import ImageUse, NotEvaluated, Place
from portreeve.core.policy import Stage
from portreeve.core.verdict import Code, Decision, ImageVerdict, Reason

MISSING = NotEvaluated("x.yaml", 1, "template", "a template")


def finding(decision: Decision | None, namespace: str = "shop") -> Finding:
    use = ImageUse("nginx", Place.CONTAINERS, "x.yaml", 1, "Pod", namespace, "p", "c")
    if decision is None:
        return Finding(use, None, "docker.io/library/nginx:latest")
    verdict = ImageVerdict("nginx", decision, (Reason(Code.SOURCE_NOT_ALLOWED, "…"),))
    return Finding(use, verdict, "docker.io/library/nginx:latest")


@pytest.mark.parametrize(
    ("decisions", "stage", "fail_on", "missing", "code"),
    [
        ([Decision.ALLOW], Stage.DENY, FailOn.DENY, False, 0),
        ([Decision.ALLOW, Decision.DENY], Stage.DENY, FailOn.DENY, False, 1),
        ([Decision.DENY], Stage.WARN, FailOn.DENY, False, 0),
        ([Decision.DENY], Stage.WARN, FailOn.WARN, False, 1),
        ([Decision.DENY], Stage.DENY, FailOn.WARN, False, 1),
        ([Decision.DENY], Stage.AUDIT, FailOn.WARN, False, 0),
        ([Decision.DENY], Stage.DENY, FailOn.NONE, False, 0),
        ([Decision.DENY], Stage.DENY, FailOn.DENY, True, 1),
        ([Decision.ALLOW], Stage.DENY, FailOn.DENY, True, 3),
        ([Decision.UNKNOWN], Stage.DENY, FailOn.DENY, False, 3),
        ([Decision.UNKNOWN, Decision.DENY], Stage.DENY, FailOn.DENY, False, 1),
        ([Decision.UNKNOWN], Stage.OFF, FailOn.NONE, False, 3),
        ([None], Stage.OFF, FailOn.DENY, False, 0),
        ([], Stage.OFF, FailOn.DENY, False, 0),
    ],
)
def test_exit_codes(decisions: list[Decision | None], stage: Stage, fail_on: FailOn, missing: bool, code: int) -> None:
    inspection = Inspection("p", stage, tuple(map(finding, decisions)), (MISSING,) if missing else ())
    assert exit_code(inspection, fail_on) == code
    assert exit_code(inspection, fail_on, allow_incomplete=True) == (0 if code == 3 else code)


def test_a_denied_image_of_a_system_namespace_is_audited() -> None:
    inspection = Inspection("p", Stage.DENY, (finding(Decision.DENY, "kube-system"),), ())
    assert exit_code(inspection, FailOn.WARN) == 0


def test_the_summary_counts_each_once() -> None:
    decisions = [Decision.ALLOW, Decision.DENY, Decision.DENY, Decision.UNKNOWN, None]
    summary = Inspection("p", Stage.DENY, tuple(map(finding, decisions)), (MISSING,)).summary
    assert (summary.allowed, summary.denied, summary.unknown, summary.unjudged, summary.not_evaluated) == (
        1,
        2,
        1,
        1,
        1,
    )
