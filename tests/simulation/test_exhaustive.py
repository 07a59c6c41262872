"""Every order of a small world; `make soak`, or PORTREEVE_STATES=15000, looks deeper."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from portreeve.core import namespace_decision
from tests.simulation import exhaustive
from tests.simulation.agent_mutants import MUTANTS
from tests.simulation.cluster import Broken
from tests.simulation.exhaustive import ONCE, World, begun, rotating, search

STATES = int(os.environ.get("PORTREEVE_STATES", "1500"))
ALL_AT_ONCE = 6
"""So many times the worlds of one fault are looked at for all of them together."""
ROOTS = {"begun": begun, "rotating": rotating}
FAULTS: tuple[tuple[str, ...], ...] = ((), *((one,) for one in ONCE), ONCE)


def _root(name: str, faults: tuple[str, ...]) -> World:
    return replace(ROOTS[name](), left=frozenset(faults))


@pytest.mark.wide
def test_no_order_of_a_small_world_breaks_an_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    began, told, states, steps, lives = time.process_time(), [], 0, 0, 0
    for name in ROOTS:
        for faults in FAULTS:
            found = search(_root(name, faults), states=STATES * (ALL_AT_ONCE if faults == ONCE else 1))
            shown = "all" if faults == ONCE else "".join(faults) or "none"
            told.append(f"{name}/{shown} {found.states:,} to {found.depth}{' (complete)' if found.finished else ''}")
            states, steps, lives = states + found.states, steps + found.steps, lives + found.lived
    with capsys.disabled():
        print(
            f"\nagent: {states:,} distinct worlds by {steps:,} choices, {lives:,} of them lived to the end,"
            f" {time.process_time() - began:.0f} s of CPU; depth in choices: {'; '.join(told)}"
        )
    assert states > 10 * STATES


def test_a_rotation_and_a_revocation_are_complete_in_every_order() -> None:
    found = search(_root("rotating", ()), states=10_000, live_each=20)
    assert found.finished
    assert found.depth >= 12
    assert found.states > 500


@pytest.mark.parametrize(
    ("mutant", "root", "faults", "invariant"),
    [
        ("attach without a record", "begun", (), "I2"),
        ("force apply", "rotating", ("people",), "I3"),
        ("delete, then create", "rotating", (), "I10"),
        ("every read twice", "begun", (), "L3"),
        ("apply at every look", "rotating", (), "L1"),
    ],
)
def test_a_mistake_is_found_in_some_order(
    mutant: str, root: str, faults: tuple[str, ...], invariant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, wrong = _root(root, faults), MUTANTS[mutant]
    for name, value in wrong.parts.items():
        monkeypatch.setattr(namespace_decision, name.rpartition(".")[2], value)
    if wrong.step is not None:
        monkeypatch.setattr(exhaustive, "step", wrong.step)
    with pytest.raises(Broken, match=f"^{invariant}:.* after "):
        search(world, states=4_000, live_each=5)


def test_worlds_between_which_nothing_can_tell_are_one() -> None:
    """Two namespaces that do the same in another order."""
    world = exhaustive.after(begun(), ("tick", None))
    there = exhaustive.after(exhaustive.after(world, ("request", 0)), ("request", 0))
    back = exhaustive.after(exhaustive.after(world, ("request", 1)), ("request", 0))
    assert exhaustive.key(there) == exhaustive.key(back)
    assert exhaustive.key(there) != exhaustive.key(world)
