"""A world for `core.refresh`: token services that fail, replicas that crash, clocks that jump, all drawn from a seed.

`World(seed).run()` lives through some hours and raises `Broken` at the first step after which an invariant does not
hold. True time is a number of seconds; a replica's clock is that plus its offset. The stored state and the stored
tokens change together, as in one transaction; everything else of a replica is gone when it crashes.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from portreeve.core import refresh
from portreeve.core.refresh import (
    Effect,
    Event,
    Failed,
    Forget,
    Held,
    Keep,
    Mint,
    Minted,
    Notice,
    State,
    Tell,
    Tick,
    Wanted,
    Wants,
    Why,
)

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
TICK_S = 5.0
"""Seconds between two ticks of a replica, as in the service."""
HOUR = 3600.0
# What the invariants hold the machine to; written here anew, as a mutant may have changed the machine's own.
RATE, BURST, FLOOR_S, RECOVERY_S, RETRY_AFTER_S, RESERVE_S = 5.0, 25.0, 5.0, 120.0, 900.0, 600.0

Step = Callable[[State, Event], tuple[State, tuple[Effect, ...]]]


class Broken(AssertionError):
    """An invariant that does not hold."""


@dataclass
class Replica:
    """One process: its clock, and the requests that it waits for (key → the moment of the answer)."""

    offset: float = 0.0
    busy: dict[str, int] = field(default_factory=dict)
    life: int = 0
    up: bool = True


@dataclass
class Faults:
    """What goes wrong between `begin` and `end`, of what there is to be drawn."""

    begin: float
    end: float
    kinds: tuple[str, ...]


KINDS = ("down", "hang", "throttled", "refused", "short", "ended", "lost", "slow", "crash", "jump", "same", "rotate")


@dataclass
class World:
    """Drawn from the seed, unless a scenario names its parts."""

    seed: int
    keys: int = 0
    hours: float = 14.0
    life_s: float = 0.0
    replicas: int = 0
    faults: Faults | None = None
    step: Step = refresh.step
    requests: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        draw = self.random
        self.keys = self.keys or draw.choice((1, 2, 5, 12))
        self.life_s = self.life_s or draw.choice((12 * HOUR, 12 * HOUR, 3 * HOUR, HOUR, 600.0))
        if self.faults is None:
            begin = draw.uniform(0.1, 8) * HOUR
            kinds = tuple(kind for kind in KINDS if draw.random() < 0.3)
            self.faults = Faults(begin, begin + draw.choice((0.2, 1.0, 3.0, 13.0)) * draw.uniform(0.5, 1) * HOUR, kinds)
        jumps = "jump" in self.faults.kinds
        count = self.replicas or draw.choice((1, 1, 2))
        self.nodes = [Replica(0.0 if jumps else draw.uniform(-20, 20)) for _ in range(count)]
        self.t = 0.0
        self.state = State()
        self.tokens: dict[str, Held] = {}
        """What is stored; whoever delivers takes it from here."""
        self.sources = {f"k{number}": 1 for number in range(self.keys)}
        self.queue: list[tuple[float, int, int, int, Event]] = []
        self.order = 0
        self.flying: dict[str, int] = defaultdict(int)
        self.level, self.level_at = BURST, 0.0
        self.answered: dict[str, tuple[float, str, float]] = {}
        self.told: dict[str, Notice] = {}
        self.starts: dict[str, list[float]] = defaultdict(list)
        self.jumped = False
        self.asked: dict[tuple[str, int], int] = {}
        self.answering = 0
        self.slack = 0.0

    # -- time

    def clock(self, node: Replica, at: float | None = None) -> datetime:
        return BEGIN + timedelta(seconds=(self.t if at is None else at) + node.offset)

    def truly(self, at: datetime) -> float:
        """A time of the token services, which have the true one."""
        return (at - BEGIN).total_seconds()

    @property
    def faulty(self) -> bool:
        assert self.faults is not None
        return self.faults.begin <= self.t < self.faults.end

    def on(self, kind: str, chance: float = 1.0) -> bool:
        assert self.faults is not None
        return self.faulty and kind in self.faults.kinds and self.random.random() < chance

    # -- the run

    def run(self) -> World:
        assert self.faults is not None
        until = self.hours = max(self.hours * HOUR, self.faults.end + HOUR)
        healed = False
        while self.t < until:
            if not healed and self.t >= self.faults.end:
                healed = True
                self._heal()
            self._disturb()
            for number, node in enumerate(self.nodes):
                if node.up:
                    self._tick(number, node)
            self._advance(until)
        return self

    def _advance(self, until: float) -> None:
        """To the next tick at which anything can happen, with the answers that come before it."""
        following = self._next(until)
        while self.queue and self.queue[0][0] <= following:
            at, _, number, life, event = heapq.heappop(self.queue)
            self.t = max(self.t, at)
            self._answer(number, life, event)
            following = min(following, self._ceil(self.t + 0.001))
        self.t = following

    def _next(self, until: float) -> float:
        assert self.faults is not None
        checked = self.faults.end + RECOVERY_S + self.slack + TICK_S
        marks = [until, self.faults.begin, self.faults.end, checked, self.t + HOUR]
        if self.faulty and {"crash", "jump", "rotate"} & set(self.faults.kinds):
            marks.append(self.t + self.random.uniform(30, 1200))
        now = self.clock(self.nodes[0])
        for line in self.state.lines.values():
            if line.minting_until is None and line.due(now):
                return self._ceil(self.t + 0.001)
            times = [line.due_at, line.minting_until]
            if line.held is not None:
                ends = line.held.expires_at
                times += [ends, ends - timedelta(hours=2), ends - timedelta(hours=1)]
            for node in self.nodes:
                marks += [self.truly(at) - node.offset for at in times if at is not None]
        marks += [event[0] for event in self.queue]
        return self._ceil(min(mark for mark in marks if mark > self.t + 0.001))

    @staticmethod
    def _ceil(at: float) -> float:
        return -(-at // TICK_S) * TICK_S

    def _disturb(self) -> None:
        node = self.random.choice(self.nodes)
        if self.on("crash", 0.2):
            for key in node.busy:
                self.flying[key] -= 1
            node.busy.clear()
            node.life += 1
            node.up = not node.up or len(self.nodes) == 1 or sum(one.up for one in self.nodes) == 1
        if self.on("jump", 0.1):
            self.jumped = True
            offset = self.random.choice((0.0, 24 * HOUR, -24 * HOUR, 200.0))
            for one in self.nodes:
                self._set_back(one, offset)
            # Of a bucket that is filled by a clock a jump may fill all.
            self.level = BURST
        if self.on("rotate", 0.05):
            self._rotate(self.random.choice(sorted(self.sources)))

    def _set_back(self, node: Replica, offset: float) -> None:
        """A clock that is set back by less than what two clocks may differ by makes a wait longer by as much."""
        if 0 < node.offset - offset <= refresh.SKEW_S:
            self.slack = max(self.slack, node.offset - offset)
        node.offset = offset

    def _rotate(self, key: str) -> None:
        self.sources[key] += 1
        self.answered.pop(key, None)

    def _heal(self) -> None:
        """The faults end: clocks are right, everything is up, and whatever was refused is repaired by people."""
        for node in self.nodes:
            node.up = True
            if self.jumped:
                self._set_back(node, 0.0)
        if self.jumped:
            self.level = BURST
        for key, line in self.state.lines.items():
            if line.why is Why.REFUSED:
                self._rotate(key)

    # -- a replica

    def _apply(self, event: Event, node: Replica) -> tuple[Effect, ...]:
        """One transaction: the state and the tokens change together."""
        self.state, effects = self.step(self.state, event)
        self.steps += 1
        for effect in effects:
            match effect:
                case Keep(key, held):
                    self._keep(key, held)
                case Forget(key):
                    self.tokens.pop(key, None)
                case Tell(key, notice, _):
                    self._tell(key, notice)
        self._check(node)
        return effects

    def _tick(self, number: int, node: Replica) -> None:
        now = self.clock(node)
        wanted = [Wanted(key, "peer", source, self.life_s) for key, source in sorted(self.sources.items())]
        self._apply(Wants(wanted, now), node)
        for effect in self._apply(Tick(now, frozenset(node.busy)), node):
            if isinstance(effect, Mint):
                self._mint(number, node, effect)

    def _mint(self, number: int, node: Replica, mint: Mint) -> None:
        key = mint.key.partition("@")[0]
        self.requests += 1
        self._rate()
        self._gap(key)
        self.starts[key].append(self.t)
        self.flying[key] += 1
        if self.flying[key] > 1 and not self.jumped:
            raise Broken(f"two mints of {key} are under way at {self.t:.0f}")
        node.busy[mint.key] = mint.attempt
        self.asked[mint.key, mint.attempt] = mint.source
        after, event = self._served(node, mint)
        self.order += 1
        heapq.heappush(self.queue, (self.t + after, self.order, number, node.life, event))

    def _served(self, node: Replica, mint: Mint) -> tuple[float, Event]:
        """What the token service does with a request: the answer, and how long it takes."""
        draw = self.random

        def failed(why: Why, retry_after_s: float | None = None, after: float = 0.2) -> tuple[float, Event]:
            at = self.clock(node, self.t + after)
            return after, Failed(mint.key, mint.attempt, why, "fault", at, draw.random(), retry_after_s)

        if self.on("hang", 0.3):
            return failed(Why.UNREACHABLE, after=refresh.MINTING_S)
        if self.on("down", 0.9):
            return failed(Why.UNREACHABLE)
        if self.on("throttled", 0.5):
            return failed(Why.THROTTLED, draw.choice((None, 1.0, 30.0, 400.0, 800.0, 7200.0)))
        if self.on("refused", 0.3):
            return failed(Why.REFUSED)
        if self.on("lost", 0.3):
            return failed(Why.UNREACHABLE, after=refresh.MINTING_S)
        life = self.life_s
        if self.on("short", 0.5):
            life = draw.uniform(0.01, 1) * life
        if self.on("ended", 0.3):
            life = -draw.uniform(0, 3) * HOUR
        expires = BEGIN + timedelta(seconds=self.t + life)
        held = self.tokens.get(mint.key)
        if held is not None and self.on("same", 0.3):
            expires = held.expires_at
        after = 25.0 if self.on("slow", 0.5) else 0.2
        return after, Minted(mint.key, mint.attempt, expires, self.clock(node, self.t + after), draw.random())

    def _answer(self, number: int, life: int, event: Event) -> None:
        node = self.nodes[number]
        assert isinstance(event, Minted | Failed)
        if node.life != life:
            return  # Whoever asked has crashed.
        node.busy.pop(event.key)
        key = event.key.partition("@")[0]
        self.flying[key] -= 1
        now = self.clock(node)
        event = replace(event, now=now)
        line = self.state.lines.get(event.key)
        if line is not None and line.minting_from == self.sources.get(key) and line.attempt == event.attempt:
            retry = (event.retry_after_s or 0.0) if isinstance(event, Failed) else 0.0
            good = isinstance(event, Minted)
            self.answered[key] = (self.t, "good" if good else str(getattr(event, "why", "")), retry)
        self.answering = self.asked[event.key, event.attempt]
        self._apply(event, node)

    # -- invariants

    def _keep(self, key: str, held: Held) -> None:
        old, ends = self.tokens.get(key), self.truly(held.expires_at)
        # A clock that is a day late cannot see that a token has ended; with a right one none such is taken.
        if ends <= self.t and not self.jumped:
            raise Broken(f"I10: {key}: an ended token was stored at {self.t:.0f}")
        if held.source != self.answering:
            raise Broken(f"{key}: a token of version {self.answering} was taken for one of {held.source}")
        if old is not None:
            if held.serial <= old.serial:
                raise Broken(f"{key}: number {held.serial} after {old.serial}")
            usable = self.truly(old.expires_at) > self.t
            if usable and old.source == held.source and ends <= self.truly(old.expires_at) and not self.jumped:
                raise Broken(f"F-62: {key}: one that ends later was replaced at {self.t:.0f}")
            assert self.faults is not None
            quiet = not self.faults.kinds and len(self.nodes) == 1
            part = (self.t - (self.truly(old.issued_at))) / self.life_s
            if quiet and part > 0.5 + (15 + abs(self.nodes[0].offset)) / self.life_s:
                raise Broken(f"{key}: refreshed at {part:.2f} of its life")
        self.tokens[key] = held

    def _tell(self, key: str, notice: Notice) -> None:
        before = self.told.get(key, Notice.RECOVERED)
        if notice is Notice.RECOVERED:
            self.told.pop(key, None)
        elif notice <= before:
            raise Broken(f"{key}: told {notice.name} after {before.name}")
        else:
            self.told[key] = notice

    def _rate(self) -> None:
        """L3: the peer's own bucket, by true time."""
        self.level = min(BURST, self.level + (self.t - self.level_at) * RATE)
        self.level_at = self.t
        self.level -= 1
        # Two clocks that differ by 40 s fill what they differ by once.
        slack = 0.0 if len(self.nodes) == 1 else BURST
        if self.level < -0.01 - slack:
            raise Broken(f"L3: more than {RATE} requests a second at {self.t:.0f}")

    def _gap(self, key: str) -> None:
        """Nothing is asked again sooner than backing off and the peer's wish allow."""
        at, why, retry = self.answered.get(key, (-1e9, "", 0.0))
        if self.jumped or why in {"", "good"}:
            return
        waited = self.t - at + 0.01 + (0 if len(self.nodes) == 1 else 41)
        if waited < FLOOR_S:
            raise Broken(f"{key}: asked again after {waited:.1f} s")
        held = self.tokens.get(key)
        left = self.truly(held.expires_at) - at - RESERVE_S if held else 0.0
        if 0 < retry <= min(RETRY_AFTER_S, left - 60) and waited < retry:
            raise Broken(f"Retry-After {retry:.0f} was not honoured: {waited:.0f} s")

    def _check(self, node: Replica) -> None:
        """After every step: what is stored and usable is there to be delivered, and comes back after a fault."""
        for key in self.sources:
            line, token = self.state.lines.get(key), self.tokens.get(key)
            if token is not None and (line is None or line.held != token):
                raise Broken(f"{key}: the state forgot its token at {self.t:.0f}")
        assert self.faults is not None
        since = self.faults.end + self.slack if self.t >= self.faults.end else 0.0
        if not self.faulty and self.t - since >= RECOVERY_S:
            for key in self.sources:
                token = self.tokens.get(key)
                if token is None or self.truly(token.expires_at) <= self.t:
                    raise Broken(f"{key}: nothing usable {self.t - since:.0f} s after the last fault")
