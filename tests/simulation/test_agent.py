"""`core.reconcile` through drawn clusters, kill points, and the mistakes that the simulator is proved to see.

More seeds: `PORTREEVE_SEEDS=20000 pytest -m wide tests/simulation/test_agent.py`, or `make soak`.

Source: reliability 3.1 to 3.4.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from portreeve.core import agent_messages, delivery, namespace_decision, observation, pacing, reconcile, reconcile_state
from portreeve.core.agent_messages import (
    ApplySecret,
    DeleteSecret,
    Effect,
    Event,
    PatchServiceAccount,
    ReadSecret,
)
from portreeve.core.cluster import NamespaceSelection
from portreeve.core.credential import AuthEntry, CredentialRef, auth_key
from portreeve.core.observation import MANAGER, Kind
from portreeve.core.policy import Delivery, DeliveryMode, ServiceAccounts
from portreeve.core.reconcile_state import State, waiting_of
from tests.simulation import proofs_page
from tests.simulation.agent import KINDS, ROTATED_S, SOURCES, SPACES, Kill, World
from tests.simulation.agent_mutants import MUTANTS
from tests.simulation.cluster import Account, Broken, Secret, login

SEEDS = int(os.environ.get("PORTREEVE_SEEDS", "1200"))
LEAST = 100
"""How often each fault happens over all seeds, at least."""
WITHIN = 150
"""Seeds within which a mistake must be seen."""

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (agent_messages, delivery, namespace_decision, observation, pacing, reconcile, reconcile_state)
}


@pytest.mark.parametrize("block", range(2))
def test_no_drawn_cluster_breaks_an_invariant(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        World(seed).run()


@pytest.mark.wide
def test_thousands_of_drawn_clusters_break_none_and_every_fault_happens(capsys: pytest.CaptureFixture[str]) -> None:
    fired: Counter[str] = Counter()
    steps, began = 0, time.process_time()
    for seed in range(100_000, 100_000 + SEEDS):
        world = World(seed)
        try:
            world.run()
        except Broken as broken:
            pytest.fail(f"seed {seed}: {broken}; faults {world.kinds}")
        fired += world.fired
        steps += world.steps
    rarest = min(KINDS, key=lambda kind: fired[kind])
    with capsys.disabled():
        print(
            f"\nagent: {SEEDS:,} seeds, {steps:,} steps, {time.process_time() - began:.0f} s of CPU;"
            f" {len(KINDS)} faults, the rarest ({rarest}) {fired[rarest]:,} times"
        )
    assert {kind: fired[kind] for kind in KINDS if fired[kind] < LEAST} == {}


@pytest.mark.wide
def test_drawn_clusters_reach_the_branches_of_the_decisions(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.simulation.branches", "200"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    reached, there = (sum(column) for column in zip(*found.values(), strict=True))
    with capsys.disabled():
        print(f"\nagent: {reached} of {there} branches of {len(found)} modules reached: {100 * reached / there:.1f} %")
    assert len(found) == 7
    assert reached / there >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_alone_is_survived(kind: str) -> None:
    for seed in range(4):
        World(seed, kinds=(kind,), rate=0.15).run()


def test_without_faults_each_change_of_a_secret_is_one_write() -> None:
    """No document changes an entry without a write, and none is written twice."""
    for seed in range(20):
        world = World(seed, kinds=(), modes=(DeliveryMode.STANDING,))
        applied: Counter[tuple[str, str]] = Counter()
        real = world.api._apply

        def counted(request: ApplySecret, real: Any = real, applied: Any = applied) -> Any:
            applied[request.namespace, str(observation.facts(request.entries))] += 1
            return real(request)

        world.api._apply = counted  # type: ignore[method-assign] # what is applied is counted
        world.run()
        again = {what: times for what, times in applied.items() if times > len(world.documents)}
        assert again == {}
        assert world.api.writes <= sum(applied.values()) + 40


# -- the checkers themselves


def rested(modes: tuple[DeliveryMode, ...] = (DeliveryMode.STANDING,)) -> World:
    """A world at rest in which something is delivered."""
    for seed in range(50):
        world = World(seed, kinds=(), modes=modes).run()
        if world.api.secrets:
            return world
    raise AssertionError("nothing was delivered anywhere")


def _without_grants(world: World) -> None:
    world.documents[-1] = replace(world.documents[-1], grants=())
    world.check_rest()


def _entry_left(world: World) -> Account:
    """Nothing is granted, nothing is there but an entry of ours in a list that somebody has written since."""
    world.documents[-1] = replace(world.documents[-1], grants=())
    world.api.secrets.clear()
    for account in list(world.api.accounts.values()):
        world.api.put_account(account.namespace, account.name, pull_secrets=(), ours=False)
    world.check_rest()
    return world.api.put_account("a", "extra", pull_secrets=("portreeve-pull",), ours=True)


def _known_entry_left(world: World) -> None:
    world.known.add(_entry_left(world).uid)
    world.check_rest()


def _untouched_entry_left(world: World) -> None:
    world.api.store_account(replace(_entry_left(world), rewritten=False))
    world.check_rest()


def _entry_left_and_not_told(world: World) -> None:
    _entry_left(world)
    world.check_rest()


def _without_records(world: World) -> None:
    world.saved = replace(world.saved, records={})
    world.check_rest()


def _record_of_nothing(world: World) -> None:
    world.saved = replace(world.saved, records={**world.saved.records, "x": observation.Record("u0")})
    world.check_rest()


def _theirs(world: World) -> str:
    name = min(world.api.secrets)
    secret = world.api.secrets[name]
    world.api.secrets[name] = replace(secret, owner="user", told=(), data=())
    return name


def _over_theirs(world: World) -> None:
    name = _theirs(world)
    world.api.carry_out(ApplySecret(name, "", "", ()))
    world.api.carry_out(ApplySecret(name, "", "", (AuthEntry("r1.example.com/", CredentialRef("c", 1), None),)))


def _theirs_deleted(world: World) -> None:
    world.api.carry_out(DeleteSecret(_theirs(world), "", ""))


def _taken_and_not_told(world: World) -> None:
    name = min(world.api.secrets)
    world.api.secrets[name] = Secret(name, "u0", 1, "user", managers=frozenset({MANAGER}))
    world.check_rest()


def _entry_of_theirs_removed(world: World) -> None:
    account = world.api.put_account("a", "default", pull_secrets=("of-user", "portreeve-pull"), ours=False)
    world.api._patch(PatchServiceAccount("a", "default", False, str(account.rv), account.pull_secrets))


def _entries_lost(world: World) -> None:
    account = world.api.put_account("a", "default", pull_secrets=("of-user",), ours=False)
    world.api._patch(PatchServiceAccount("a", "default", True, str(account.rv), ()))


def _older_generation(world: World) -> None:
    assert world.state.document is not None
    before = world.state
    world.state = replace(before, document=replace(world.state.document, generation=0))
    world._check_generation(before)


def _not_stored(world: World) -> None:
    world.stored = 0
    world._check_stored()


def _stored_older(world: World) -> None:
    world._store(replace(world.documents[0], generation=0))


def _ended_over_valid(world: World) -> None:
    name = min(world.api.secrets)
    secret = world.api.secrets[name]
    ended = tuple(
        replace(entry, credential=CredentialRef("c-other", 1, world.now() - timedelta(seconds=1)))
        for entry in secret.data
    )
    world._check_apply(ApplySecret(name, secret.uid, str(secret.rv), ended))


def _emptied(world: World) -> None:
    name = min(world.api.secrets)
    secret = world.api.secrets[name]
    hollow = tuple(replace(entry, login=None) for entry in secret.data)
    world._check_apply(ApplySecret(name, secret.uid, str(secret.rv), hollow))


def _granted_deleted(world: World) -> None:
    name = min(world.api.secrets)
    world._check_delete(DeleteSecret(name, world.api.secrets[name].uid, ""))


def _another_content(world: World) -> None:
    entry = AuthEntry(auth_key(SOURCES["r1"]), CredentialRef("c-r1", 7), login("c-r1", 6))
    world.api.carry_out(ApplySecret("a", "", "", (entry,)))


def _missing(world: World) -> None:
    world.api.drop_secret(min(world.api.secrets))
    world.check_rest()


def _storm(world: World) -> None:
    for _ in range(20):
        world._check_rate()


def _too_soon(world: World) -> None:
    world.failed["a", ""] = (world.t, agent_messages.Outcome.CONFLICT, world._uid_of("a"))
    world._check_object(ReadSecret("a"))


def _two_at_once(world: World) -> None:
    world._check_object(ReadSecret("a"))
    world._check_object(ReadSecret("a"))


def _too_many_at_once(world: World) -> None:
    for name in ("v", "w", "x", "y", "z"):
        world._check_object(ReadSecret(name))


def _again_at_once(world: World) -> None:
    world.written["a", ""] = [(world.t, world._generation())] * 2
    world._check_object(ReadSecret("a"))


def _not_quiet(world: World) -> None:
    world.quiet_until = world.t + 10
    world._check_rate()


def _starving(world: World) -> None:
    line = replace(world.state.lines["a"], queued=0)
    world.state = replace(world.state, lines={**world.state.lines, "a": line})
    for _ in range(100):
        world._check_turn(sent=True)


def _not_rotated(world: World) -> None:
    """The last document is in force, and each Secret holds what it held before."""
    kept = dict(world.api.secrets)
    world.rotate()
    for name, secret in kept.items():
        world.api.secrets[name] = replace(world.api.secrets[name], data=secret.data, told=secret.told)
    world.check_rotated()


BROKEN: dict[str, tuple[Callable[[World], None], ...]] = {
    "I1": (_without_grants, _known_entry_left, _untouched_entry_left, _entry_left_and_not_told),
    "I2": (_without_records, _record_of_nothing),
    "I3": (_over_theirs, _theirs_deleted, _taken_and_not_told, _entries_lost, _entry_of_theirs_removed),
    "I4": (_older_generation, _not_stored, _stored_older),
    "I10": (_ended_over_valid, _emptied, _granted_deleted, _another_content),
    "L1": (_missing,),
    "L2": (_not_rotated,),
    "L3": (_storm, _too_soon, _two_at_once, _too_many_at_once, _again_at_once, _not_quiet),
    "L4": (_starving,),
}
"""Invariant → hand-made states in which it does not hold."""


@pytest.mark.parametrize(
    ("name", "breaking"),
    [(name, one) for name, ways in BROKEN.items() for one in ways],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_checker_sees_what_it_checks(name: str, breaking: Callable[[World], None]) -> None:
    with pytest.raises(Broken, match=f"^{name}:"):
        breaking(rested())


def test_what_is_known_of_the_order_is_what_looking_through_all_lines_finds() -> None:
    kept: Counter[bool] = Counter()

    def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
        after, effects = reconcile.step(state, event)
        assert waiting_of(after) == waiting_of(replace(after, waiting=None))
        kept[after.waiting is not None and after.waiting.lines is after.lines] += 1
        return after, effects

    for seed in range(4):
        World(seed, step=step).run()
    assert kept[True] > kept[False] > 0


# -- mistakes


@pytest.mark.wide
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_seen_by_the_invariant_that_it_breaks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And in the same cluster the agent without it breaks none."""
    mutant = MUTANTS[name]
    scene: dict[str, Any] = {"kinds": mutant.kinds} | ({"limits": mutant.limits} if mutant.limits else {})
    wrong = scene | ({"step": mutant.step} if mutant.step is not None else {})
    with monkeypatch.context() as patched:
        for path, value in mutant.parts.items():
            module, *inner, last = path.split(".")
            target: Any = MODULES[module]
            for part in inner:
                target = getattr(target, part)
            patched.setattr(target, last, value)
        seed = next((one for one in range(WITHIN) if _broken(World(one, **wrong), mutant.invariant)), None)
    assert seed is not None, f"{mutant.invariant} did not fall in {WITHIN} clusters"
    World(seed, **scene).run()


def _broken(world: World, invariant: str) -> bool:
    try:
        world.run()
    except Broken as broken:
        return str(broken).startswith(f"{invariant}:")
    return False


def test_the_page_names_each_mistake_and_enough_of_them_have_happened() -> None:
    """`python -m tests.simulation.proofs_page` writes the table."""
    assert proofs_page.PAGE.read_text(encoding="utf-8") == proofs_page.written()
    happened = [mutant.upstream for mutant in MUTANTS.values() if mutant.upstream]
    assert len(happened) >= 40
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", one) for one in happened)
    assert {mutant.invariant for mutant in MUTANTS.values()} == set(BROKEN)


# -- kill points


EFFECTS = tuple(effect for part in get_args(Effect) for effect in (get_args(part) or (part,)))
MODES = ("before", "after", "torn", "twice")
STORY = ("relabel", "workload", "account", "delete", "recreate", "unattach", "lag", "lost", "conflict")
OCCURRENCES = (1, 2, 3)
SEEDS_OF_A_CELL = 2
TRIED = 40
"""Clusters among which there must be so many in which the effect occurs often enough."""
CELLS = [(effect, mode, again) for effect in EFFECTS for mode in MODES for again in (False, True)]


def test_every_effect_is_a_kill_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert {effect.__name__ for effect in EFFECTS} == {
        "PersistDocument", "PersistRecord", "Report", "ReportDocument",
        "ReadSecret", "ApplySecret", "DeleteSecret", "ReadServiceAccount", "PatchServiceAccount",
    }  # fmt: skip
    assert len(CELLS) == len(EFFECTS) * len(MODES) * 2
    with capsys.disabled():
        points = len(CELLS) * len(OCCURRENCES)
        print(f"\nagent: {points} kill points: {len(EFFECTS)} effects, {len(MODES)} ways to die, one or two deaths,"
              f" at occurrence {', '.join(map(str, OCCURRENCES))}")  # fmt: skip


@pytest.mark.wide
@pytest.mark.parametrize(
    ("effect", "mode", "again"), CELLS, ids=[f"{e.__name__}-{m}-{'again' if a else 'once'}" for e, m, a in CELLS]
)
def test_a_crash_at_a_kill_point_is_survived(effect: type, mode: str, again: bool) -> None:
    for occurrence in OCCURRENCES:
        died = 0
        for seed in range(TRIED):
            world = World(seed, kinds=STORY, faults_s=120, kill=Kill(effect, mode, occurrence, again), rate=0.15)
            died += world.run().killed == 1 + again
            if died == SEEDS_OF_A_CELL:
                break
        assert died == SEEDS_OF_A_CELL, f"it seldom died at occurrence {occurrence}"


# -- two agents


def _contested(seed: int, *, follows: bool) -> World:
    """A cluster at rest in which an agent with an older document, or with an older disk alone, begins to act."""
    world = World(seed, kinds=(), modes=(DeliveryMode.STANDING,)).run()
    older = world.saved
    everywhere = NamespaceSelection(SPACES)
    delivery = Delivery(DeliveryMode.STANDING, ServiceAccounts.ALL)
    world.rotate()
    world.publish(tuple(replace(one, namespaces=everywhere, delivery=delivery) for one in world.documents[-1].grants))
    world.pass_time(ROTATED_S)
    world.check_rest()
    world.begin_twin(older, follows=follows)
    return world


@pytest.mark.parametrize("seed", range(3))
def test_two_agents_of_two_minds_do_not_write_without_end_and_one_is_at_rest_when_the_other_stops(seed: int) -> None:
    world = _contested(seed, follows=False)
    before = world.api.writes
    world.pass_time(600.0)
    objects = len(world.api.secrets) + len(world.api.accounts)
    written = world.api.writes - before
    # At full speed it would be thousands: each write is the other one's reason for the next.
    assert len(world.api.secrets) <= written <= 60 * objects
    world.end_twin()
    world.pass_time(150.0)
    world.check_rest()
    effects = world.effects
    world.pass_time(400.0)
    assert world.effects == effects


@pytest.mark.parametrize("seed", range(3))
def test_two_agents_of_one_mind_come_to_rest_together(seed: int) -> None:
    world = _contested(seed, follows=True)
    world.publish(world.documents[-1].grants)
    world.pass_time(150.0)
    world.check_rest()
    writes = world.api.writes
    world.pass_time(400.0)
    assert world.api.writes == writes
    world.end_twin()
    world.check_rest()


def test_whoever_deletes_ours_each_time_is_not_fought_at_full_speed() -> None:
    """A GitOps tool that prunes what it does not know."""
    world = World(1, kinds=(), modes=(DeliveryMode.STANDING,)).run()
    name = min(world.api.secrets)
    made = 0
    for _ in range(1200):
        made += name in world.api.secrets
        world.api.drop_secret(name)
        world.pass_time(0.5)
    assert 10 <= made <= 60
    world.pass_time(120.0)
    world.check_rest()


def test_a_list_is_needed_of_every_kind() -> None:
    assert set(Kind) == reconcile.NEEDED
