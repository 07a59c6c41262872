"""Child processes that cannot outlive the tests: logs kept, stopped by pid, killed with their parent.

Linux only: the kill comes from prctl(2), PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
LOG_TAIL_LINES = 15


class Process:
    """A program that was started for the tests.

    Start it from a thread that lives as long as it should: the kernel sends the signal when the starting *thread* ends.
    """

    def __init__(self, command: list[str], directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = Path(command[0]).name
        self.log = directory / f"{self.name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={"PATH": os.defpath, "HOME": str(directory), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt at the keyboard is for the tests, which then stop us in order
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it makes two system calls and takes no lock
            )
        self.pid = self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self, grace_s: float = 5.0) -> None:
        """End it: asked first, then killed."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def tail(self) -> str:
        """The end of its log, for the message of an error."""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        state = "running" if self.exit_code() is None else f"exit code {self.exit_code()}"
        return "\n".join([f"--- {self.name} ({state}), end of its log:", *(line[:400] for line in lines)])


def die_with_parent() -> Callable[[], None]:
    """For `preexec_fn`. The library is loaded here, since after the fork only system calls are safe."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended between fork and prctl
            os._exit(1)

    return prepare


def free_ports(count: int) -> list[int]:
    """Loopback ports that nothing listens on now. Another process may take one before it is used: be ready to retry."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
