"""When a policy may go a stage forward: only what is known to be good lets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.blast_radius import Denial, RunningImage
from portreeve.core.policy import RegistryPolicy, Stage
from portreeve.core.stages import (
    MAX_AGE,
    QUIET,
    Hold,
    HoldRule,
    Look,
    Watch,
    forward,
    holds,
    may_be_held,
    next_stage,
    period,
    policy_text,
    watched,
)
from portreeve.core.verdict import Decision

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
RULE = HoldRule()
BAD = Denial(RunningImage("prod", "shop", "Deployment/api", "nginx"), Decision.DENY, Stage.DENY, "not allowed")
REASONS = {Stage.AUDIT: "PolicyAuditing", Stage.WARN: "PolicyWarning", Stage.DENY: "PolicyEnforced"}


def good(at: datetime, environment: str = "prod", stage: Stage = Stage.AUDIT) -> Look:
    """A look at which nothing is wrong."""
    return Look(environment, at, "t", at, told=True, reason=REASONS.get(stage, "PolicyOff"), present=True)


def over(looks: Sequence[Look], before: Watch | None = None) -> Watch:
    """What is remembered after these."""
    for look in looks:
        before = watched(before, look)
    assert before is not None
    return before


def quiet_days(days: float, step: timedelta = timedelta(minutes=30)) -> Watch:
    return over([good(BEGIN + number * step) for number in range(int(days * DAY / step) + 1)])


def codes(found: tuple[Hold, ...]) -> list[str]:
    return [one.code for one in found]


def asked(look: Look, watch: Watch | None, before: Stage = Stage.AUDIT, after: Stage = Stage.DENY) -> list[str]:
    return codes(holds([(look, watch)], before, after, RULE, look.at))


def test_after_a_quiet_week_nothing_holds() -> None:
    watch = quiet_days(7)
    assert watch.since == BEGIN
    assert asked(good(BEGIN + QUIET), watch) == []
    (hold,) = holds([(good(BEGIN + QUIET - MINUTE), watch)], Stage.AUDIT, Stage.WARN, RULE, BEGIN + QUIET - MINUTE)
    assert (hold.code, hold.since, hold.until) == ("stage_quiet", BEGIN, BEGIN + QUIET)
    assert "2026-11-08T00:00:00Z" in hold.text


def test_a_violation_holds_while_it_is_there_and_a_week_after_it_was_seen_last() -> None:
    watch, at = quiet_days(7), BEGIN + QUIET
    bad = replace(good(at), violations=(BAD,))
    (hold,) = holds([(bad, watch)], Stage.AUDIT, Stage.DENY, RULE, at)
    assert (hold.code, hold.text) == ("stage_violations", "1 would be denied: Deployment/api in shop (nginx)")
    gone = watched(watched(watch, bad), good(at + 10 * MINUTE))
    # Nobody saw it go, so it may have been there until the look that found it gone.
    assert (gone.violations, gone.violation_at, gone.since) == (0, at + 10 * MINUTE, BEGIN)
    (hold,) = holds([(good(at + 20 * MINUTE), gone)], Stage.AUDIT, Stage.DENY, RULE, at + 20 * MINUTE)
    assert (hold.code, hold.until) == ("stage_quiet", at + 10 * MINUTE + QUIET)
    assert "the last violation was seen 2026-11-08T00:10:00Z" in hold.text


def test_what_may_not_be_seen_is_counted_and_not_named() -> None:
    look = replace(good(BEGIN), violations=(BAD,), hidden=4)
    (hold, *_) = holds([(look, None)], Stage.AUDIT, Stage.DENY, RULE, BEGIN)
    assert hold.text == "5 would be denied: Deployment/api in shop (nginx), 4 more"
    (hold, *_) = holds([(replace(look, violations=()), None)], Stage.AUDIT, Stage.DENY, RULE, BEGIN)
    assert hold.text == "4 would be denied: 4 that you may not see"


@pytest.mark.parametrize("gap", ["agent", "ours"])
def test_a_gap_begins_the_week_anew(gap: str) -> None:
    watch, back = quiet_days(6), BEGIN + 6 * DAY + MAX_AGE + 2 * MINUTE
    if gap == "agent":
        silent = [replace(good(BEGIN + 6 * DAY + n * MINUTE), seen_at=BEGIN + 6 * DAY) for n in range(1, 62)]
        watch = over(silent, watch)
        assert watch.since is None
        found = holds([(silent[-1], watch)], Stage.AUDIT, Stage.DENY, RULE, silent[-1].at)
        assert codes(found) == ["stage_data_old"]
        assert found[0].since == BEGIN + 6 * DAY
    watch = watched(watch, good(back))
    assert watch.since == back
    assert asked(good(back + 2 * DAY), watch) == ["stage_quiet"]


@pytest.mark.parametrize(
    ("looked", "seen"),
    [
        ((0, 59, 118), (0, 0, 118)),  # each look found data that was young enough, and the agent was away for two hours
        ((0, 61), (0, 30)),  # the agent was there, and nobody looked for more than an hour
    ],
)
def test_no_look_and_no_word_of_an_agent_may_be_missing(looked: Sequence[int], seen: Sequence[int]) -> None:
    pairs = zip(looked, seen, strict=True)
    watch = over([replace(good(BEGIN + at * MINUTE), seen_at=BEGIN + told * MINUTE) for at, told in pairs])
    assert watch.since == BEGIN + looked[-1] * MINUTE


def test_a_restart_of_an_agent_is_no_gap_and_holds_meanwhile() -> None:
    watch, at = quiet_days(7), BEGIN + QUIET
    blind = replace(good(at), told=False)
    assert asked(blind, watch) == ["stage_data_missing"]
    assert over([blind, good(at + MINUTE)], watch).since == BEGIN
    long = [replace(good(at + n * MINUTE), told=False) for n in range(70)]
    assert over(long, watch).since is None


def test_another_text_begins_anew_and_another_stage_does_not() -> None:
    watch = quiet_days(7)
    look = replace(good(BEGIN + QUIET), text="other")
    assert watched(watch, look).since == BEGIN + QUIET
    policy = RegistryPolicy("p", groups=("a",), stage=Stage.AUDIT)
    same = replace(policy, stage=Stage.DENY, generation=7, groups=("a", "b"))
    assert policy_text(policy) == policy_text(same)
    assert policy_text(policy) != policy_text(replace(policy, include_granted_registries=False))


def test_no_environment_no_agent_and_no_proof_hold() -> None:
    watch, at = quiet_days(7), BEGIN + QUIET
    assert codes(holds([], Stage.AUDIT, Stage.DENY, RULE, at)) == ["stage_nowhere"]
    assert asked(replace(good(at), seen_at=None), watch) == ["stage_data_missing"]
    assert asked(replace(good(at), reason="Drifted"), watch) == ["stage_unproved"]
    assert asked(replace(good(at), reason=""), watch) == ["stage_unproved"]
    # A proof of an earlier document says nothing of the present one.
    assert asked(replace(good(at), present=False), watch) == ["stage_unproved"]
    assert asked(good(at), watch, Stage.WARN) == ["stage_unproved"]
    assert asked(good(at, stage=Stage.WARN), watch, Stage.WARN) == []
    assert asked(good(at), None, Stage.OFF) == ["stage_unwatched"]


def test_each_environment_holds_for_itself() -> None:
    watch, at = quiet_days(7), BEGIN + QUIET
    pairs = [(good(at, "a"), watch), (good(at, "b"), None), (replace(good(at, "c"), seen_at=None), watch)]
    found = holds(reversed(pairs), Stage.AUDIT, Stage.DENY, RULE, at)
    assert [(one.environment, one.code) for one in found] == [("b", "stage_quiet"), ("c", "stage_data_missing")]
    assert holds([(good(at), None)], Stage.AUDIT, Stage.DENY, HoldRule(timedelta(0)), at) == ()


def test_back_and_into_audit_are_never_held() -> None:
    for before in Stage:
        for after in Stage:
            held = holds([], before, after, RULE, BEGIN)
            assert bool(held) == may_be_held(before, after)
            if not forward(before, after) or after is Stage.AUDIT:
                assert held == ()
    assert [next_stage(one) for one in Stage] == [Stage.AUDIT, Stage.WARN, Stage.DENY, None]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "90s"), (120, "2m"), (3600, "1h"), (604800, "7d")])
def test_a_period_is_written_as_people_do(seconds: int, text: str) -> None:
    assert period(timedelta(seconds=seconds)) == text


@st.composite
def histories(draw: st.DrawFn) -> list[Look]:
    """Looks at one environment, minutes to hours apart; whatever can be wrong with one is."""
    at, found = BEGIN, []
    for _ in range(draw(st.integers(1, 30))):
        at += timedelta(minutes=draw(st.sampled_from([1, 5, 30, 59, 61, 600])))
        ago = timedelta(minutes=draw(st.sampled_from([0, 0, 0, 30, 61])))
        seen_at = draw(st.sampled_from([at - ago, at - ago, None]))
        violations = draw(st.sampled_from([(), (), (), (BAD,)]))
        told, text = draw(st.sampled_from([True, True, True, False])), draw(st.sampled_from(["t", "t", "t", "u"]))
        found.append(Look("prod", at, text, seen_at, told, violations, "PolicyAuditing", present=True))
    return found


@given(histories(), st.sampled_from([timedelta(0), timedelta(minutes=30), timedelta(hours=3)]))
def test_whatever_goes_forward_was_quiet_and_seen_all_the_time(history: list[Look], quiet: timedelta) -> None:
    """The rule said once more, over the whole history and without any memory."""
    last = history[-1]
    watch = over(history[:-1]) if history[1:] else None
    found = holds([(last, watch)], Stage.AUDIT, Stage.DENY, HoldRule(quiet), last.at)
    if found:
        return
    assert last.told
    assert last.seen_at is not None
    assert last.at - last.seen_at <= MAX_AGE
    begin = last.at - quiet
    within = [look for look in history if look.at >= begin]
    assert not any(look.violations for look in within)
    assert all(look.text == last.text for look in within)
    times = [look.at for look in history if look.at <= begin][-1:] + [look.at for look in within]
    assert times[0] <= begin
    assert all(after - before <= MAX_AGE for before, after in pairwise(times))
    known = sorted(
        look.seen_at for look in history if look.told and look.seen_at is not None and look.text == last.text
    )
    for look in within:
        assert any(timedelta(0) <= look.at - one <= MAX_AGE for one in known)


@given(histories())
def test_a_watch_that_is_read_again_goes_on_alike(history: list[Look]) -> None:
    """Nothing is remembered but the watch; looking twice at one time is as looking once, but for the time of it."""
    watch = over(history)
    again = watched(watch, history[-1])
    assert (again.since, again.data_at, again.violations) == (watch.since, watch.data_at, watch.violations)
