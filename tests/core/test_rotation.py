"""Who has confirmed a version, and when the one before goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portreeve.core.rotation import (
    CONNECTED,
    Entry,
    EnvironmentHeld,
    NamespaceHeld,
    Standing,
    Why,
    ended,
    standing,
)

BEGUN = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = BEGUN + CONNECTED
UNTIL = BEGUN + timedelta(hours=24)


def namespace(name: str, *versions: int, phase: str = "Delivered", conflict: str | None = None) -> NamespaceHeld:
    return NamespaceHeld(name, phase, conflict, tuple(Entry(version, True) for version in versions))


def environment(*held: NamespaceHeld, must: frozenset[str] = frozenset()) -> EnvironmentHeld:
    return EnvironmentHeld("prod", True, BEGUN, True, must, held)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (environment(namespace("a", 2, 1), namespace("b", 2)), Standing.CONFIRMED),
        (environment(namespace("a", 2, 1), namespace("b", 1)), Standing.WAITING),
        (environment(namespace("a", 3)), Standing.CONFIRMED),  # somebody was faster
        # What holds the credential nowhere holds nothing old.
        (environment(), Standing.CONFIRMED),
        (environment(namespace("a", phase="Pending")), Standing.CONFIRMED),
        # A grant that is always live has to have come.
        (environment(must=frozenset({"a"})), Standing.WAITING),
        (environment(namespace("a", phase="Pending"), must=frozenset({"a"})), Standing.WAITING),
        (environment(namespace("a", phase="NothingToDeliver"), must=frozenset({"a"})), Standing.WAITING),
        (environment(namespace("a", 2), must=frozenset({"a"})), Standing.CONFIRMED),
        # Somebody else's Secret of our name holds nothing of ours.
        (environment(namespace("a", phase="NameTaken", conflict="taken"), must=frozenset({"a"})), Standing.CONFIRMED),
        # What was kept because the new one is of no use is the old one.
        (environment(namespace("a", 1, phase="Kept")), Standing.WAITING),
        # A cluster that is not seen confirms nothing, though it reports no pull secrets.
        (replace(environment(), sees=False), Standing.WAITING),
        (replace(environment(namespace("a", 1)), admitted=False), Standing.NOBODY),
    ],
)
def test_standing(found: EnvironmentHeld, expected: Standing) -> None:
    assert standing(found, 2, BEGUN, LATER) is expected


@pytest.mark.parametrize(
    ("seen_at", "expected"),
    [
        (None, Standing.UNREACHABLE),
        (BEGUN - CONNECTED - timedelta(seconds=1), Standing.UNREACHABLE),
        (BEGUN - CONNECTED, Standing.WAITING),
        (BEGUN, Standing.WAITING),
        (BEGUN + timedelta(hours=3), Standing.WAITING),
    ],
)
def test_who_was_not_seen_since_the_rotation_began_is_not_waited_for(
    seen_at: datetime | None, expected: Standing
) -> None:
    assert standing(replace(environment(namespace("a", 1)), seen_at=seen_at), 2, BEGUN, LATER) is expected


def test_who_was_away_has_two_minutes_to_come_back() -> None:
    """After an outage of the control plane nobody was seen for a while, and all of them come at once."""
    found = replace(environment(namespace("a", 1)), seen_at=BEGUN - timedelta(hours=1))
    assert standing(found, 2, BEGUN, LATER - timedelta(seconds=1)) is Standing.WAITING
    assert standing(found, 2, BEGUN, LATER) is Standing.UNREACHABLE
    assert standing(found, 2, None, BEGUN) is Standing.UNREACHABLE
    assert standing(replace(found, seen_at=BEGUN), 2, None, BEGUN) is Standing.WAITING


def test_one_that_confirmed_and_went_away_has_confirmed() -> None:
    found = replace(environment(namespace("a", 2)), seen_at=None)
    assert standing(found, 2, BEGUN, LATER) is Standing.CONFIRMED


@pytest.mark.parametrize(
    ("standings", "at", "expected"),
    [
        ([], BEGUN, Why.CONFIRMED),
        ([Standing.CONFIRMED, Standing.NOBODY, Standing.UNREACHABLE], BEGUN, Why.CONFIRMED),
        ([Standing.CONFIRMED, Standing.WAITING], BEGUN, None),
        ([Standing.WAITING], UNTIL - timedelta(seconds=1), None),
        ([Standing.WAITING], UNTIL, Why.GRACE_ENDED),
        ([Standing.CONFIRMED], UNTIL, Why.CONFIRMED),
    ],
)
def test_when_the_version_before_goes(standings: list[Standing], at: datetime, expected: Why | None) -> None:
    assert ended(standings, UNTIL, at) is expected
