"""Runs the installed program as a user does, in an environment with no home, no network and no settings of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("portreeve")
TIMEOUT_S = 60

# Loaded by every Python before the program: a socket that is opened is a failure with a name.
GUARD = """
import socket
def _refused(*_args, **_kwargs):
    raise AssertionError("the program opened a socket")
socket.socket.__init__ = _refused
socket.getaddrinfo = _refused
"""

# The same for verbs that talk to a control plane: loopback is allowed, and nothing else.
LOOPBACK_GUARD = """
import socket
_connect, _resolve = socket.socket.connect, socket.getaddrinfo
def _checked(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        raise AssertionError(f"the program went to {address[0]}")
    return _connect(self, address)
def _resolved(host, *args, **kwargs):
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"the program looked up {host}")
    return _resolve(host, *args, **kwargs)
socket.socket.connect = _checked
socket.getaddrinfo = _resolved
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON; nothing else may stand there."""
        return json.loads(self.out)


class Program:
    """The program in a folder of its own."""

    def __init__(self, folder: Path, *, guarded_by: str = GUARD, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        guard = folder / "guard"
        guard.mkdir()
        (guard / "sitecustomize.py").write_text(guarded_by)
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(guard),
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            **(env or {}),
        }

    def write(self, name: str, text: str) -> str:
        """Write a file; its path as the program is to be given it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    def run(
        self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None, program: Path = PROGRAM
    ) -> Outcome:
        """Run to the end. A traceback is a failure of every test."""
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env={**self._environment, **(env or {})},
            timeout=TIMEOUT_S,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment that runs have."""
        return {**self._environment, **more}


def is_root() -> bool:
    """Whether permissions do not bind us."""
    return os.geteuid() == 0
