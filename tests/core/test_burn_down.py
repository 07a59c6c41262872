"""Day by day: what is not known is never 0, and a roll-out is safe only after the whole quiet time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from portreeve.core.blast_radius import Denial, RunningImage
from portreeve.core.burn_down import Day, Marker, Point, markers, points, quiet_since, safe_since, seen
from portreeve.core.policy import Stage
from portreeve.core.stages import QUIET, Look, Watch
from portreeve.core.verdict import Decision

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = NOON.date()
BAD = Denial(RunningImage("prod", "shop", "Deployment/api", "nginx"), Decision.DENY, Stage.DENY, "not allowed")


def look(at: datetime, violations: int = 0, text: str = "t") -> Look:
    return Look("prod", at, text, at, told=True, violations=(BAD,) * violations)


def day(number: int, most: int = 0, *, text: str = "t", stage: Stage = Stage.AUDIT, known: bool = True) -> Day:
    return Day(FIRST + number * DAY, stage, number + 1, text, most, most, known)


def test_what_came_and_went_within_a_day_still_counts() -> None:
    first = seen(None, look(NOON, 2), Stage.AUDIT, 1, known=True)
    second = seen(first, look(NOON + timedelta(hours=1), 5), Stage.AUDIT, 1, known=True)
    third = seen(second, look(NOON + timedelta(hours=2), 0), Stage.AUDIT, 1, known=True)
    assert (third.violations, third.most) == (0, 5)
    assert seen(third, look(NOON + DAY, 1), Stage.AUDIT, 1, known=True).most == 1


def test_a_look_that_did_not_know_makes_the_whole_day_unknown() -> None:
    first = seen(None, look(NOON), Stage.AUDIT, 1, known=False)
    later = seen(first, look(NOON + timedelta(hours=1)), Stage.AUDIT, 1, known=True)
    assert not later.known
    assert seen(later, look(NOON + DAY), Stage.AUDIT, 1, known=True).known


def test_another_text_begins_its_day_anew() -> None:
    before = seen(None, look(NOON, 9), Stage.AUDIT, 1, known=True)
    after = seen(before, look(NOON + timedelta(hours=1), 2, "other"), Stage.AUDIT, 2, known=True)
    assert (after.most, after.version, after.text) == (2, 2, "other")


def test_a_day_without_a_row_is_unknown_and_not_quiet() -> None:
    rows = {"prod": [day(0, 4), day(2, 1)], "west": [day(1, 2), day(2, 3, known=False)]}
    assert points(rows, FIRST, FIRST + 3 * DAY, ["prod", "west"]) == (
        Point(FIRST, 4, 1, 0),
        Point(FIRST + DAY, 2, 1, 1),
        Point(FIRST + 2 * DAY, 4, 1, 1),
        Point(FIRST + 3 * DAY, None, 0, 2),
    )


def test_an_environment_that_left_the_policy_is_missed_no_more() -> None:
    rows = {"prod": [day(0, 4), day(1, 4), day(2, 4)], "left": [day(0, 1)]}
    assert [one.unknown for one in points(rows, FIRST, FIRST + 2 * DAY, ["prod"])] == [0, 0, 0]


def test_an_environment_that_never_told_is_unknown_today() -> None:
    assert points({}, FIRST, FIRST + DAY, ["new"]) == (Point(FIRST, None, 0, 0), Point(FIRST + DAY, None, 0, 1))


def test_markers_stand_where_the_policy_changed() -> None:
    rows = {"prod": [day(0), day(1), day(2, text="u"), day(4, text="u", stage=Stage.WARN)]}
    assert markers(rows, FIRST) == (
        Marker(FIRST, 1, Stage.AUDIT, "begun"),
        Marker(FIRST + 2 * DAY, 3, Stage.AUDIT, "sources"),
        Marker(FIRST + 4 * DAY, 5, Stage.WARN, "stage"),
    )
    assert [one.what for one in markers(rows, FIRST + DAY)] == ["sources", "stage"]


def watch(since: datetime | None, violations: int = 0, violation_at: datetime | None = None) -> Watch:
    return Watch("t", since, NOON, NOON, violations, violation_at)


def test_it_is_quiet_since_the_last_of_all_environments_is() -> None:
    assert quiet_since([watch(NOON - 9 * DAY), watch(NOON - 8 * DAY)]) == NOON - 8 * DAY
    assert quiet_since([watch(NOON - 9 * DAY, 0, NOON - 2 * DAY)]) == NOON - 2 * DAY


def test_where_anything_is_unknown_or_denied_it_is_not_quiet() -> None:
    good = watch(NOON - 9 * DAY)
    assert quiet_since([good, None]) is None
    assert quiet_since([good, watch(None)]) is None
    assert quiet_since([good, watch(NOON - 9 * DAY, 1)]) is None
    assert quiet_since([]) is None


def test_it_is_safe_only_after_the_whole_quiet_time() -> None:
    assert safe_since(NOON - QUIET, NOON) == NOON
    assert safe_since(NOON - QUIET + timedelta(seconds=1), NOON) is None
    assert safe_since(None, NOON) is None


def test_days_are_those_of_utc() -> None:
    late = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    assert seen(None, look(late), Stage.AUDIT, 1, known=True).day == date(2026, 11, 20)
