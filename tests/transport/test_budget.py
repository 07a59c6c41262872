"""A budget is spent by all requests of an operation together, and says which limit ended it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portreeve.errors import Stalled
from portreeve.transport.budget import Budget, Limits

SMALL = Limits(bytes=10, requests=2, redirects=1, items=3, depth=1, seconds=5.0)


def still() -> float:
    return 0.0


@pytest.mark.parametrize(
    ("fits", "spends", "what"),
    [
        (lambda budget: budget.receive(10), lambda budget: budget.receive(1), "10 bytes"),
        (lambda budget: (budget.request(), budget.request()), lambda budget: budget.request(), "2 requests"),
        (lambda budget: budget.redirect(), lambda budget: budget.redirect(), "1 redirects"),
        (lambda budget: budget.take(3), lambda budget: budget.take(1), "3 names"),
        (lambda budget: budget.at_depth(1), lambda budget: budget.at_depth(2), "1 indexes"),
    ],
)
def test_what_fits_is_spent_and_one_more_is_refused(
    fits: Callable[[Budget], object], spends: Callable[[Budget], object], what: str
) -> None:
    budget = Budget(SMALL, still)
    fits(budget)
    with pytest.raises(Stalled) as why:
        spends(budget)
    assert why.value.code == "budget_spent"
    assert what in why.value.message


def test_time_is_spent_by_the_clock_that_was_handed_in() -> None:
    now = [100.0]
    budget = Budget(SMALL, lambda: now[0])
    now[0] = 104.0
    assert budget.seconds_left() == 1.0
    now[0] = 105.0
    for spend in (budget.seconds_left, budget.request, lambda: budget.receive(0)):
        with pytest.raises(Stalled) as why:
            spend()
        assert "5 seconds" in why.value.message
