"""When a checkpoint is due, and how a delivery goes on after success and failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.server.audit.schedule import (
    ALERT_FAILURES,
    LONGEST_WAIT,
    MOST_BYTES,
    MOST_EVENTS,
    Delivery,
    failed,
    fitting,
    next_batch,
    sent,
    signing_due,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "signed", "seconds", "due"),
    [
        (0, 0, None, False),
        (1, 0, None, True),
        (10, 10, 3600, False),
        (11, 10, 59, False),
        (11, 10, 60, True),
        (265, 10, 0, False),
        (266, 10, 0, True),
        (11, 10, -1, True),
    ],
)
def test_signing_is_due_by_number_by_time_and_when_the_clock_went_back(
    size: int, signed: int, seconds: int | None, due: bool
) -> None:
    signed_at = None if seconds is None else NOW - timedelta(seconds=seconds)
    assert signing_due(size, signed=signed, signed_at=signed_at, now=NOW) == due


@given(
    st.lists(st.booleans(), max_size=60),
    st.integers(0, 3000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 600),
)
def test_a_delivery_passes_every_event_in_order_whatever_fails(
    outcomes: list[bool], size: int, jitter: float, pause: float
) -> None:
    delivery, now, arrived = Delivery(), NOW, 0
    for works in outcomes:
        now += timedelta(seconds=pause)
        batch = next_batch(delivery, size, now)
        assert len(batch) <= MOST_EVENTS
        if not batch:
            continue
        # It begins where the last one that arrived has ended: nothing is passed over.
        assert batch.start == arrived == delivery.sequence
        if works:
            delivery, arrived = sent(delivery, batch.stop), batch.stop
            assert (delivery.failures, delivery.retry_at) == (0, None)
        else:
            before, delivery = delivery, failed(delivery, now, jitter)
            assert (delivery.sequence, delivery.failures) == (before.sequence, before.failures + 1)
            assert delivery.retry_at is not None
            assert timedelta(0) < delivery.retry_at - now <= LONGEST_WAIT
            assert not next_batch(delivery, size, now)
            assert next_batch(delivery, size, delivery.retry_at)


def test_the_wait_doubles_up_to_its_cap_and_jitter_takes_at_most_half() -> None:
    delivery, waits = Delivery(), []
    for _ in range(12):
        delivery = failed(delivery, NOW, 0.0)
        assert delivery.retry_at is not None
        waits.append((delivery.retry_at - NOW).total_seconds())
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 150, 150, 150]
    longest = failed(delivery, NOW, 0.999999).retry_at
    assert longest is not None
    assert timedelta(seconds=299) < longest - NOW <= LONGEST_WAIT
    assert failed(Delivery(failures=10**6), NOW, 0.5).failures == 10**6 + 1


def test_failing_for_long_alerts_and_success_ends_it() -> None:
    delivery = Delivery()
    for number in range(1, ALERT_FAILURES + 2):
        delivery = failed(delivery, NOW, 0.5)
        assert delivery.alerting == (number >= ALERT_FAILURES)
    assert not sent(delivery, 3).alerting


@given(st.lists(st.integers(1, 16_384), min_size=1, max_size=500))
def test_a_batch_is_cut_at_its_bytes_and_never_empty(lengths: list[int]) -> None:
    count = fitting(lengths)
    assert 1 <= count <= len(lengths)
    assert sum(lengths[:count]) <= MOST_BYTES or count == 1
    assert count == len(lengths) or sum(lengths[: count + 1]) > MOST_BYTES


def test_what_has_arrived_never_goes_back() -> None:
    assert sent(Delivery(10), 5).sequence == 10
