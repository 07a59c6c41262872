"""How much one operation may cost, however the other side behaves: a budget per operation and not per call.

An operation is what a person or the scheduler asked for: one validation, one page of a list. All requests that it takes
spend from the same budget, so that a server cannot multiply its share by answering in many pieces.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from portreeve.errors import Stalled


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operation may cost at most."""

    bytes: int = 32 * 1024 * 1024
    """Received on all connections, headers included. A manifest has at most 4 MiB; a validation reads a few."""
    requests: int = 200
    """Requests sent. A page of a list takes three with its token; a tag of many platforms one for each."""
    redirects: int = 5
    """Redirects followed. Object stores need one, a store behind a gateway two."""
    items: int = 20_000
    """Names and descriptors taken from answers. Browsing shows at most 1000 at once."""
    depth: int = 4
    """Indexes within indexes. Two are in use: an index of images, and an index of their signatures."""
    seconds: float = 60.0
    """From the first moment to the last. A person waits for it."""


@dataclass(slots=True)
class Budget:
    """What is spent of the limits. One operation of one task; not for several threads."""

    limits: Limits = field(default_factory=Limits)
    monotonic: Callable[[], float] = time.monotonic
    bytes: int = 0
    requests: int = 0
    redirects: int = 0
    items: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.monotonic()

    def receive(self, count: int) -> None:
        """Spend bytes that came in.

        Raises:
            Stalled: `budget_spent`, as do all of these.
        """
        self.bytes += count
        self._hold(self.bytes, self.limits.bytes, "bytes")
        self.seconds_left()

    def request(self) -> None:
        """Spend a request that is about to be sent."""
        self.requests += 1
        self._hold(self.requests, self.limits.requests, "requests")
        self.seconds_left()

    def redirect(self) -> None:
        """Spend a redirect that is about to be followed."""
        self.redirects += 1
        self._hold(self.redirects, self.limits.redirects, "redirects")

    def take(self, count: int) -> None:
        """Spend names or descriptors of an answer."""
        self.items += count
        self._hold(self.items, self.limits.items, "names or descriptors")

    def at_depth(self, depth: int) -> None:
        """See that the operation may go so deep; the outermost is 0."""
        self._hold(depth, self.limits.depth, "indexes within indexes")

    def seconds_left(self) -> float:
        """Seconds until the operation must have ended; always more than 0."""
        left = self.limits.seconds - (self.monotonic() - self.started)
        if left <= 0:
            raise _spent(f"{self.limits.seconds:g} seconds")
        return left

    def _hold(self, spent: float, limit: float, what: str) -> None:
        if spent > limit:
            raise _spent(f"{limit:g} {what}")


def _spent(what: str) -> Stalled:
    return Stalled(
        "budget_spent",
        f"the other side would have taken more than the {what} that one operation may cost",
        hint="see that the address is that of a registry; ask for less at once",
    )
