"""How much one API server is asked: it grows while answers are good, halves when they are not, and has a cap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.pacing import CEILING_S, FRESH, USUAL, Bucket, Limits, Pace

LIMITS = Limits(rate=50.0, burst=100.0, most=400.0)


def test_a_share_grows_while_the_server_takes_it_gladly_and_never_beyond_its_cap() -> None:
    bucket = Bucket(0.0)
    for _ in range(1_000):
        bucket = bucket.taken_gladly(LIMITS)
    assert bucket.rate == 400
    assert bucket.filled(0.0, LIMITS).filled(0.2, LIMITS).level == 80


def test_without_a_higher_cap_it_stays_as_it_began() -> None:
    fixed = Limits(rate=4.0)
    assert Bucket(1.0).taken_gladly(fixed) == Bucket(1.0)
    after = Bucket(1.0).refused(fixed)
    assert after.rate == 2
    for _ in range(3):
        after = after.taken_gladly(fixed)
    assert after.rate == 4


@given(st.lists(st.booleans(), max_size=200))
def test_a_share_lies_between_a_tenth_of_the_beginning_and_the_cap(answers: list[bool]) -> None:
    bucket = Bucket(0.0)
    for good in answers:
        bucket = bucket.taken_gladly(LIMITS) if good else bucket.refused(LIMITS)
        assert 5 <= (bucket.rate or LIMITS.rate) <= 400


def test_a_refusal_halves_it_at_once() -> None:
    assert Bucket(0.0, rate=400.0).refused(LIMITS).rate == 200
    assert Bucket(0.0).refused(USUAL).rate == USUAL.rate / 2


def test_what_has_to_be_repeated_waits_ever_longer_until_it_was_quiet() -> None:
    at, pace, waits = 0.0, FRESH, []
    for _ in range(6):
        pace = pace.repeated(at, 0.5)
        waits.append(pace.due_at - at)
        at = pace.due_at
    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0]
    assert pace.repeated(at + CEILING_S, 0.5).wait_s == Pace().repeated(0.0, 0.5).wait_s
