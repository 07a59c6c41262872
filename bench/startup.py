"""What starting costs: processor time of `--help` and of completion against that of importing click.

Prints `name value limit ok|FAIL`, the value as a multiple of `python -c "import click"`; exits 1 on FAIL. The runs are
interleaved and the least of 20 counts, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def main() -> int:
    """Measure, print, judge."""
    least = dict.fromkeys(CASES, float("inf"))
    for _ in range(RUNS):
        for name, (command, extra) in CASES.items():
            least[name] = min(least[name], cpu_time_s(command, extra))
    base, failed = least.pop("import_click"), False
    for name, value_s in least.items():
        ok = value_s / base <= LIMIT
        failed |= not ok
        print(f"startup_{name} {value_s / base:.2f} {LIMIT} {'ok' if ok else 'FAIL'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
