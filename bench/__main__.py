"""Every benchmark, one after the other, each in a process of its own; exits with 1 if one exceeded a limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SKIPPED = {"__init__", "__main__", "figures"}


def main() -> None:
    """Run them in alphabetical order; an argument names those to run."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SKIPPED)
    chosen = [name for name in names if not sys.argv[1:] or name in sys.argv[1:]]
    if unknown := set(sys.argv[1:]) - set(names):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    failed = []
    for name in chosen:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"beyond a limit: {', '.join(failed)}")


if __name__ == "__main__":
    main()
