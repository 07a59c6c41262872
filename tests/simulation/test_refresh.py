"""`core.refresh` through drawn faults, the 13 hours of F-61, and the mistakes that the simulator is proved to see.

Source: reliability 3.3, F-61 to F-66, F-28, F-37, F-48.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from portreeve.core import refresh
from portreeve.core.refresh import (
    BURST,
    CEILING_S,
    RATE,
    Effect,
    Event,
    Failed,
    Held,
    Keep,
    Line,
    Mint,
    Minted,
    Notice,
    State,
    Tell,
    Tick,
    Wanted,
    Wants,
    Why,
    step,
)
from tests.simulation.refresh import BEGIN, HOUR, KINDS, Broken, Faults, Step, World

pytestmark = pytest.mark.wide

SEEDS = 120
MORE = int(os.environ.get("PORTREEVE_REFRESH_SEEDS", "120"))
"""Further seeds; `make soak` takes 3,000."""


@pytest.mark.parametrize("block", range(4))
def test_no_drawn_world_breaks_an_invariant(block: int) -> None:
    for seed in range(block * SEEDS // 4, (block + 1) * SEEDS // 4):
        World(seed).run()


@pytest.mark.slow
def test_more_drawn_worlds_break_none() -> None:
    steps = sum(World(seed).run().steps for seed in range(1000, 1000 + MORE))
    print(f"{MORE:,} seeds, {steps:,} steps")


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_alone_is_survived(kind: str) -> None:
    for seed in range(4):
        World(seed, keys=5, hours=6, faults=Faults(HOUR, 3 * HOUR, (kind,))).run()


def test_thirteen_hours_without_the_token_endpoint_lose_nothing_early(capsys: pytest.CaptureFixture[str]) -> None:
    """F-61: twelve-hour tokens are delivered to their very end, and all are back within two minutes of the heal."""
    begin = 5 * HOUR
    world = World(
        7, keys=20, life_s=12 * HOUR, replicas=2, hours=20, faults=Faults(begin, begin + 13 * HOUR, ("dead",))
    )
    served, early = world._served, list[str]()
    before: dict[str, Held] = {}

    def dead(node: Any, mint: Mint) -> tuple[float, Event]:
        if world.faulty:
            before.setdefault(mint.key, world.tokens[mint.key])
            at = world.clock(node, world.t + 0.2)
            return 0.2, Failed(mint.key, mint.attempt, Why.UNREACHABLE, "down", at, world.random.random())
        return served(node, mint)

    world._served = dead  # type: ignore[method-assign] # the world's token service is down as a whole
    check = world._check

    def checked(node: Any) -> None:
        check(node)
        early.extend(key for key, held in before.items() if world.faulty and (world.tokens.get(key) != held))

    world._check = checked  # type: ignore[method-assign] # one invariant more
    world.run()
    asked = sum(1 for starts in world.starts.values() for at in starts if begin <= at < begin + 13 * HOUR)
    assert not early
    assert len(before) == 20, "every token was due while nothing could be minted"
    assert asked / (13 * HOUR) < RATE
    back = max(min(at for at in starts if at >= begin + 13 * HOUR) for starts in world.starts.values())
    assert back - begin - 13 * HOUR <= 120
    assert set(world.told.values()) == set()
    with capsys.disabled():
        rate, wait = asked / (13 * HOUR), back - begin - 13 * HOUR
        print(
            f"\nF-61: 20 tokens, 13 h: 0 early losses, {rate:.2f} requests/s (cap {RATE:.0f}), back after {wait:.0f} s"
        )


def test_three_hundred_failing_tokens_of_one_peer_do_not_storm_and_all_come_back() -> None:
    world = World(5, keys=300, life_s=HOUR, replicas=2, hours=2, faults=Faults(HOUR / 2, HOUR, ("down", "throttled")))
    world.run()
    assert world.requests / (2 * HOUR) < RATE


# -- mistakes that were made, or could be


def _without_memory(line: Line, now: Any) -> tuple[Line, tuple[Effect, ...]]:
    notice = refresh._notice(line, now)
    return line, (Tell(line.wanted.key, notice),) if notice else ()


def _dropping(original: Callable[..., Any]) -> Callable[..., Any]:
    def failed(line: Line, event: Failed) -> Any:
        return original(replace(line, held=None), event)

    return failed


def _greedy(original: Callable[..., Any]) -> Callable[..., Any]:
    """Takes whatever comes, though what is held ends later."""

    def minted(line: Line, event: Minted) -> Any:
        held = line.held
        if held is not None:
            return original(replace(line, held=replace(held, expires_at=held.issued_at)), event)
        return original(line, event)

    return minted


def _for_each_environment(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    if isinstance(event, Wants):
        wanted = [replace(one, key=f"{one.key}{at}") for one in event.wanted for at in ("", "@prod", "@dev")]
        event = replace(event, wanted=wanted)
    return step(state, event)


def _any_attempt(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """An answer counts whichever request it answers."""
    if isinstance(event, Minted | Failed) and (line := state.lines.get(event.key)) is not None:
        until = line.minting_until or event.now
        line = replace(line, attempt=event.attempt, minting_until=until, minting_from=line.wanted.source)
        state = replace(state, lines={**state.lines, event.key: line})
    return step(state, event)


def _all_at_once(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """The stored lease is not looked at."""
    if isinstance(event, Tick):
        lines = {key: replace(line, minting_until=None) for key, line in state.lines.items()}
        state, event = replace(state, lines=lines), replace(event, busy=frozenset())
    return step(state, event)


OUTAGE = Faults(HOUR, 3 * HOUR, ("down",))
QUIET = Faults(4 * HOUR, 4 * HOUR, ())
HOURS: dict[str, Any] = {"keys": 5, "hours": 5.0, "life_s": HOUR, "replicas": 1}

MUTANTS: dict[str, tuple[dict[str, Any], Step | None, dict[str, Any]]] = {
    "refresh at 90 % of life": ({"_part": lambda chance: 0.9}, None, {"faults": Faults(9 * HOUR, 9 * HOUR, ())}),
    "drop the old one on failure": ({"_failed": _dropping}, None, {"faults": OUTAGE}),
    "retry without backing off": ({"_backoff": lambda line, chance: 0.0}, None, {"faults": OUTAGE}),
    "retry seldom": ({"CEILING_S": 3600.0, "FLOOR_S": 600.0}, None, {"faults": OUTAGE}),
    "ignore Retry-After": ({"_patience": lambda line, now: 0.0}, None, {"life_s": 12 * HOUR, "hours": 12.0,
        "faults": Faults(HOUR, 11 * HOUR, ("throttled",))}),
    "honour any Retry-After": ({"_patience": lambda line, now: 1e9}, None, {"life_s": 600.0,
        "faults": Faults(HOUR, 3 * HOUR, ("throttled",))}),
    "take one that has ended": ({"LEAST_LIFE_S": -1e9}, None, {"life_s": 600.0,
        "faults": Faults(HOUR, 4 * HOUR, ("ended", "down"))}),
    "take one that ends sooner": ({"_minted": _greedy}, None, {"faults": Faults(HOUR, 4 * HOUR, ("short",))}),
    "tell at every tick": ({"_told": _without_memory}, None, {"faults": OUTAGE}),
    "mint for each environment": ({}, _for_each_environment, {"faults": QUIET}),
    "no cap for a peer": ({"RATE": 1e9, "BURST": 1e9}, None, {"keys": 40, "faults": QUIET}),
    "take any answer": ({}, _any_attempt, {"keys": 2, "life_s": 600.0, "hours": 9.0,
        "faults": Faults(HOUR, 8 * HOUR, ("rotate", "slow"))}),
    "two replicas mint at once": ({}, _all_at_once, {"replicas": 2, "faults": Faults(HOUR, 4 * HOUR, ("hang",))}),
    "a lost answer is waited for": ({"LEASE_S": 1e8}, None, {"faults": Faults(HOUR, 4 * HOUR, ("crash", "hang"))}),
    "a clock that was set back is believed": ({"_passed": lambda at, now, wait_s: now >= at}, None,
        {"life_s": 600.0, "faults": Faults(HOUR, 4 * HOUR, ("jump",))}),
    "an hour of refusals for a person's fix": ({"_line": lambda line, wanted, now: replace(line, wanted=wanted)
        if line else Line(wanted, now, now)}, None, {"faults": Faults(HOUR, 6 * HOUR, ("refused", "down"))}),
}  # fmt: skip
"""Mistake → what of the machine it changes, a step in its place, and the world in which it shows."""

WRAPPERS = {_dropping, _greedy}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulator_sees(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes, instead, scene = MUTANTS[name]
    for seed in range(20):
        World(seed, **HOURS | scene).run()
    for part, value in changes.items():
        monkeypatch.setattr(refresh, part, value(getattr(refresh, part)) if value in WRAPPERS else value)
    for seed in range(20):
        world = World(seed, **HOURS | scene)
        world.step = instead or step
        try:
            world.run()
        except Broken:
            return
    pytest.fail(f"{name}: 20 worlds and nothing seen")


def test_the_simulator_sees_refreshes_without_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    def spread() -> int:
        world = World(3, **HOURS | {"keys": 10, "hours": 1.0, "faults": QUIET})
        world.hours = 0.3
        world.faults = Faults(0, 0, ())
        world.run()
        return len({line.due_at for line in world.state.lines.values()})

    assert spread() == 10
    monkeypatch.setattr(refresh, "_part", lambda chance: 0.5)
    assert spread() < 10


class Machine(RuleBasedStateMachine):
    """Hypothesis finds the shortest way to a line that lies."""

    @initialize()
    def begin(self) -> None:
        self.now = BEGIN
        self.state, self.asked = State(), dict[str, Mint]()
        self.best: dict[str, Held] = {}
        self.sources = {"a": 1, "b": 1}

    def do(self, event: Event) -> None:
        before = self.state
        self.state, effects = step(self.state, event)
        for effect in effects:
            if isinstance(effect, Mint):
                line = before.lines[effect.key]
                assert line.minting_until is None or line.minting_until <= self.now
                self.asked[effect.key] = effect
            if isinstance(effect, Keep):
                old = self.best.get(effect.key)
                assert self.now < effect.held.expires_at
                if old is not None and old.source == effect.held.source and self.now < old.expires_at:
                    assert effect.held.expires_at > old.expires_at
                self.best[effect.key] = effect.held

    @rule(seconds=st.sampled_from((1, 5, 60, 900, 3600, 6 * 3600, 13 * 3600)))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        wanted = [Wanted(key, "peer", source, 12 * HOUR) for key, source in self.sources.items()]
        self.do(Wants(wanted, self.now))
        self.do(Tick(self.now))

    @rule(key=st.sampled_from("ab"))
    def rotate(self, key: str) -> None:
        self.sources[key] += 1

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), hours=st.sampled_from((-1.0, 0.001, 0.5, 12.0)), chance=st.sampled_from((0.0, 0.5, 0.99)))
    def answer(self, data: st.DataObject, hours: float, chance: float) -> None:
        mint = self.asked[data.draw(st.sampled_from(sorted(self.asked)))]
        self.do(Minted(mint.key, mint.attempt, self.now + timedelta(hours=hours), self.now, chance))

    @precondition(lambda self: self.asked)
    @rule(
        data=st.data(),
        why=st.sampled_from(Why),
        retry=st.sampled_from((None, 1.0, 1e6)),
        chance=st.sampled_from((0.0, 0.5, 0.99)),
    )
    def fail(self, data: st.DataObject, why: Why, retry: float | None, chance: float) -> None:
        mint = self.asked[data.draw(st.sampled_from(sorted(self.asked)))]
        self.do(Failed(mint.key, mint.attempt, why, "code", self.now, chance, retry))

    @invariant()
    def what_is_held_is_known(self) -> None:
        if not hasattr(self, "state"):
            return
        for key, line in self.state.lines.items():
            assert line.held == self.best.get(key)
            assert line.told is Notice.RECOVERED or line.failures
            waits = (line.due_at - line.set_at).total_seconds()
            assert waits <= max(refresh.RETRY_AFTER_S, 0.5 * line.wanted.life_s, CEILING_S)
        assert all(-1e-9 <= bucket.level <= BURST for bucket in self.state.buckets.values())


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMachine = Machine.TestCase
