"""Who has confirmed a new version of a credential, and when the version before may go.

Theory of operation
-------------------
A rotation with an overlap delivers two versions. What environments report of their pull secrets decides how long:

* An environment has *confirmed* when it says that it sees its cluster, each of its namespaces that holds the credential
  holds the new version, and each that has to hold one does, or says what is in the way. A namespace where somebody
  else's Secret has our name holds nothing of ours, so it keeps nobody waiting; it is shown.
* It is *unreachable* when its agent was not seen since the rotation began, nor in the two minutes after that: it may
  come back just now, as all do after an outage of ours. Who is away gets neither version before they come back, and
  then the new one at once; so nothing is won by keeping the old one for them, and they are not waited for. An agent
  that falls silent during a rotation is waited for: it may be half way.
* The version before goes when every environment that is reachable has confirmed, or when the grace has ended, whoever
  has not confirmed by then; who had not is told.

Nothing here remembers: the same facts give the same answer after any restart.
Left out: tokens. What is minted ends by itself and is kept until then (`core.refresh`).

Sources: mission rule 7; requirements U-05 and D-07.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

CONNECTED: Final = timedelta(seconds=120)
"""How long after an agent was seen it counts as connected: two polls of 50 s, and until they are written down."""


class Standing(StrEnum):
    """How an environment stands to the present version."""

    CONFIRMED = "confirmed"
    WAITING = "waiting"
    UNREACHABLE = "unreachable"
    NOBODY = "no agent"
    """Nothing is delivered there: no agent was ever enrolled, or it is shut out."""


class Why(StrEnum):
    """Why the version before goes."""

    CONFIRMED = "confirmed"
    GRACE_ENDED = "grace_ended"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a pull secret of the credential that is asked about."""

    version: int
    live: bool
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class NamespaceHeld:
    """What a namespace reports: its phase, what is in the way, and its entries of the credential in question."""

    namespace: str
    phase: str
    conflict: str | None
    entries: tuple[Entry, ...]

    @property
    def newest(self) -> int | None:
        """The newest version that is there."""
        return max((one.version for one in self.entries), default=None)

    def behind(self, version: int) -> bool:
        """Whether all that is there is older than this version."""
        return self.newest is not None and self.newest < version


@dataclass(frozen=True, slots=True)
class EnvironmentHeld:
    """What is known of an environment that is granted the credential.

    Args:
        admitted: there is an agent that is not shut out.
        seen_at: when it was seen last, UTC and aware.
        sees: it has reported, and says that it sees its cluster.
        must_hold: namespaces that must have a pull secret, as the grant is always live there.
    """

    environment: str
    admitted: bool
    seen_at: datetime | None
    sees: bool
    must_hold: frozenset[str]
    held: tuple[NamespaceHeld, ...]


def reachable(found: EnvironmentHeld, since: datetime) -> bool:
    """Whether the agent was there at this time, or came after it."""
    return found.admitted and found.seen_at is not None and found.seen_at >= since - CONNECTED


def standing(found: EnvironmentHeld, version: int, since: datetime | None, now: datetime) -> Standing:
    """How an environment stands to a version; `since` is when a rotation brought it, None without one."""
    if not found.admitted:
        return Standing.NOBODY
    if _confirmed(found, version):
        return Standing.CONFIRMED
    if reachable(found, since or now) or (since is not None and now < since + CONNECTED):
        return Standing.WAITING
    return Standing.UNREACHABLE


def _confirmed(found: EnvironmentHeld, version: int) -> bool:
    if not found.sees or any(one.behind(version) for one in found.held):
        return False
    said = {one.namespace for one in found.held if one.newest is not None or one.conflict}
    return found.must_hold <= said


def ended(standings: Iterable[Standing], until: datetime, now: datetime) -> Why | None:
    """Why the version before goes now; None: it stays."""
    if all(one is not Standing.WAITING for one in standings):
        return Why.CONFIRMED
    return Why.GRACE_ENDED if now >= until else None
