"""A checklist says what its stages say: unknown is never good, and a refusal means what its circumstances tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portreeve.core.checklist import (
    NEEDED,
    Check,
    Outcome,
    Stage,
    after,
    expiry,
    explained,
    failed,
    judged,
    ok,
    unknown,
)
from portreeve.errors import Denied

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def all_ok() -> dict[Stage, Check]:
    return {stage: ok(stage, "fine") for stage in Stage}


def test_everything_ok_is_ok() -> None:
    assert judged(all_ok().values()) is Outcome.OK


@pytest.mark.parametrize("stage", list(Stage))
def test_any_failure_is_a_failure(stage: Stage) -> None:
    checks = all_ok() | {stage: failed(stage, Denied("no", "no"))}
    assert judged(checks.values()) is Outcome.FAILED


@pytest.mark.parametrize("stage", sorted(NEEDED))
def test_what_a_pull_needs_and_is_unknown_is_never_good(stage: Stage) -> None:
    checks = all_ok() | {stage: unknown(stage, "?")}
    assert judged(checks.values()) is Outcome.UNKNOWN
    del checks[stage]
    assert judged(checks.values()) is Outcome.UNKNOWN


@pytest.mark.parametrize("stage", sorted(set(Stage) - NEEDED))
def test_what_a_pull_does_not_need_may_be_unknown(stage: Stage) -> None:
    assert judged((all_ok() | {stage: unknown(stage, "?")}).values()) is Outcome.OK


def test_a_stage_behind_a_failed_one_names_it() -> None:
    check = after(Stage.TLS, Stage.DNS)
    assert (check.outcome, check.code) == (Outcome.UNKNOWN, "not_tried")
    assert "dns" in check.message


@pytest.mark.parametrize(
    ("left", "can_end", "outcome", "code"),
    [
        (None, True, Outcome.FAILED, "credential_never_expires"),
        (None, False, Outcome.OK, ""),
        (timedelta(0), True, Outcome.FAILED, "credential_expired"),
        (timedelta(seconds=-1), False, Outcome.FAILED, "credential_expired"),
        (timedelta(seconds=1), True, Outcome.UNKNOWN, "credential_expiring"),
        (timedelta(days=30), True, Outcome.UNKNOWN, "credential_expiring"),
        (timedelta(days=30, seconds=1), True, Outcome.OK, ""),
    ],
)
def test_the_end_of_a_credential(left: timedelta | None, can_end: bool, outcome: Outcome, code: str) -> None:
    check = expiry(None if left is None else NOW + left, can_end=can_end, now=NOW)
    assert (check.outcome, check.code) == (outcome, code)


@pytest.mark.parametrize(
    ("anonymous", "ends_at", "code"),
    [
        (True, None, "credential_needed"),
        (False, None, "registry_unauthorized"),
        (False, NOW + timedelta(days=1), "registry_unauthorized"),
        (False, NOW, "credential_expired"),
        (False, NOW - timedelta(days=9), "credential_expired"),
    ],
)
def test_a_refusal_means_what_its_circumstances_tell(anonymous: bool, ends_at: datetime | None, code: str) -> None:
    refusal = failed(Stage.TOKEN, Denied("registry_unauthorized", "it does not accept who we are"))
    assert explained(refusal, anonymous=anonymous, ends_at=ends_at, now=NOW).code == code


def test_other_failures_stay_what_they_are() -> None:
    refusal = failed(Stage.PULL, Denied("registry_denied", "not this one"))
    assert explained(refusal, anonymous=True, ends_at=NOW, now=NOW) == refusal
