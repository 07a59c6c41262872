"""When something of the audit log is due: signing a checkpoint, and sending to a sink. Pure; time and chance come in.

Signing: what no checkpoint covers can be changed unseen, so that is bounded by number and by time. A clock that goes
backwards makes it due, never late.

Sending: from the cursor on, and only forwards. After a failure the same events are sent again, later each time, so that
an outage loses nothing and a receiver that comes back is not run over. Decision record: docs/adr/0015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

SIGN_EVENTS: Final = 256
SIGN_AFTER: Final = timedelta(seconds=60)
"""Source: the design's reliability page, 4.2, which asks for a number and a time; these are 200 bytes a minute."""

MOST_EVENTS: Final = 500
MOST_BYTES: Final = 1 << 20
"""One batch: a receiver of webhooks usually takes no more than 1 MiB."""

FIRST_WAIT: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(minutes=5)
ALERT_FAILURES: Final = 5
"""About half a minute of failing: a restart of the receiver is no alert."""


def signing_due(size: int, *, signed: int, signed_at: datetime | None, now: datetime) -> bool:
    """Whether a checkpoint over `size` events is due, when the last one covers `signed`."""
    if size <= signed:
        return False
    if signed_at is None or size - signed >= SIGN_EVENTS:
        return True
    return not timedelta() <= now - signed_at < SIGN_AFTER


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a sink has come. `retry_at` None means at once."""

    sequence: int = 0
    failures: int = 0
    failed_at: datetime | None = None
    retry_at: datetime | None = None

    @property
    def alerting(self) -> bool:
        """Whether somebody has to look at it."""
        return self.failures >= ALERT_FAILURES


def next_batch(delivery: Delivery, size: int, now: datetime) -> range:
    """The numbers of the events to send now; empty when there are none, or it is too early."""
    if delivery.retry_at is not None and now < delivery.retry_at:
        return range(0)
    return range(delivery.sequence, min(size, delivery.sequence + MOST_EVENTS))


def fitting(lengths: Sequence[int]) -> int:
    """How many of the first events, of which these are the lengths in bytes, fit in one batch; at least one."""
    total = 0
    for count, length in enumerate(lengths):
        total += length
        if count and total > MOST_BYTES:
            return count
    return len(lengths)


def sent(delivery: Delivery, upto: int) -> Delivery:
    """After the events before `upto` have arrived."""
    return Delivery(max(upto, delivery.sequence))


def failed(delivery: Delivery, now: datetime, jitter: float) -> Delivery:
    """After they have not. `jitter` is a random number from 0 to below 1: the wait is between half and all of it."""
    failures = delivery.failures + 1
    # The exponent is bounded, as an outage of a year would make a number of a million digits.
    longest = min(LONGEST_WAIT, FIRST_WAIT * (1 << min(failures - 1, 16)))
    wait = longest * (0.5 + jitter / 2)
    return replace(delivery, failures=failures, failed_at=now, retry_at=now + wait)
