"""When an object may be asked about again, and how much may be asked of one API server at all.

A `Pace` is a line of waiting for one object: one request is under way at a time, an answer that nobody waits for is
known by its number, and failures wait with decorrelated jitter. A `Bucket` is the share of one peer: so many requests a
second after so many at once, whatever the reason (recovery, too). It grows while the peer answers well and halves when
it has too much to do, as TCP does (RFC 5681); latency needs no look of its own, as only so many are under way at once.

Time and chance come in as parameters. `at` is in seconds of a clock that is never set (CLOCK_MONOTONIC): no wait grows
or ends because somebody has set the clock.

Sources: reliability L3, F-02, F-28 (clocks); M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

FLOOR_S: Final = 1.0
CEILING_S: Final = 60.0
"""Seconds between two attempts after a failure, at least and at most."""

SLOW_S: Final = 300.0
"""Seconds between two attempts at what only a person can undo: a right that is missing, an object that is refused."""

RETRY_AFTER_S: Final = 120.0
"""The longest Retry-After that is honoured; the API server's own are a few seconds."""

ANSWER_S: Final = 60.0
"""After this a request counts as lost: carried out or not, nobody knows."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One object. `ask` is the number of the request under way, 0 when there is none."""

    ask: int = 0
    lost_at: float | None = None
    due_at: float = 0.0
    wait_s: float = 0.0

    def free(self, at: float) -> bool:
        """Whether a request may be sent."""
        return not self.ask and at >= self.due_at

    def asked(self, ask: int, at: float) -> Pace:
        """With a request under way."""
        return Pace(ask, at + ANSWER_S, self.due_at, self.wait_s)

    def lost(self, at: float) -> bool:
        """Whether there will be no answer any more."""
        return self.lost_at is not None and at >= self.lost_at

    def answered(self) -> Pace:
        """After a success."""
        return Pace()

    def read(self) -> Pace:
        """After an answer that does not say whether a write would work now: the wait goes on from where it was."""
        return Pace(due_at=self.due_at, wait_s=self.wait_s)

    def failed(self, at: float, chance: float, retry_after_s: float | None = None) -> Pace:
        """After a failure that may be gone the next time. `chance` is in [0, 1)."""
        highest = max(2 * FLOOR_S, 3 * self.wait_s)
        wait_s = min(CEILING_S, FLOOR_S + (highest - FLOOR_S) * chance)
        longest = max(wait_s, min(retry_after_s or 0.0, RETRY_AFTER_S))
        return Pace(due_at=at + longest, wait_s=wait_s)

    def repeated(self, at: float, chance: float) -> Pace:
        """After a success that had to be had again: somebody undoes what we do, and is not fought at full speed.

        What was quiet for as long as the longest wait begins anew.
        """
        quiet = at >= self.due_at + CEILING_S
        return (FRESH if quiet else self).failed(at, chance)

    def stuck(self, at: float, chance: float) -> Pace:
        """After a failure that only a person undoes."""
        return Pace(due_at=at + SLOW_S * (0.8 + 0.2 * chance))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one API server gets from this agent."""

    rate: float = 50.0
    """Requests a second to begin with. A tenth of what a small API server answers (client-go's default, 5, is for one
    controller)."""
    most: float = 0.0
    """Requests a second at most, as long as the server takes them gladly; never less than `rate`."""
    burst: float = 100.0
    """Requests at once."""
    in_flight: int = 16
    """Requests without an answer; the API server's fair queues give one flow about as many seats."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many requests may be sent now. `quiet_until` is what a busy API server asked for."""

    level: float
    at: float | None = None
    quiet_until: float = 0.0
    rate: float = 0.0
    """Requests a second now; 0 stands for what it began with."""

    def filled(self, at: float, limits: Limits) -> Bucket:
        """As it is now."""
        passed = 0.0 if self.at is None else at - self.at
        return replace(self, level=min(limits.burst, self.level + passed * (self.rate or limits.rate)), at=at)

    def taken_gladly(self, limits: Limits) -> Bucket:
        """After a good answer: one request a second more, so that the rate may double each second."""
        now, most = self.rate or limits.rate, max(limits.rate, limits.most)
        return self if now >= most else replace(self, rate=min(most, now + 1))

    def refused(self, limits: Limits) -> Bucket:
        """After an answer that the server has too much to do: half, and no less than a tenth of the beginning."""
        return replace(self, rate=max(limits.rate / 10, (self.rate or limits.rate) / 2))

    def quiet(self, at: float) -> bool:
        """Whether the peer is left alone."""
        return at < self.quiet_until


FRESH: Final = Pace()
USUAL: Final = Limits(most=500.0)
