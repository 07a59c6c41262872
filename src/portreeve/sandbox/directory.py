"""The directory of a sandbox: what was started, on which ports, and what is done; held by one program at a time.

    sandbox.json    this state
    ca.crt …        certificates, and what each program keeps, in folders of their own
    *.log           what they say

The directory itself is locked, as a file beside it would stay behind. It is removed only if it holds a state of ours.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.sandbox import processes
from portreeve.sandbox.processes import Process

STATE: Final = "sandbox.json"
ORDER: Final = ("etcd", "apiserver", "manager", "registry", "plane", "agent")
"""Each needs only what stands before it."""


class Directory:
    """What is known of a sandbox. Change it only while it is `held`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ports: dict[str, int] = {}
        self.processes: dict[str, Process] = {}
        self.missing: dict[str, str] = {}
        self.done: list[str] = []

    def file(self, name: str) -> Path:
        """A file in it."""
        return self.path / name

    def folder(self, name: str) -> Path:
        """A folder in it, for its owner alone."""
        found = self.path / name
        found.mkdir(mode=0o700, exist_ok=True)
        return found

    def log(self, part: str) -> Path:
        """What a part says."""
        return self.path / f"{part}.log"

    def is_running(self, part: str) -> bool:
        """Whether the process of a part is the one that was started, and there."""
        process = self.processes.get(part)
        return process is not None and process.is_running()

    def started(self, part: str, process: Process) -> None:
        """Remember a process, before anything can go wrong with it."""
        self.processes[part] = process
        self.save()

    def is_done(self, step: str) -> bool:
        """Whether a step that is taken once was taken."""
        return step in self.done

    def did(self, step: str) -> None:
        """Remember such a step."""
        self.done.append(step)
        self.save()

    def end(self, parts: Sequence[str] = ORDER) -> None:
        """End the processes of these parts: the database last, as the API server does not end without it."""
        for wave in (set(parts) - {"etcd"}, set(parts) & {"etcd"}):
            processes.end([self.processes[part] for part in ORDER if part in wave and part in self.processes])

    def clear(self) -> None:
        """Take away all that is in it, as if it were new; it stays held."""
        for one in self.path.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        self.ports, self.processes, self.missing, self.done = {}, {}, {}, []
        self.save()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path)

    def save(self) -> None:
        """Write the state, whole or not at all."""
        told: dict[str, Any] = {
            "ports": self.ports,
            "processes": {part: {"pid": one.pid, "born": one.born} for part, one in self.processes.items()},
            "missing": self.missing,
            "done": self.done,
        }
        new = self.path / f".{STATE}"
        new.write_text(json.dumps(told, indent=1), encoding="utf-8")
        new.replace(self.path / STATE)

    def load(self) -> None:
        """Read the state.

        Raises:
            Invalid: `sandbox_directory`: it is not what we write.
        """
        try:
            told = json.loads((self.path / STATE).read_bytes())
            self.ports = {str(name): int(port) for name, port in told["ports"].items()}
            self.processes = {str(part): Process(int(one["pid"]), str(one["born"]))
                              for part, one in told["processes"].items()}  # fmt: skip
            self.missing = {str(part): str(why) for part, why in told["missing"].items()}
            self.done = [str(step) for step in told["done"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise _not_ours(self.path) from None


def look(path: Path) -> Directory:
    """The state of a sandbox, to be read.

    Raises:
        NotFound: `sandbox_missing`. Invalid: `sandbox_directory`.
    """
    if not (path / STATE).is_file():
        raise NotFound("sandbox_missing", f"there is no sandbox in {path}", hint="portreeve sandbox up")
    found = Directory(path)
    found.load()
    return found


@contextmanager
def held(path: Path, *, new: bool) -> Iterator[Directory]:
    """The sandbox of a directory, which nobody else changes meanwhile; a new one is made if that is wanted.

    Raises:
        NotFound: `sandbox_missing`. Invalid: `sandbox_directory`: something else is in it, or others may use it.
        Conflict: `sandbox_busy`.
    """
    if new:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif not path.is_dir():
        look(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, path)
        if not (path / STATE).is_file():
            if not new:
                look(path)
            if any(path.iterdir()) or path.stat().st_mode & 0o077 or path.stat().st_uid != os.geteuid():
                raise _not_ours(path)
            Directory(path).save()
        yield look(path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here = path.stat().st_ino == os.fstat(descriptor).st_ino
    except (BlockingIOError, FileNotFoundError):
        here = False
    if not here:
        hint = "wait until it is done, or interrupt it"
        raise Conflict("sandbox_busy", f"the sandbox in {path} is being started or removed", hint=hint)


def _not_ours(path: Path) -> Invalid:
    hint = "name a directory that is not there yet, or an empty one of your own with mode 0700"
    return Invalid("sandbox_directory", f"{path} holds something else than a sandbox, or others may use it", hint=hint)


def variables(directory: Directory) -> Mapping[str, str]:
    """What a shell needs, so that programs meet this sandbox; in the order in which it is shown."""
    found = {
        "PORTREEVE_SANDBOX": str(directory.path),
        "PORTREEVE_CONFIG_DIR": str(directory.file("config")),
        "PORTREEVE_NO_PROJECT": "1",
    }
    if "apiserver" in directory.ports:
        found["KUBECONFIG"] = str(directory.file("kubeconfig"))
    found["REGISTRY"] = "registry.example.com"
    if "registry" in directory.ports:
        found["REGISTRY"] = f"127.0.0.1:{directory.ports['registry']}"
        found["REGISTRY_CA"] = str(directory.file("ca.crt"))
    return found
