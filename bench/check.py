"""What `portreeve check` costs on 20 MB of manifests, against a bare libyaml event parse of the same bytes.

Each measurement is a fresh child process; bare parse, reading alone and the whole command are interleaved, and the
smallest of several runs counts, so that a busy machine disturbs all alike. "Bare" is PyYAML's loop over libyaml's
events and nothing else. The input is the published manifests (PORTREEVE_DATA, or ../shared/data beside the repository;
else those of demo/) repeated to 20 MB, once whole and once without CustomResourceDefinitions, which would otherwise be
most of it and are not parsed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figures

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = Path(os.environ.get("PORTREEVE_DATA", ROOT.parent / "shared" / "data")) / "manifests"
BYTES = 20_000_000
RUNS = 5
CPU_RATIO_LIMIT = 1.6
MEMORY_LIMIT_MB = 200
FIRST_LINE_LIMIT_S = 1.0

BARE = """
import sys, yaml
from pathlib import Path
for path in sorted(Path(sys.argv[1]).iterdir()):
    with path.open("rb") as stream:
        for _ in yaml.parse(stream, Loader=yaml.CSafeLoader):
            pass
"""
READ = """
import sys
from portreeve.workspace import read
for _ in read([sys.argv[1]], which=lambda name: None):
    pass
"""


def main() -> None:
    """Measure both sets and print the figures."""
    folder = PUBLISHED if PUBLISHED.is_dir() else ROOT / "demo" / "manifests"
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in {".yaml", ".yml"}}
    figures = Figures()
    with tempfile.TemporaryDirectory() as directory:
        policy = Path(directory) / "starter.yaml"
        policy.write_bytes(subprocess.run([portreeve(), "suggest", folder], check=True, capture_output=True).stdout)
        for name, chosen in (("all", files), ("without definitions", without_definitions(files))):
            target = Path(directory) / name.replace(" ", "-")
            target.mkdir()
            size = fill(target, chosen)
            print(f"{name}: {size / 1e6:.1f} MB of {folder.parent.name}/{folder.name}")
            compare(figures, name, target, policy)
    figures.finish()


def portreeve() -> str:
    """The installed command."""
    return str(Path(sys.executable).with_name("portreeve"))


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


def compare(figures: Figures, name: str, target: Path, policy: Path) -> None:
    """Measure bare parse, reading and the whole command; show the ratios."""
    commands = {
        "bare": [sys.executable, "-c", BARE, str(target)],
        "reading": [sys.executable, "-c", READ, str(target)],
        "check": [portreeve(), "check", str(target), "-p", str(policy)],
    }
    best = dict.fromkeys(commands, float("inf"))
    peak_mb, first_line_s = 0.0, float("inf")
    for _ in range(RUNS):
        for which, command in commands.items():
            cpu_s, memory_mb, first_s = measure(command)
            best[which] = min(best[which], cpu_s)
            if which == "check":
                peak_mb, first_line_s = max(peak_mb, memory_mb), min(first_line_s, first_s)
    figures.show(f"{name}: bare event parse", best["bare"], "s CPU")
    figures.show(f"{name}: reading / bare", best["reading"] / best["bare"], "x")
    figures.show(f"{name}: check / bare", best["check"] / best["bare"], "x", CPU_RATIO_LIMIT)
    figures.show(f"{name}: check, peak memory", peak_mb, "MB", MEMORY_LIMIT_MB)
    figures.show(f"{name}: check, first line", first_line_s, "s", FIRST_LINE_LIMIT_S)


def measure(command: list[str]) -> tuple[float, float, float]:
    """CPU seconds (user and system) and peak megabytes of a command, and seconds until its first line."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first_line_s = time.perf_counter() - started
        while process.stdout.read(1 << 20):
            pass
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, first_line_s


if __name__ == "__main__":
    main()
