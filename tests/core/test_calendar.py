"""What is told of an end: the right day, once, and again when the end has moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.calendar import DAYS, Entry, Lane, Level, alert, due, selected

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def entry(days: float | None, lane: Lane = Lane.CREDENTIAL, name: str = "harbor/pull") -> Entry:
    at = None if days is None else NOW + timedelta(days=days)
    return Entry(lane, f"c-{name}", name, at, registry=name.partition("/")[0])


@pytest.mark.parametrize(
    ("days", "level", "left"),
    [
        (None, Level.NEVER, None), (31, Level.OK, 31), (30, Level.DAYS_30, 30), (14.5, Level.DAYS_30, 14),
        (14, Level.DAYS_14, 14), (7, Level.DAYS_7, 7), (1.01, Level.DAYS_7, 1), (0.5, Level.DAYS_1, 0),
        (0, Level.OVERDUE, 0), (-2, Level.OVERDUE, -2),
    ],
)  # fmt: skip
def test_levels_are_those_of_the_days_left(days: float | None, level: Level, left: int | None) -> None:
    assert (entry(days).level(NOW), entry(days).days_left(NOW)) == (level, left)


def test_a_token_is_no_alert_while_it_is_good() -> None:
    assert entry(0.4, Lane.TOKEN).level(NOW) is Level.OK
    assert entry(-0.1, Lane.TOKEN).level(NOW) is Level.OVERDUE


def lived_through(ends: datetime, hours: int) -> list[int]:
    told: tuple[datetime, int] | None = None
    found = []
    for hour in range(hours):
        days = alert(ends, NOW + timedelta(hours=hour), told)
        if days is not None:
            told = (ends, days)
            found.append(days)
    return found


def test_each_day_is_told_once_in_order() -> None:
    assert lived_through(NOW + timedelta(days=40), 50 * 24) == [*DAYS, 0]


def test_who_comes_late_hears_what_counts_now() -> None:
    assert lived_through(NOW + timedelta(days=5), 24 * 24) == [7, 1, 0]


@given(st.integers(-100, 1200), st.integers(0, 3000))
def test_nothing_is_told_twice_and_nothing_out_of_order(begin: int, hours: int) -> None:
    found = lived_through(NOW + timedelta(hours=begin), hours)
    assert found == sorted(set(found), reverse=True)


def test_another_end_begins_anew() -> None:
    ends, later = NOW + timedelta(days=6), NOW + timedelta(days=20)
    assert alert(ends, NOW, (ends, 7)) is None
    assert alert(later, NOW, (ends, 7)) == 30
    assert alert(None, NOW, None) is None
    assert due(NOW + timedelta(days=100), NOW) is None


def test_filters_and_order() -> None:
    rows = [entry(None, name="a/pull"), entry(3, name="b/pull"), entry(-1, name="c/pull"), entry(90, name="d/pull")]
    rows.append(entry(5, Lane.EXEMPTION, "fix"))
    assert [one.name for one in selected(rows, NOW)] == ["c/pull", "b/pull", "fix", "d/pull", "a/pull"]
    assert [one.name for one in selected(rows, NOW, within_days=30)] == ["c/pull", "b/pull", "fix"]
    assert [one.name for one in selected(rows, NOW, lane="exemption")] == ["fix"]
    assert [one.name for one in selected(rows, NOW, level="never")] == ["a/pull"]
    assert [one.name for one in selected(rows, NOW, registry="d")] == ["d/pull"]
