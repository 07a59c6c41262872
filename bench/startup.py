"""What starting costs: processor time of `--help` and of completion against that of importing click.

The figures are multiples of `python -c "import click"`. The runs are interleaved and the least of 20 counts, so that a
busy machine slows all of them alike.

Run: make bench, or python -m bench.startup
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.figures import Figures

RUNS = 20
LIMIT = 1.5
PROGRAM = str(Path(sys.executable).with_name("portreeve"))
COMPLETION = {"_PORTREEVE_COMPLETE": "bash_complete", "COMP_WORDS": "portreeve ", "COMP_CWORD": "1"}
CASES: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
    "import_click": ((sys.executable, "-c", "import click"), {}),
    "help": ((PROGRAM, "--help"), {}),
    "completion": ((PROGRAM,), COMPLETION),
}


def cpu_time_s(command: Sequence[str], extra: Mapping[str, str]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **extra})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, print, judge."""
    figures = Figures()
    least = dict.fromkeys(CASES, float("inf"))
    for _ in range(RUNS):
        for name, (command, extra) in CASES.items():
            least[name] = min(least[name], cpu_time_s(command, extra))
    base = least.pop("import_click")
    for name, value_s in least.items():
        figures.show(f"startup_{name}", value_s / base, "x", LIMIT)
    figures.finish()


if __name__ == "__main__":
    main()
