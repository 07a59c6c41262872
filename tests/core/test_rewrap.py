"""Re-wrapping ends with everything under the target, wherever it is stopped and whatever is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.rewrap import (
    Changed,
    Count,
    Counted,
    Effect,
    Event,
    Failed,
    Failure,
    Move,
    Moved,
    Page,
    Phase,
    ReadPage,
    Resume,
    State,
    step,
)
from portreeve.core.rewrap import Item as Record

TARGET = "new"


@dataclass
class Store:
    """Records and the key that each is wrapped with; what an edge would do, in memory."""

    keys: dict[str, str]
    broken: frozenset[str] = frozenset()
    limit: int = 2
    writes: list[str] = field(default_factory=list)

    def do(self, effect: Effect) -> Event:
        match effect:
            case ReadPage(after, target):
                left = sorted(record for record, key in self.keys.items() if key != target and record > after)
                return Page(tuple(Record(record, self.keys[record]) for record in left[: self.limit]))
            case Move(record, from_key, to_key):
                if record in self.broken:
                    return Failed(record, "ciphertext_refused")
                if self.keys.get(record) != from_key:
                    return Changed(record)
                self.keys[record] = to_key
                self.writes.append(record)
                return Moved(record)
            case Count(target):
                return Counted(sum(key != target for key in self.keys.values()))


def run(store: Store, state: State, *, steps: int = 1000) -> State:
    """Run to the end, or for `steps` effects."""
    state, effects = step(state, Resume())
    for _ in range(steps):
        if not effects:
            break
        state, effects = step(state, store.do(effects[0]))
    return state


def stored(count: int) -> dict[str, str]:
    return {f"r{number:02}": "old" if number % 3 else "older" for number in range(count)}


@pytest.mark.parametrize("count", range(6))
def test_everything_is_moved_once(count: int) -> None:
    store = Store(stored(count))
    state = run(store, State(TARGET))
    assert (state.phase, state.moved, state.left) == (Phase.DONE, count, 0)
    assert set(store.keys.values()) <= {TARGET}
    assert sorted(store.writes) == sorted(stored(count))


@pytest.mark.parametrize("fresh", [False, True], ids=["stored state", "new state"])
@pytest.mark.parametrize("kill", ["before the effect", "after the effect", "after the step, before it is stored"])
@pytest.mark.parametrize("at", range(16))
def test_a_kill_at_any_step_is_survived(at: int, kill: str, fresh: bool) -> None:
    store = Store(stored(5))
    state, effects = step(State(TARGET), Resume())
    saved = state
    for number in range(100):
        if not effects:
            break
        if number == at and kill == "before the effect":
            break
        event = store.do(effects[0])
        if number == at and kill == "after the effect":
            break
        state, effects = step(state, event)
        if number == at:
            break
        saved = state
    ended = run(store, State(TARGET) if fresh else saved)
    assert (ended.phase, ended.left) == (Phase.DONE, 0)
    assert set(store.keys.values()) == {TARGET}
    assert sorted(store.writes) == sorted(stored(5))


@given(st.lists(st.integers(0, 7), max_size=12), st.integers(1, 4))
def test_any_number_of_kills_is_survived(lives: list[int], limit: int) -> None:
    store = Store(stored(7), limit=limit)
    state = State(TARGET)
    for steps in lives:
        state = run(store, state, steps=steps)
    assert run(store, state).phase is Phase.DONE
    assert set(store.keys.values()) == {TARGET}


@given(st.data())
def test_lost_repeated_and_foreign_answers_change_nothing(data: st.DataObject) -> None:
    store = Store(stored(4))
    state, effects = step(State(TARGET), Resume())
    seen: list[Event] = []
    for _ in range(60):
        if not effects:
            break
        event = store.do(effects[0])
        for stray in data.draw(st.lists(st.sampled_from([*seen, Moved("zz"), Failed("zz", "x")]), max_size=2)):
            if not isinstance(stray, Page | Counted):
                assert step(state, stray) == (state, ())
        seen.append(event)
        state, effects = step(state, event)
    assert state.phase is Phase.DONE
    assert state.moved == 4


def test_a_page_that_comes_twice_does_no_harm() -> None:
    store = Store(stored(4))
    state, effects = step(State(TARGET), Resume())
    first = store.do(effects[0])
    state, effects = step(state, first)
    while effects and not isinstance(effects[0], ReadPage):
        state, effects = step(state, store.do(effects[0]))
    state, effects = step(state, first)
    while effects:
        state, effects = step(state, store.do(effects[0]))
    assert state.phase is Phase.DONE
    assert len(store.writes) == 4


def test_what_others_write_under_the_old_key_meanwhile_is_found() -> None:
    store = Store(stored(3))
    state, effects = step(State(TARGET), Resume())
    written = False
    while effects:
        if isinstance(effects[0], Count) and not written:
            store.keys["r00a"], written = "old", True
        state, effects = step(state, store.do(effects[0]))
    assert (state.phase, store.keys["r00a"]) == (Phase.DONE, TARGET)


def test_two_workers_at_once_finish_together() -> None:
    store = Store(stored(6))
    states = [step(State(TARGET), Resume()), step(State(TARGET), Resume())]
    while any(effects for _, effects in states):
        states = [step(state, store.do(effects[0])) if effects else (state, effects) for state, effects in states]
    assert {state.phase for state, _ in states} == {Phase.DONE}
    assert sorted(store.writes) == sorted(stored(6))


def test_a_record_that_does_not_open_stalls_with_its_reason_after_all_others_are_moved() -> None:
    store = Store(stored(5), broken=frozenset({"r02"}))
    state = run(store, State(TARGET))
    assert (state.phase, state.left, state.moved) == (Phase.STALLED, 1, 4)
    assert state.failures == (Failure("r02", "ciphertext_refused"),)
    assert store.keys["r02"] == "old"


def test_what_stalled_goes_on_once_the_record_is_mended() -> None:
    store = Store(stored(5), broken=frozenset({"r02"}))
    state = run(store, State(TARGET))
    store.broken = frozenset()
    assert run(store, state) == replace(state, phase=Phase.DONE, left=0, moved=5, failures=(), moved_in_round=1)


def test_what_is_done_stays_done() -> None:
    done = run(Store(stored(1)), State(TARGET))
    assert step(done, Resume()) == (done, ())
    assert step(done, Counted(3)) == (done, ())


@given(st.sets(st.integers(0, 9)), st.integers(0, 9))
def test_no_effect_names_anything_but_records_and_keys(broken: set[int], count: int) -> None:
    """A move cannot widen a scope: there is no field for one."""
    assert {name for kind in (Move, ReadPage, Count) for name in kind.__slots__} == {
        "record", "from_key", "to_key", "after", "target", "limit",
    }  # fmt: skip
    store = Store(stored(count), broken=frozenset(f"r{number:02}" for number in broken))
    assert run(store, State(TARGET)).phase in {Phase.DONE, Phase.STALLED}
    assert set(store.keys) == set(stored(count))
