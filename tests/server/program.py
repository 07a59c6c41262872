"""The real program as a process, with a home of its own and loopback alone."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from tests.tools.process import die_with_parent

PROGRAM = Path(sys.executable).with_name("portreeve")
TIMEOUT_S = 60.0
"""For a start on a machine that also compiles; it takes 1.5 s."""

ANSWERS = re.compile(r"answers at (\S+);")


class Machine:
    """A home directory with nothing in it, and what is set there. Make it short: sockets have paths of 107 bytes."""

    def __init__(self, home: Path, *, program: Path = PROGRAM, **environment: str) -> None:
        self.home = home
        self.program = program
        home.mkdir(mode=0o700, exist_ok=True)
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **environment}

    @property
    def data(self) -> Path:
        return self.home / ".local/share/portreeve"

    @property
    def keys(self) -> Path:
        return self.home / ".config/portreeve/keys"

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, which must come by itself."""
        done = subprocess.run(
            [self.program, "up", *arguments],
            env={**self.environment, **environment},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    @contextlib.contextmanager
    def up(self, *arguments: str, **environment: str) -> Iterator[Running]:
        """It runs, and answers."""
        process = subprocess.Popen(
            [self.program, "up", "--port", "0", *arguments],
            env={**self.environment, **environment},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - two system calls, and it takes no lock
        )
        running = Running(process)
        try:
            running.wait_until_it_answers()
            yield running
        finally:
            process.kill()
            running.collected()


class Running:
    """One process. Its streams are read by threads, so that it never waits for us."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self.address = ""
        self._answers, self._told = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(process.stdout, self.out), daemon=True),
            threading.Thread(target=self._read, args=(process.stderr, self.err), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            if lines is self.out:
                self._told.set()
            if found := ANSWERS.search(line):
                self.address = found[1]
                self._answers.set()
        self._answers.set()

    def wait_until_it_answers(self) -> None:
        assert self._answers.wait(TIMEOUT_S), self.err
        assert self.address, self.err

    def link(self) -> str:
        """The one line that a first start writes."""
        assert self._told.wait(TIMEOUT_S), self.err
        (line,) = self.out
        return line

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"{self.address}{path}", timeout=TIMEOUT_S, trust_env=False)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code, after all that it said was read."""
        self.process.send_signal(by)
        self.process.wait(TIMEOUT_S)
        self.collected()
        return self.process.returncode

    def collected(self) -> None:
        self.process.wait(TIMEOUT_S)
        for thread in self._threads:
            thread.join(TIMEOUT_S)


def below(folder: Path) -> set[str]:
    """Every file in a folder, by its path from there."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def mode(path: Path) -> str:
    """Permissions as chmod writes them."""
    return f"{path.stat().st_mode & 0o777:03o}"
