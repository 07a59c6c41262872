"""How a registry looks from a cluster, by what the pulls of its nodes have told."""

from __future__ import annotations

from typing import Any

import pytest

from portreeve.core.checklist import Outcome
from portreeve.core.pull_failure import ADVICE, Cause
from portreeve.core.vantage import OF_THE_NODE, FailedPulls, ordered, seen_from

KNOWN: dict[str, Any] = {"told": True, "connected": True, "images": 2}


def test_what_runs_and_fails_nowhere_is_ok_and_says_no_more_than_that() -> None:
    seen = seen_from("prod", **KNOWN, failed=())
    assert (seen.outcome, seen.message, seen.failing) == (Outcome.OK, "images of it run, and no pull from it fails", ())


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"told": False, "images": 0}, "nobody has told"),
        ({"connected": False}, "has not come lately"),
        ({"images": 0}, "nothing that runs there"),
    ],
)
def test_what_is_not_known_is_never_ok(known: dict[str, Any], said: str) -> None:
    seen = seen_from("prod", **KNOWN | known, failed=())
    assert seen.outcome is Outcome.UNKNOWN
    assert said in seen.message


def test_what_was_said_before_an_agent_went_silent_is_no_failure_of_today() -> None:
    seen = seen_from("prod", **KNOWN | {"connected": False}, failed=[(Cause.DNS, "shop/Deployment/api")])
    assert seen.outcome is Outcome.UNKNOWN
    assert seen.failing == (FailedPulls(Cause.DNS, 1),)


def test_pulls_that_fail_are_counted_by_workload_and_the_most_come_first() -> None:
    failed = [
        (Cause.DNS, "shop/Deployment/api"),
        (Cause.UNAUTHORIZED, "shop/Deployment/api"),
        (Cause.UNAUTHORIZED, "shop/Deployment/api"),
        (Cause.UNAUTHORIZED, "pay/Deployment/api"),
    ]
    seen = seen_from("prod", **KNOWN, failed=failed)
    assert seen.outcome is Outcome.FAILED
    assert seen.failing == (FailedPulls(Cause.UNAUTHORIZED, 2), FailedPulls(Cause.DNS, 1))
    assert seen.message == f"pulls fail: {ADVICE[Cause.UNAUTHORIZED].meaning}"


@pytest.mark.parametrize("cause", sorted(OF_THE_NODE))
def test_what_has_nothing_to_do_with_the_registry_is_no_failure_of_it(cause: Cause) -> None:
    assert seen_from("prod", **KNOWN, failed=[(cause, "shop/Pod/a")]).outcome is Outcome.OK


def test_those_come_first_that_somebody_has_to_look_at() -> None:
    good, unknown = seen_from("a", **KNOWN, failed=()), seen_from("b", **KNOWN | {"images": 0}, failed=())
    bad = seen_from("c", **KNOWN, failed=[(Cause.TIMEOUT, "x/Pod/a")])
    assert [one.environment for one in ordered([good, unknown, bad])] == ["c", "b", "a"]
