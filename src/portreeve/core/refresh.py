"""When a token is minted, kept, tried again and missed: one line of state for each token, and what is to be done next.

Theory of operation
-------------------
`step(state, event) -> (state, effects)`. The state holds, for each *mint key* (one stored credential at one registry
and region), what token is held, as numbers and times and never as a secret, how often minting has failed, and when it
is tried next. It may be stored after each step. Time and chance come in with the event: `chance` is in [0, 1).

What is wanted is told as a whole (`Wants`): a key that is not wanted any more is forgotten, one that is new is due at
once, and one whose stored credential has another version is due at once, too, whatever it waited for. `Tick` starts
what is due: the effect `Mint`, answered by `Minted` or `Failed` with the same `attempt`. An answer to another attempt,
or to one with another version of the credential, changes nothing: what is lost or late costs one more request.

* **Refresh** is due between 40 % and 50 % of a token's life. Life is counted from the moment it is minted and is at
  most what the provider promises, so a clock that is a day slow does not make it longer.
* **A usable token is never replaced by a worse one.** What was minted is taken if it is good for a minute or more, and
  if the held one has ended, is of another version of the stored credential, or ends sooner than the new one. Else the
  held one stays, that counts as a failure, and the next attempt is due at half of what is left.
* **A held token is never let go of because of an error or of the time.** It is delivered until it ends (`usable`), and
  stays in its place after that, until something better comes or nobody wants it. So a clock that jumps ahead and back
  loses nothing.
* **Failures** wait with decorrelated jitter between `FLOOR_S` and `CEILING_S`; the ceiling, one hanging request and the
  pause between two ticks are together less than two minutes, which is how long an outage may be felt after its end.
  A refusal is not undone by asking again, so it waits a quarter of an hour; a new version of the credential ends that
  wait. `Retry-After` is honoured up to a quarter of an hour, as long as the held token outlasts it by
  `RESERVE_S`; else up to `SHORT_S`, so that a peer's wish cannot lose a token.
* **One peer** is asked at most `RATE` times a second after `BURST` at once, whoever asks: a bucket for each peer is
  part of the state. What finds it empty stays due, and the longest due goes first.
* **Clocks.** A time that was set more than `SKEW_S` in the future of now counts as due: a clock went backwards. Buckets
  are not filled by that, so nothing storms.

Alerts come while minting fails: at two hours and at one hour before the end (a third and a sixth of its life, where
that is less), and when it has ended, once each. Left out: sealing, storing, and who is told.

Sources: mission rule 6; reliability F-61 to F-66, I10 and L3; decorrelated jitter: M. Brooker, "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

EARLIEST: Final = 0.40
LATEST: Final = 0.50
"""Parts of a token's life between which it is refreshed. Source: mission rule 6, at no more than half."""

LEAST_LIFE_S: Final = 60.0
"""What ends sooner has ended before the last environment has it."""

FLOOR_S: Final = 5.0
CEILING_S: Final = 60.0
"""Seconds between two attempts after a failure, at least and at most."""

REFUSED_S: Final = 900.0
"""Seconds between two attempts that are refused: credentials are repaired by people."""

RETRY_AFTER_S: Final = 900.0
"""The longest Retry-After that is honoured while the held token outlasts it."""

SHORT_S: Final = 90.0
"""The longest Retry-After that is honoured otherwise."""

RESERVE_S: Final = 600.0
"""What a held token must have left after a wait that a peer has asked for."""

MINTING_S: Final = 30.0
"""The longest that one attempt may take; the edge breaks it off."""

LEASE_S: Final = 90.0
"""After this an attempt counts as lost. It is longer than an attempt by the difference of two clocks."""

SKEW_S: Final = 300.0
"""How far two clocks may differ, or one be set back, without anything being due by that. Source: F-48."""

RATE: Final = 5.0
BURST: Final = 25.0
"""Requests a second to one peer, and at once (what gathers between ticks): 500 tokens are back within two minutes."""

MOST_AT_ONCE: Final = 32
"""Attempts that one tick starts: an edge has only so many connections, and other replicas take the rest."""


class Why(StrEnum):
    """Kinds of failure, by what to do about them."""

    REFUSED = "refused"
    """The credential is not accepted, or cannot be what it should be: a person has to act."""
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    ANSWER = "answer"
    """There was an answer, and it is of no use."""


class Notice(IntEnum):
    """What is told, once each; a higher one says more than a lower one."""

    RECOVERED = 0
    FAILING = 1
    SOON = 2
    """Two hours left."""
    VERY_SOON = 3
    """One hour left."""
    ENDED = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token that somebody needs. `peer` is whom minting asks, `source` the version of the stored credential.

    `life_s` is the longest life that the provider promises.
    """

    key: str
    peer: str
    source: int
    life_s: float


@dataclass(frozen=True, slots=True)
class Held:
    """The token that is stored: its number, the version it was minted from, and its life by the clock of its issuer."""

    serial: int
    source: int
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One mint key. `due_at` was worked out at `set_at`.

    `attempt` counts; the last is under way until `minting_until`, with the version `minting_from` of the credential.
    """

    wanted: Wanted
    due_at: datetime
    set_at: datetime
    held: Held | None = None
    failures: int = 0
    why: Why | None = None
    code: str = ""
    wait_s: float = 0.0
    told: Notice = Notice.RECOVERED
    attempt: int = 0
    minting_until: datetime | None = None
    minting_from: int = 0

    def usable(self, now: datetime) -> bool:
        """Whether the held token may be delivered."""
        return self.held is not None and now < self.held.expires_at

    def due(self, now: datetime) -> bool:
        """Whether an attempt may be started."""
        if self.minting_until is not None and not _passed(self.minting_until, now, LEASE_S):
            return False
        return _passed(self.due_at, now, (self.due_at - self.set_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many requests a peer may get at once, at a time."""

    level: float
    at: datetime

    def filled(self, now: datetime) -> Bucket:
        """As it is now. Of two clocks the one that is ahead fills it; one that was set back begins anew."""
        passed = (now - self.at).total_seconds()
        if -SKEW_S <= passed < 0:
            return self
        return Bucket(min(BURST, self.level + max(0.0, passed) * RATE), now)


@dataclass(frozen=True, slots=True)
class State:
    """Mint key → line, and peer → bucket. A part of it is a state, too, for an event that is about that part."""

    lines: Mapping[str, Line] = field(default_factory=lambda: MappingProxyType({}))
    buckets: Mapping[str, Bucket] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Wants:
    """Everything that is wanted now."""

    wanted: Sequence[Wanted]
    now: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `busy` are keys that this process is minting, whatever any clock says."""

    now: datetime
    busy: frozenset[str] = frozenset()
    most: int = MOST_AT_ONCE


@dataclass(frozen=True, slots=True)
class Minted:
    """Answer to Mint: a token that ends then, None if with the stored credential and not before `life_s`."""

    key: str
    attempt: int
    expires_at: datetime | None
    now: datetime
    chance: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Answer to Mint: there is no token. `code` is that of the error."""

    key: str
    attempt: int
    why: Why
    code: str
    now: datetime
    chance: float
    retry_after_s: float | None = None


Event = Wants | Tick | Minted | Failed


@dataclass(frozen=True, slots=True)
class Mint:
    """Mint a token from this version of the stored credential, within `MINTING_S`."""

    key: str
    source: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Store what was just minted in the place of what was held, and deliver it."""

    key: str
    held: Held


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell people; `code` is that of the last failure, "" for RECOVERED."""

    key: str
    notice: Notice
    code: str = ""


@dataclass(frozen=True, slots=True)
class Forget:
    """Nobody wants the key any more: delete its token."""

    key: str


Effect = Mint | Keep | Tell | Forget


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """The next state and what to do. An answer that nobody waits for changes nothing."""
    match event:
        case Wants(wanted, now):
            return _wants(state, wanted, now)
        case Tick():
            return _tick(state, event)
        case Minted(key, attempt) | Failed(key, attempt):
            line = state.lines.get(key)
            if line is None or line.minting_until is None or line.attempt != attempt:
                return state, ()
            if line.minting_from != line.wanted.source:
                return _with(state, replace(line, minting_until=None)), ()
            line, effects = _minted(line, event) if isinstance(event, Minted) else _failed(line, event)
            return _with(state, line), effects


def _wants(state: State, wanted: Sequence[Wanted], now: datetime) -> tuple[State, tuple[Effect, ...]]:
    held = {one.key: _line(state.lines.get(one.key), one, now) for one in wanted}
    gone = tuple(Forget(key) for key in sorted(state.lines.keys() - held.keys()))
    if not gone and held == state.lines:
        return state, ()
    peers = {one.peer for one in wanted}
    buckets = {peer: bucket for peer, bucket in state.buckets.items() if peer in peers}
    return State(held, buckets), gone


def _line(line: Line | None, wanted: Wanted, now: datetime) -> Line:
    if line is None:
        return Line(wanted, now, now)
    if line.wanted == wanted:
        return line
    if line.wanted.source == wanted.source:
        return replace(line, wanted=wanted)
    # Another credential: what failed with the old one says nothing.
    return replace(line, wanted=wanted, due_at=now, set_at=now, wait_s=0.0)


def _tick(state: State, tick: Tick) -> tuple[State, tuple[Effect, ...]]:
    now, lines, buckets = tick.now, dict(state.lines), dict(state.buckets)
    effects: list[Effect] = []
    for key in sorted(lines):
        lines[key], told = _told(lines[key], now)
        effects += told
    due = [line for line in lines.values() if line.wanted.key not in tick.busy and line.due(now)]
    started = 0
    for line in sorted(due, key=lambda one: (one.due_at, one.wanted.key)):
        peer = line.wanted.peer
        bucket = buckets[peer] = buckets.get(peer, Bucket(BURST, now)).filled(now)
        if started < tick.most and bucket.level >= 1:
            buckets[peer] = replace(bucket, level=bucket.level - 1)
            started += 1
            attempt = line.attempt + 1
            until = now + timedelta(seconds=LEASE_S)
            lines[line.wanted.key] = replace(
                line, attempt=attempt, minting_until=until, minting_from=line.wanted.source
            )
            effects.append(Mint(line.wanted.key, line.wanted.source, attempt))
    # A bucket is kept also if nothing was taken from it: one whose clock was set back begins anew by that.
    if not effects and buckets == state.buckets:
        return state, ()
    return State(lines, buckets), tuple(effects)


def _minted(line: Line, event: Minted) -> tuple[Line, tuple[Effect, ...]]:
    now, held = event.now, line.held
    expires_at = event.expires_at or now + timedelta(seconds=line.wanted.life_s)
    if (expires_at - now).total_seconds() < LEAST_LIFE_S:
        return _waiting(line, Why.ANSWER, "mint_ended", now, _backoff(line, event.chance))
    if held is not None and line.usable(now) and held.source == line.wanted.source and expires_at <= held.expires_at:
        left = (held.expires_at - now).total_seconds()
        wait_s = max(CEILING_S * (0.5 + event.chance / 2), _part(event.chance) * left)
        return _waiting(line, Why.ANSWER, "mint_no_later", now, wait_s)
    # Never the number of an earlier token, also not of one that was forgotten: an environment goes by it.
    serial = max(held.serial + 1 if held else 0, int(now.timestamp()))
    kept = Held(serial, line.wanted.source, now, expires_at)
    life_s = min(line.wanted.life_s, (expires_at - now).total_seconds())
    due_at = now + timedelta(seconds=_part(event.chance) * life_s)
    fresh = Line(line.wanted, due_at, now, kept, attempt=line.attempt)
    told = (Tell(line.wanted.key, Notice.RECOVERED),) if line.told else ()
    return fresh, (Keep(line.wanted.key, kept), *told)


def _failed(line: Line, event: Failed) -> tuple[Line, tuple[Effect, ...]]:
    refused_s = REFUSED_S * (0.9 + event.chance / 10)
    wait_s = refused_s if event.why is Why.REFUSED else _backoff(line, event.chance)
    if event.retry_after_s is not None:
        wait_s = max(wait_s, min(event.retry_after_s, _patience(line, event.now)))
    return _waiting(line, event.why, event.code, event.now, wait_s)


def _waiting(line: Line, why: Why, code: str, now: datetime, wait_s: float) -> tuple[Line, tuple[Effect, ...]]:
    """The line after a failure; the held token stays as it is."""
    waiting = replace(
        line,
        due_at=now + timedelta(seconds=wait_s),
        set_at=now,
        failures=line.failures + 1,
        why=why,
        code=code,
        # What backing off goes on from; other waits are no measure of it.
        wait_s=min(wait_s, CEILING_S),
        minting_until=None,
    )
    return _told(waiting, now)


def _told(line: Line, now: datetime) -> tuple[Line, tuple[Effect, ...]]:
    """What has to be told of a line by now, and has not been; the lower notices count as told with it."""
    notice = _notice(line, now)
    if notice <= line.told:
        return line, ()
    return replace(line, told=notice), (Tell(line.wanted.key, notice, line.code),)


def _notice(line: Line, now: datetime) -> Notice:
    if not line.failures:
        return Notice.RECOVERED
    if line.held is None:
        return Notice.FAILING
    left = (line.held.expires_at - now).total_seconds()
    life = min(line.wanted.life_s, (line.held.expires_at - line.held.issued_at).total_seconds())
    if left <= 0:
        return Notice.ENDED
    if left <= min(3600.0, life / 6):
        return Notice.VERY_SOON
    return Notice.SOON if left <= min(7200.0, life / 3) else Notice.FAILING


def _part(chance: float) -> float:
    return EARLIEST + (LATEST - EARLIEST) * chance


def _backoff(line: Line, chance: float) -> float:
    """Decorrelated jitter: between the floor and three times the last wait, and never above the ceiling."""
    highest = max(FLOOR_S, 3 * line.wait_s) if line.failures else 2 * FLOOR_S
    return min(CEILING_S, FLOOR_S + (highest - FLOOR_S) * chance)


def _patience(line: Line, now: datetime) -> float:
    """How long a peer may ask us to wait."""
    if line.held is None:
        return SHORT_S
    left = (line.held.expires_at - now).total_seconds() - RESERVE_S
    return max(SHORT_S, min(RETRY_AFTER_S, left))


def _passed(at: datetime, now: datetime, wait_s: float) -> bool:
    """Whether a time has come that was at most `wait_s` ahead when it was set; or a clock was set back meanwhile."""
    return now >= at or (at - now).total_seconds() > wait_s + SKEW_S


def _with(state: State, line: Line) -> State:
    return replace(state, lines={**state.lines, line.wanted.key: line})
