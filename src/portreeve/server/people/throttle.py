"""Failed sign-ins are counted in the database, per user name and per address, and each further one waits longer.

Theory of operation. An attempt is counted as failed before the password is looked at, and what it was charged is given
back if it was right: so a hundred attempts at once are a hundred failures, not one. The first few cost nothing, as
people mistype; then the wait doubles, up to a bound, as whoever guesses could otherwise lock somebody out for good.
All replicas share the counts. While a name or an address waits, nothing is hashed and nothing is written.

A name is normalised before it is counted, so `Admin`, ` admin` and a full-width spelling are one. The network of an
IPv6 client counts as one address, since whoever has one address there has 2^64.

Sources: OWASP ASVS 5.0, 6.3.1; NIST SP 800-63B-4, section 3.2.2; threat API-11.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.errors import Throttled
from portreeve.server.people import store

FORGOTTEN_AFTER: Final = timedelta(hours=24)
"""Without a further failure. Longer than any wait, so that nobody gains by it."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What failures are counted for: `free` of them cost nothing, and no wait is longer than `most_s` seconds."""

    key: bytes
    free: int
    most_s: int

    def wait(self, failures: int) -> timedelta:
        """How long after the last of this many failures the next attempt is looked at."""
        if failures < self.free:
            return timedelta()
        return timedelta(seconds=min(2 ** min(failures - self.free, 30), self.most_s))


class Waiting(Throttled):
    """Too many failures; `retry_after_s` is when the next attempt is looked at."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("sign_in_throttled", "too many sign-ins have failed", hint="wait as long as Retry-After says")
        self.retry_after_s = max(1, math.ceil(wait.total_seconds()))


def normalised(name: str) -> str:
    """A user's name as it is looked up and counted."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def of_user(name: str) -> Bucket:
    """The bucket of a name, whether there is such a user or not. It is bounded by five minutes: see above."""
    return Bucket(_key("user", normalised(name)), free=5, most_s=300)


def of_address(address: str | None) -> Bucket:
    """The bucket of a client's address. Many people may share one, so more is free."""
    return Bucket(_key("address", _network(address or "")), free=20, most_s=900)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _key(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"portreeve.io/sign-in/{kind}\x00{text}".encode(errors="surrogatepass")).digest()


async def refuse_waiting(connection: AsyncConnection, buckets: Sequence[Bucket], now: datetime) -> None:
    """See that none of them has to wait.

    Raises:
        Waiting: `sign_in_throttled`.
    """
    counts = await store.failures(connection, [bucket.key for bucket in buckets], now - FORGOTTEN_AFTER)
    until = [counts[one.key].last_at + one.wait(counts[one.key].failures) for one in buckets if one.key in counts]
    if until and max(until) > now:
        raise Waiting(max(until) - now)


async def charge(connection: AsyncConnection, buckets: Sequence[Bucket], now: datetime) -> None:
    """Count one failure for each.

    Raises:
        Waiting: `sign_in_throttled`: one of them has to wait; none is charged.
    """
    await refuse_waiting(connection, buckets, now)
    await store.forget_failures(connection, now - FORGOTTEN_AFTER)
    for bucket in buckets:
        await store.count_failure(connection, bucket.key, now)


async def forgive(connection: AsyncConnection, *, user: Bucket | None, address: Bucket) -> None:
    """The attempt was right: the user's failures are forgotten, the address gets back what this one was charged.

    An address is not forgiven the rest: else whoever has one account could guess at all others for ever.
    """
    if user is not None:
        await store.forget_bucket(connection, user.key)
    await store.uncount_failure(connection, address.key)
