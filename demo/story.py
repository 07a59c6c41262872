"""The last part of `make demo`: a sandbox in a directory of its own, its story, and nothing left of it.

An interrupt is for whoever runs now, who ends in order; so it is only marked here, and the sandbox is removed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("portreeve")
INTERRUPTED = 130


def told(say: Callable[[str], None]) -> int:
    """Start, tell, end. The exit code of the first of these that failed; 130 after an interrupt."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        with tempfile.TemporaryDirectory(prefix="portreeve-demo-") as folder:
            place = Path(folder) / "sandbox"
            try:
                code = _run("up", "--story", place=place)
            finally:
                if place.exists():
                    _run("down", place=place)
        if asked or code != 0:
            return INTERRUPTED if asked else code
        say("the sandbox is gone; `portreeve sandbox up` starts one that stays")
        return 0
    finally:
        signal.signal(signal.SIGINT, before)


def _run(*words: str, place: Path) -> int:
    print(f"$ portreeve sandbox {' '.join(words)}", flush=True)
    return subprocess.run([str(PROGRAM), "sandbox", *words, "--directory", str(place)], check=False).returncode
