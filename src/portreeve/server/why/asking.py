"""How often an address may ask: so many at once, then so many a second. Counted here, in memory, by each replica.

Left out: a count that replicas share. A token cannot be guessed, so this keeps nobody out; it keeps one client from
taking the time of all others.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from portreeve.errors import Throttled

AT_ONCE: Final = 30
"""A page asks once, and again for each image that is typed."""
PER_S: Final = 1.0
MOST: Final = 10_000
"""Addresses that are remembered, the last ones. Each costs about 200 bytes."""


class Asking:
    """The counts. What has not asked for `AT_ONCE / PER_S` seconds counts as new."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._held: OrderedDict[bytes, tuple[float, datetime]] = OrderedDict()

    def charge(self, address: bytes) -> None:
        """Count one question.

        Raises:
            Throttled: `why_throttled`.
        """
        now = self._clock()
        left, at = self._held.pop(address, (float(AT_ONCE), now))
        # A clock that was set back gives nothing, and takes nothing.
        left = min(float(AT_ONCE), left + max(0.0, (now - at).total_seconds()) * PER_S)
        self._held[address] = (left - 1 if left >= 1 else left, now)
        while len(self._held) > MOST:
            self._held.popitem(last=False)
        if left < 1:
            error = Throttled("why_throttled", "too many questions from there", hint="ask again in a moment")
            error.retry_after_s = max(1, math.ceil((1 - left) / PER_S))
            raise error
