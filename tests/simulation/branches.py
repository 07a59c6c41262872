"""Which branches of the agent's decisions drawn clusters reach: `python -m tests.simulation.branches SEEDS`.

A program of its own, as the modules have to be imported while they are watched.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import coverage

MODULES = (
    "agent_messages",
    "delivery",
    "namespace_decision",
    "observation",
    "pacing",
    "reconcile",
    "reconcile_state",
)


def reached(seeds: int) -> dict[str, tuple[int, int]]:
    """Module → branches reached, and all there are."""
    watch = coverage.Coverage(
        branch=True, include=[f"*/portreeve/core/{name}.py" for name in MODULES], data_file=None, config_file=False
    )
    watch.start()
    from tests.simulation.agent import World

    for seed in range(seeds):
        World(seed).run()
    watch.stop()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "branches.json"
        watch.json_report(outfile=str(out))
        files = json.loads(out.read_text())["files"]
    found = {}
    for name, report in files.items():
        # A match over a union has an exit that no value takes; the type checker knows.
        impossible = sum(1 for _, to in report["missing_branches"] if to < 0)
        summary = report["summary"]
        found[Path(name).stem] = (summary["covered_branches"], summary["num_branches"] - impossible)
    return found


if __name__ == "__main__":
    print(json.dumps(reached(int(sys.argv[1]))))
