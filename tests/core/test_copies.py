"""Copies are what `dataclasses.replace` makes, of values with and without slots."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError

import pytest

from portreeve.core.copies import replace
from portreeve.core.pacing import Pace
from portreeve.core.reconcile_state import Line, State


def test_a_copy_is_what_the_library_makes_and_the_value_stays() -> None:
    line = Line("a", queued=3, stale=frozenset({"x"}))
    copy = replace(line, urgent=True, queued=None)
    assert copy == dataclasses.replace(line, urgent=True, queued=None)
    assert repr(copy) == repr(dataclasses.replace(line, urgent=True, queued=None))
    assert line == Line("a", queued=3, stale=frozenset({"x"}))
    assert replace(Pace(1), due_at=2.0) == Pace(1, due_at=2.0)


def test_a_copy_is_frozen_too() -> None:
    with pytest.raises(FrozenInstanceError):
        replace(Line("a"), urgent=True).urgent = False  # type: ignore[misc] # that it cannot be is what is asked


def test_nothing_is_checked_or_derived_as_such_a_value_is_made() -> None:
    """A copy would not do it again."""
    for one in (Line, State):
        assert not hasattr(one, "__post_init__")
        assert all(field.init for field in dataclasses.fields(one))
