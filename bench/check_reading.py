"""What reading manifests costs, against a bare libyaml event parse of the same bytes in the same run.

Prints `name value limit ok|FAIL` lines and exits 1 on FAIL. Each measurement is a fresh child process; the two kinds
are interleaved and the smallest of several runs counts, so that a busy machine disturbs both alike. The input is the
published manifests (`PORTREEVE_DATA`, or `../shared/data` beside the repository) repeated to 20 MB, once whole and once
without CustomResourceDefinitions, which would otherwise be most of it and are not parsed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("PORTREEVE_DATA", ROOT.parent / "shared" / "data")) / "manifests"
BYTES = 20_000_000
RUNS = 5
# Evaluating and printing findings has to fit into the same 1.6 later.
CPU_RATIO_LIMIT = 1.6
MEMORY_LIMIT_MB = 200

BARE = """
import resource, sys, yaml
from pathlib import Path
for path in sorted(Path(sys.argv[1]).iterdir()):
    with path.open("rb") as stream:
        for _ in yaml.parse(stream, Loader=yaml.CSafeLoader):
            pass
"""
READ = """
import resource, sys
from portreeve.workspace import read
reading = read([sys.argv[1]], which=lambda name: None)
uses = sum(1 for _ in reading)
print(uses, reading.counts.objects, file=sys.stderr)
"""
MEASURE = """
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def main() -> int:
    """Run both sets; 0 when every limit holds, 1 when one does not, 2 when there is no input."""
    if not DATA.is_dir():
        print(f"no manifests at {DATA}; set PORTREEVE_DATA to the folder that holds manifests/")
        return 2
    files = {path.name: path.read_bytes() for path in sorted(DATA.iterdir()) if path.suffix in {".yaml", ".yml"}}
    failed = False
    for name, chosen in (("all", files), ("without_definitions", without_definitions(files))):
        with tempfile.TemporaryDirectory() as directory:
            size = fill(Path(directory), chosen)
            failed |= compare(name, directory, size)
    return 1 if failed else 0


def without_definitions(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files with every document of kind CustomResourceDefinition taken out."""
    definition = re.compile(rb"^kind: CustomResourceDefinition", re.MULTILINE)
    parts = {name: re.split(rb"(?m)^---[ ]*\n", data) for name, data in files.items()}
    kept = {name: [part for part in pieces if not definition.search(part)] for name, pieces in parts.items()}
    return {name: b"---\n".join(pieces) for name, pieces in kept.items()}


def fill(directory: Path, files: dict[str, bytes]) -> int:
    """Write copies of the files until there are BYTES of them; the size is what was written."""
    size = copy = 0
    while size < BYTES:
        for name, data in files.items():
            (directory / f"{copy:04}-{name}").write_bytes(data)
            size += len(data)
        copy += 1
    return size


def compare(name: str, directory: str, size: int) -> bool:
    """Measure both, print the lines, say whether one failed."""
    bare, reading, memory_kb = [], [], 0
    for _ in range(RUNS):
        bare.append(measure(BARE, directory)[0])
        cpu_s, used_kb = measure(READ, directory)
        reading.append(cpu_s)
        memory_kb = max(memory_kb, used_kb)
    print(f"# {name}: {size / 1e6:.1f} MB, bare {min(bare):.3f} s, reading {min(reading):.3f} s CPU")
    over = [
        line(f"reading_{name}_cpu_ratio", min(reading) / min(bare), CPU_RATIO_LIMIT),
        line(f"reading_{name}_peak_mb", memory_kb / 1000, MEMORY_LIMIT_MB),
    ]
    return any(over)


def measure(script: str, directory: str) -> tuple[float, int]:
    """CPU seconds (user and system) and peak resident kilobytes of a script in a fresh interpreter."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", script + MEASURE, directory]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    cpu_s, memory_kb = done.stdout.split()
    return float(cpu_s), int(memory_kb)


def line(name: str, value: float, limit: float) -> bool:
    """Print one result; True when it is over its limit."""
    over = value > limit
    print(f"{name} {value:.3f} {limit} {'FAIL' if over else 'ok'}")
    return over


if __name__ == "__main__":
    sys.exit(main())
