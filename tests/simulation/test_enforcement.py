"""`core.enforcement` through drawn faults, and the mistakes that the simulator is proved to see.

Source: reliability 3.3, I3, I4, I8, L1, L3, F-01 to F-12, F-16 to F-18, F-20 to F-22, F-25.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.enforcement import KINDS_OF_FAULT, Broken, World
from tests.simulation.enforcement_mutants import MUTANTS, Mutant, mutated

pytestmark = pytest.mark.wide

SEEDS = 40
MORE = int(os.environ.get("PORTREEVE_ENFORCEMENT_SEEDS", "200"))
"""Further seeds; `make soak` takes 1,000."""


def test_no_drawn_world_breaks_an_invariant() -> None:
    for seed in range(SEEDS):
        World(seed).run()


@pytest.mark.slow
def test_hundreds_of_drawn_worlds_break_none() -> None:
    steps = sum(World(seed).run().steps for seed in range(1000, 1000 + MORE))
    print(f"{MORE:,} seeds, {steps:,} steps")


@pytest.mark.parametrize("kind", KINDS_OF_FAULT)
def test_each_fault_alone_is_survived(kind: str) -> None:
    for seed in range(3):
        World(seed, kinds=(kind,), hours=1.2).run()


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mistake_is_seen(name: str) -> None:
    mutant = MUTANTS[name]
    with pytest.raises(Broken) as broken:
        _lived_through(mutant)
    assert any(text in str(broken.value) for text in mutant.falls)


def _lived_through(mutant: Mutant) -> None:
    step = mutated(mutant.changes)
    for seed in range(mutant.seeds):
        World(seed, mutant.kinds, mutant.stages, mutant.hours, step).run()


def test_without_a_mistake_the_same_worlds_are_sound() -> None:
    for mutant in MUTANTS.values():
        World(0, mutant.kinds, mutant.stages, mutant.hours).run()
