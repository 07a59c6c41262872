"""Unwrapped keys kept in memory, so that stored credentials stay usable while a key service is down.

For `fresh_s` a key that was unwrapped is given again without asking. After that the service is asked; if it cannot be
reached, the kept key serves on until it is `stale_s` old. An answer always counts: once the service refuses, the kept
key is forgotten, because somebody may have destroyed or withdrawn it for good reason. Only silence is bridged.

What it costs: for `fresh_s` nobody notices that the master key was withdrawn, and as long as the service is silent, for
`stale_s`. And a key that is kept is in memory, where a dump of it can be read.

Left out: wrapping, which always asks; and asking once for several threads at the same time.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, Stalled, Unavailable
from portreeve.vault.binding import encoded
from portreeve.vault.ports import MasterKey


@dataclass(frozen=True, slots=True)
class Holding:
    """How long unwrapped keys are kept."""

    fresh_s: float
    """Seconds without asking again."""

    stale_s: float
    """Seconds since the service last confirmed a key, after which it no longer serves. Not less than `fresh_s`."""

    pause_s: float = 0.0
    """Seconds after a failure to reach the service in which kept keys serve without another try, so that a service
    that hangs does not make every use of a key wait for it. 0 tries each time."""

    most: int = 10_000
    """Keys that are kept; the one that was used longest ago goes first. One takes about a kilobyte."""

    def __post_init__(self) -> None:
        if not 0 <= self.fresh_s <= self.stale_s or self.pause_s < 0 or self.most < 1:
            raise Invalid(
                "key_holding", "times are negative, or the stale time is below the fresh one", hint="0 ≤ fresh ≤ stale"
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    key: SecretValue
    confirmed_s: float


class HeldMasterKey:
    """A master key that remembers what it unwrapped. Threads may share it."""

    def __init__(self, master: MasterKey, holding: Holding, monotonic: Callable[[], float]) -> None:
        """
        Args:
            monotonic: seconds that only go up, from any start.
        """
        self._master, self._holding, self._monotonic = master, holding, monotonic
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._silent_until_s: float | None = None
        self._forgotten = 0
        self._lock = Lock()

    @property
    def key_id(self) -> str:
        """That of the key below."""
        return self._master.key_id

    def wrap(self, key: SecretValue, *, context: bytes) -> bytes:
        """`key` encrypted by the key below; nothing is kept, so the first use proves that it opens."""
        return self._master.wrap(key, context=context)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
        """What was wrapped, kept or asked for; see `ports.MasterKey`."""
        name = _name(wrapped, context)
        kept = self._usable(name)
        if kept is not None and (self._age_s(kept) < self._holding.fresh_s or self._pausing()):
            return kept.key
        asked_s, forgotten = self._monotonic(), self._forgotten
        try:
            key = self._master.unwrap(wrapped, context=context)
        except Unavailable:
            self._silent_until_s = self._monotonic() + self._holding.pause_s
            kept = self._usable(name)
            if kept is None:
                raise
            return kept.key
        except (Stalled, Denied):
            self._drop(name)
            raise
        self._silent_until_s = None
        self._keep(name, _Kept(key, asked_s), forgotten)
        return key

    def forget(self) -> None:
        """Keep nothing of what was unwrapped so far: an owner's key was destroyed, or a master key withdrawn."""
        with self._lock:
            self._kept.clear()
            self._forgotten += 1

    def _usable(self, name: bytes) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                return None
            if self._age_s(kept) >= self._holding.stale_s:
                del self._kept[name]
                return None
            self._kept.move_to_end(name)
            return kept

    def _keep(self, name: bytes, kept: _Kept, forgotten: int) -> None:
        with self._lock:
            if forgotten != self._forgotten:
                return  # Asked for before everything was forgotten, answered after it.
            self._kept[name] = kept
            self._kept.move_to_end(name)
            while len(self._kept) > self._holding.most:
                self._kept.popitem(last=False)

    def _drop(self, name: bytes) -> None:
        with self._lock:
            self._kept.pop(name, None)

    def _age_s(self, kept: _Kept) -> float:
        return self._monotonic() - kept.confirmed_s

    def _pausing(self) -> bool:
        return self._silent_until_s is not None and self._monotonic() < self._silent_until_s


def _name(wrapped: bytes, context: bytes) -> bytes:
    """What a kept key is found by: the wrapped bytes and their context, so that a moved one is not found."""
    return hashlib.sha256(encoded("held key", wrapped, context)).digest()
