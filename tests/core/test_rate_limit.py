"""Forecasts of pull limits: by source, from what was read, and never later than what is left allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.rate_limit import Level, Reading, forecasts

START = datetime(2026, 11, 28, tzinfo=UTC)
WINDOW_S = 21_600


def reading(hours: float, remaining: int, source: str = "192.0.2.1", limit: int = 100) -> Reading:
    return Reading(START + timedelta(hours=hours), limit, remaining, WINDOW_S, source)


def test_one_reading_tells_no_rate() -> None:
    (found,) = forecasts([reading(0, 90)])
    assert (found.per_hour, found.empty_at, found.level) == (None, None, Level.FINE)


def test_a_steady_fall_is_followed_to_its_end() -> None:
    (found,) = forecasts([reading(0, 90), reading(1, 70), reading(2, 50)])
    assert found.per_hour == 20
    assert found.empty_at == START + timedelta(hours=4.5)
    assert found.level is Level.FINE


def test_what_is_empty_within_the_hour_is_low() -> None:
    (found,) = forecasts([reading(0, 100), reading(1, 40)])
    assert found.level is Level.LOW
    assert "mirror" in found.advice


def test_little_left_is_low_without_any_fall() -> None:
    (found,) = forecasts([reading(0, 19), reading(3, 19)])
    assert (found.level, found.empty_at) == (Level.LOW, None)


def test_nothing_left_is_exhausted_since_it_was_read() -> None:
    (found,) = forecasts([reading(0, 5), reading(1, 0)])
    assert (found.level, found.empty_at) == (Level.EXHAUSTED, START + timedelta(hours=1))


def test_what_comes_back_as_fast_as_it_goes_lasts() -> None:
    (found,) = forecasts([reading(0, 50), reading(1, 40), reading(2, 50)])
    assert found.empty_at is None


def test_each_address_has_a_count_of_its_own() -> None:
    found = forecasts([reading(1, 10, "192.0.2.9"), reading(0, 90), reading(1, 80), reading(0, 95, "192.0.2.9")])
    assert [one.source for one in found] == ["192.0.2.1", "192.0.2.9"]
    assert [one.latest.remaining for one in found] == [80, 10]


def test_another_limit_begins_anew() -> None:
    """Somebody signed in: 200 where there were 100; the fall between the two is none."""
    (found,) = forecasts([reading(0, 3), reading(1, 190, limit=200), reading(2, 180, limit=200)])
    assert found.per_hour == 10


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(-5, 200)), min_size=1, max_size=30))
def test_any_readings_give_one_forecast_that_is_not_before_the_last(points: list[tuple[int, int]]) -> None:
    readings = [reading(minutes / 60, remaining) for minutes, remaining in points]
    (found,) = forecasts(readings)
    assert found.latest.at == max(one.at for one in readings)
    assert found.empty_at is None or found.empty_at >= found.latest.at
    assert found.per_hour is None or found.per_hour >= 0
