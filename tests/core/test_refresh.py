"""When a token is refreshed, kept, tried again and told of: one rule at a time. Faults together: tests/simulation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portreeve.core.refresh import (
    BURST,
    CEILING_S,
    FLOOR_S,
    LEASE_S,
    RATE,
    REFUSED_S,
    SHORT_S,
    Bucket,
    Effect,
    Event,
    Failed,
    Forget,
    Keep,
    Line,
    Mint,
    Minted,
    Notice,
    State,
    Tell,
    Tick,
    Wanted,
    Wants,
    Why,
    step,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIFE = timedelta(hours=12)
ECR = Wanted("c1/eu", "ecr.eu", 1, LIFE.total_seconds())


def after(**by: float) -> datetime:
    return NOW + timedelta(**by)


def run(state: State, *events: Event) -> tuple[State, list[Effect]]:
    found: list[Effect] = []
    for event in events:
        state, effects = step(state, event)
        found += effects
    return state, found


def minted(chance: float = 0.5, life: timedelta = LIFE) -> State:
    """One token, minted at NOW."""
    state, _ = run(State(), Wants([ECR], NOW), Tick(NOW), Minted(ECR.key, 1, NOW + life, NOW, chance))
    return state


def only(state: State) -> Line:
    (line,) = state.lines.values()
    return line


def failing(why: Why = Why.UNREACHABLE, *, at: datetime, chance: float = 0.5, retry: float | None = None) -> State:
    state, effects = run(minted(), Tick(at))
    assert effects == [Mint(ECR.key, 1, 2)]
    state, _ = run(state, Failed(ECR.key, 2, why, "why", at, chance, retry))
    return state


def test_a_new_key_is_minted_at_once_and_once() -> None:
    state, effects = run(State(), Wants([ECR], NOW), Tick(NOW), Tick(NOW), Wants([ECR], NOW), Tick(after(seconds=30)))
    assert effects == [Mint(ECR.key, 1, 1)]
    state, effects = run(state, Minted(ECR.key, 1, NOW + LIFE, after(seconds=31), 0.5))
    assert [type(one) for one in effects] == [Keep]
    assert only(state).usable(after(hours=11))


@pytest.mark.parametrize(("chance", "hours"), [(0.0, 4.8), (0.5, 5.4), (0.999999, 6.0)])
def test_it_is_refreshed_between_40_and_50_percent_of_its_life(chance: float, hours: float) -> None:
    state = minted(chance)
    assert run(state, Tick(after(hours=hours - 0.01)))[1] == []
    assert run(state, Tick(after(hours=hours + 0.01)))[1] == [Mint(ECR.key, 1, 2)]


def test_the_old_one_is_held_through_failures_to_its_very_end_and_after_it() -> None:
    state = failing(at=after(hours=6))
    assert only(state).usable(after(hours=11, minutes=59))
    assert not only(state).usable(after(hours=12))
    assert only(state).held == only(minted()).held


@pytest.mark.parametrize("ends", [after(hours=6), after(hours=11), after(hours=12)])
def test_one_that_does_not_end_later_is_not_taken(ends: datetime) -> None:
    state, _ = run(minted(), Tick(after(hours=6)))
    state, effects = run(state, Minted(ECR.key, 2, ends, after(hours=6), 0.5))
    assert not any(isinstance(one, Keep) for one in effects)
    assert only(state).held == only(minted()).held
    assert only(state).failures == 1


def test_a_shorter_one_is_taken_when_the_held_one_has_ended_or_is_of_another_credential() -> None:
    late, _ = run(minted(), Tick(after(hours=13)))
    assert isinstance(run(late, Minted(ECR.key, 2, after(hours=14), after(hours=13), 0.5))[1][0], Keep)
    rotated, effects = run(minted(), Wants([replace(ECR, source=2)], after(hours=1)), Tick(after(hours=1)))
    assert effects == [Mint(ECR.key, 2, 2)]
    assert isinstance(run(rotated, Minted(ECR.key, 2, after(hours=2), after(hours=1), 0.5))[1][0], Keep)


@pytest.mark.parametrize("seconds", [-3600, 0, 59])
def test_what_has_ended_or_is_about_to_is_never_stored(seconds: int) -> None:
    state, effects = run(State(), Wants([ECR], NOW), Tick(NOW), Minted(ECR.key, 1, after(seconds=seconds), NOW, 0.5))
    assert effects[1:] == [Tell(ECR.key, Notice.FAILING, "mint_ended")]
    assert only(state).held is None


def test_waits_grow_with_jitter_between_floor_and_ceiling() -> None:
    at, state, waits = after(hours=6), minted(), []
    for attempt in range(2, 12):
        state, effects = run(state, Tick(at))
        assert effects[0] == Mint(ECR.key, 1, attempt)
        state, _ = run(state, Failed(ECR.key, attempt, Why.UNREACHABLE, "down", at, 0.9))
        waits.append((only(state).due_at - at).total_seconds())
        at = only(state).due_at
    assert waits == sorted(waits)
    assert FLOOR_S <= waits[0] < waits[1]
    assert waits[-1] == CEILING_S


def test_a_refusal_waits_long_and_another_credential_ends_the_wait() -> None:
    at = after(hours=6)
    state = failing(Why.REFUSED, at=at)
    assert 0.9 * REFUSED_S <= (only(state).due_at - at).total_seconds() <= REFUSED_S
    soon = at + timedelta(seconds=5)
    assert run(state, Tick(soon))[1] == []
    assert run(state, Wants([replace(ECR, source=2)], soon), Tick(soon))[1] == [Mint(ECR.key, 2, 3)]


@pytest.mark.parametrize(
    ("hours", "retry", "least", "most"),
    [
        (6, 300, 300, 300),
        (6, 7200, 900, 900),
        (11.7, 600, 480, 481),
        (11.9, 600, SHORT_S, SHORT_S),
        (6, 1, FLOOR_S, 60),
    ],
)
def test_retry_after_is_honoured_as_far_as_the_held_token_allows(
    hours: float, retry: float, least: float, most: float
) -> None:
    at = after(hours=hours)
    waited = (only(failing(Why.THROTTLED, at=at, retry=retry)).due_at - at).total_seconds()
    assert least - 0.01 <= waited <= most + 0.01


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    state, _ = run(minted(), Tick(after(hours=6)))
    for attempt in (1, 3):
        assert run(state, Minted(ECR.key, attempt, after(hours=20), after(hours=6), 0.5)) == (state, [])
    assert run(state, Failed("unknown", 2, Why.REFUSED, "no", after(hours=6), 0.5)) == (state, [])
    rotated, _ = run(state, Wants([replace(ECR, source=2)], after(hours=6)))
    ended, effects = run(rotated, Minted(ECR.key, 2, after(hours=18), after(hours=6), 0.5))
    assert effects == []
    assert run(ended, Tick(after(hours=6)))[1] == [Mint(ECR.key, 2, 3)]


def test_a_lost_answer_is_asked_for_again_after_the_lease() -> None:
    state, _ = run(State(), Wants([ECR], NOW), Tick(NOW))
    assert run(state, Tick(after(seconds=LEASE_S - 1)))[1] == []
    assert run(state, Tick(after(seconds=LEASE_S)))[1] == [Mint(ECR.key, 1, 2)]
    assert run(state, Tick(after(days=1), frozenset([ECR.key])))[1] == []


def test_what_is_not_wanted_any_more_is_forgotten() -> None:
    state, effects = run(minted(), Wants([], after(hours=1)))
    assert (effects, dict(state.lines), dict(state.buckets)) == ([Forget(ECR.key)], {}, {})


def test_alerts_come_once_each_and_success_ends_them() -> None:
    state, found = failing(at=after(hours=9)), []
    for minutes in range(9 * 60, 13 * 60, 5):
        at = after(minutes=minutes)
        state, effects = run(state, Tick(at))
        found += [(minutes / 60, one.notice) for one in effects if isinstance(one, Tell)]
        for one in effects:
            if isinstance(one, Mint):
                state, told = run(state, Failed(one.key, one.attempt, Why.UNREACHABLE, "down", at, 0.5))
                assert not told
    assert found == [(10.0, Notice.SOON), (11.0, Notice.VERY_SOON), (12.0, Notice.ENDED)]
    at = after(hours=13)
    state, effects = run(state, Tick(at))
    attempt = only(state).attempt
    state, effects = run(state, Minted(ECR.key, attempt, at + LIFE, at, 0.5))
    assert effects[1:] == [Tell(ECR.key, Notice.RECOVERED)]
    assert (only(state).failures, only(state).code, only(state).told) == (0, "", Notice.RECOVERED)


def test_one_peer_is_asked_no_more_than_its_bucket_allows_and_the_longest_due_first() -> None:
    many = [replace(ECR, key=f"k{number:03}") for number in range(100)]
    state, effects = run(State(), Wants(many, NOW), Tick(NOW, most=1000))
    assert len(effects) == BURST
    state, effects = run(state, Tick(after(seconds=2), most=1000))
    assert len(effects) == 2 * RATE
    assert effects[0] == Mint("k025", 1, 1)
    other = replace(ECR, key="other", peer="elsewhere")
    assert Mint("other", 1, 1) in run(state, Wants([*many, other], after(seconds=2)), Tick(after(seconds=2)))[1]


def test_a_clock_that_jumps_ahead_and_back_loses_nothing_and_storms_nothing() -> None:
    ahead = after(days=1)
    state, effects = run(minted(), Tick(ahead))
    assert effects == [Mint(ECR.key, 1, 2)]
    # The service's clock is right, so its token has ended by ours.
    state, effects = run(state, Minted(ECR.key, 2, after(hours=12), ahead, 0.5))
    assert not any(isinstance(one, Keep) for one in effects)
    back = after(minutes=1)
    assert only(state).usable(back)
    state, effects = run(state, Tick(back))
    assert effects == [Mint(ECR.key, 1, 3)]
    assert run(state, Tick(back), Tick(after(minutes=1, seconds=5)))[1] == []


def test_a_clock_that_is_a_day_late_does_not_make_a_life_longer() -> None:
    late = after(days=-1)
    state, effects = run(minted(), Tick(late))
    assert effects == [Mint(ECR.key, 1, 2)]
    state, _ = run(state, Minted(ECR.key, 2, after(hours=13), late, 0.5))
    assert only(state).due_at <= late + LIFE / 2
    held = only(state).held
    assert held is not None
    assert held.serial == int(NOW.timestamp()) + 1


def test_a_bucket_follows_the_clock_that_is_ahead_and_begins_anew_with_one_set_back() -> None:
    bucket = Bucket(0.0, NOW)
    assert bucket.filled(after(seconds=-60)) == bucket
    assert bucket.filled(after(days=-1)) == Bucket(0.0, after(days=-1))
    assert bucket.filled(after(days=1)).level == BURST
