"""Mistakes in enforcing a policy, put into the real modules one at a time, as text.

Each names what must fall and the faults in which it shows. Text that is no longer there is an error, so that no mutant
is a copy of the original.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from portreeve.core.policy import Stage
from tests.simulation.enforcement import Step

MODULES = ("enforcement_state", "enforcement_status", "enforcement")


@dataclass(frozen=True)
class Mutant:
    """A mistake: text → other text, all in one module or in several; `falls` is part of what is said of it."""

    falls: tuple[str, ...]
    kinds: tuple[str, ...]
    changes: Mapping[str, str]
    stages: tuple[Stage, ...] = ()
    seeds: int = 40
    hours: float = 0.2
    cites: str = field(default="")


def mutated(changes: Mapping[str, str]) -> Step:
    """`step` of the modules with these changes; the modules that everybody else uses stay as they are."""
    left = set(changes)
    names = [f"portreeve.core.{name}" for name in MODULES]
    before = {name: import_module(name) for name in names}
    try:
        for name in names:
            spec = find_spec(name)
            assert spec is not None
            assert spec.origin is not None
            text = Path(spec.origin).read_text(encoding="utf-8")
            for old in [old for old in left if old in text]:
                assert text.count(old) == 1, f"more than once: {old}"
                text = text.replace(old, changes[old])
                left.discard(old)
            module = ModuleType(name)
            sys.modules[name] = module
            exec(compile(text, spec.origin, "exec"), module.__dict__)
        found: Step = sys.modules["portreeve.core.enforcement"].step
    finally:
        sys.modules.update(before)
    assert not left, f"no such text: {left}"
    return found


MUTANTS: Mapping[str, Mutant] = {
    "bindings before the policy": Mutant(
        ("bound before",),
        ("down",),
        {"ready = line.name == POLICY_NAME or state.lines[POLICY_NAME].fit is Fit.SAME": "ready = True"},
        cites="kubernetes.md 4.1: a binding whose policy was refused admits everything",
    ),
    "the policy is removed first": Mutant(
        ("before its bindings",),
        ("down",),
        {"if line.name == POLICY_NAME and not all(": "if line.name == '' and not all("},
        stages=(Stage.DENY, Stage.OFF),
    ),
    "adopted without a record": Mutant(
        ("before its UID is stored",),
        ("crash", "user"),
        {
            "            state = replace(state, records={**state.records, line.name: uid})\n"
            "            effects.append(PersistRecords(state.records))\n": "            pass\n"
        },
        hours=0.3,
    ),
    "an ended document acts": Mutant(
        ("changes nothing",), ("odd", "user"), {"wanted.ended(state.now) or wanted.manifests": "wanted.manifests"}
    ),
    "what is somebody's is changed": Mutant(
        ("I3",), ("foreign",), {"line.fit in {Fit.SAME, Fit.FOREIGN}:": "line.fit is Fit.SAME:"}
    ),
    "what is somebody's is removed": Mutant(
        ("I3",),
        ("foreign", "documents"),
        {"    if not line.ours or line.seen is None:\n": "    if line.seen is None:\n"},
        stages=(Stage.DENY, Stage.OFF),
    ),
    "a cluster that is too old": Mutant(
        ("too old",),
        ("upgrade",),
        {
            "bool(state.version) and restriction_problem(state.version) is None": "bool(state.version)",
        },
    ),
    "the proof outlives a write": Mutant(
        ("without a proof",),
        ("user",),
        {
            "        state = begun_anew(replace(state, changed_at=event.at))\n": "        state = replace(state, "
            "changed_at=event.at)\n",
            "return begun_anew(state) if drifted else state": "return state",
        },
    ),
    "the proof outlives a document": Mutant(
        ("without a proof",), ("documents",), {"return begun_anew(_noted(state))": "return _noted(state)"}
    ),
    "a 2xx is taken for a proof": Mutant(
        ("without a proof",),
        (),
        {
            "    if proof.proven_at is not None and state.at < proof.proven_at + EVIDENCE_S:": "    if True:",
        },
        cites="kubernetes.md 4.1: never report enforced from a 2xx on apply",
    ),
    "what a dry run says is not heard": Mutant(
        ("against what", "without a proof"),
        ("late", "documents"),
        {"    against = judge(event, scope, wanted)\n": "    against = None\n"},
    ),
    "any generation proves": Mutant(
        ("against what", "without a proof"),
        ("late", "documents"),
        {"return said.generation in {0, wanted.policy_generation}": "return True"},
    ),
    "a warning is not looked for": Mutant(
        ("against what", "without a proof"),
        ("late",),
        {"        if said.warned_by != DENY_BINDING:\n": "        if False:\n"},
        stages=(Stage.AUDIT, Stage.WARN, Stage.AUDIT, Stage.WARN),
    ),
    "audit is told unseen": Mutant(
        ("has not looked",),
        ("missed",),
        {
            "if wanted.stage is not Stage.AUDIT or (policy is not None and policy.compiled):": "if True:",
        },
        stages=(Stage.AUDIT, Stage.DENY, Stage.AUDIT),
    ),
    "a roll-back waits its turn": Mutant(
        ("roll-back",),
        ("busy", "down", "forbidden", "documents"),
        {"    return wanted.manifests == () or _loosened(line, wanted)\n": "    return False\n"},
    ),
    "a roll-back waits for an answer": Mutant(
        ("roll-back",),
        ("lost", "documents"),
        {"            read=line.read or bool(line.pace.ask),\n            pace=FRESH,\n": ""},
        seeds=80,
    ),
    "an older document counts": Mutant(
        ("removed, and it is wanted",), ("documents",), {"new.generation < old.generation": "new.generation < 0"}
    ),
    "a lost answer is waited for": Mutant(
        ("L1", "roll-back"),
        ("lost",),
        {"    if line.pace.lost(at):\n": "    if False:\n", "    if proof.pace.lost(at):\n": "    if False:\n"},
        hours=0.3,
    ),
    "nothing is waited for": Mutant(
        ("L3",),
        ("down",),
        {
            "pace = line.pace.failed(event.at, event.chance, event.retry_after_s)": "pace = FRESH",
            "bucket=replace(state.bucket, level=state.bucket.level - 1)": "bucket=state.bucket",
        },
    ),
    "Off is told at once": Mutant(
        ("Off is told",), ("down",), {"    if left:\n": "    if False:\n"}, stages=(Stage.DENY, Stage.OFF)
    ),
    "it is written again": Mutant(
        ("as wanted",), (), {"line.fit in {Fit.SAME, Fit.FOREIGN}:": "line.fit is Fit.FOREIGN:"}
    ),
    "drift is left": Mutant(
        ("L1",),
        ("user",),
        {"    return ApplyObject(manifest,": "    return None if line.held else ApplyObject(manifest,"},
    ),
    "nothing is proved by the hour": Mutant(
        ("for hours", "idle hour"),
        ("unseen",),
        {"PROBE_S: Final = 3600.0": "PROBE_S: Final = 36_000.0"},
        seeds=3,
        hours=1.8,
    ),
    "each agent probes every minute": Mutant(
        ("idle hour",), (), {"PROBE_S: Final = 3600.0": "PROBE_S: Final = 60.0"}, seeds=3, hours=1.8
    ),
}
