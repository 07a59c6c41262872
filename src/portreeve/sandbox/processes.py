"""Programs that go on when the one that started them has ended, and are known again later.

Theory of operation. A process is known by its number and by when it was born: in clock ticks of the present boot, with
the boot's own id. A number alone is given to somebody else sooner or later, and we end nobody else's. Each
runs in a session of its own, so that an interrupt at the keyboard is for whoever starts them, and has its own log.

Linux only: /proc says when a process was born.

Left out: starting them anew when they end (run them under an init for that).

Source: proc(5), /proc/pid/stat.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
GRACE_S: Final = 10.0
"""For a process to end by itself; the control plane gives requests under way as long."""

PAUSE_S: Final = 0.05
TAIL_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Process:
    """Who it is: its number, and the boot and the tick that it was born in."""

    pid: int
    born: str

    def is_running(self) -> bool:
        """Whether this very process is there and has not ended. One that its parent has not waited for has ended."""
        return _born(self.pid) == self.born


def start(
    command: Sequence[str], log: Path, directory: Path, environment: Mapping[str, str], *, out: Path | None = None
) -> Process:
    """Start a program. What it writes goes to its log; its standard output to `out` if that is given.

    Raises:
        OSError: it cannot be run.
    """
    with log.open("ab") as errors, (out or log).open("ab") as output:
        started = subprocess.Popen(  # noqa: S603 -- one of the sandbox's own programs, arguments as a list
            list(command),
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    # It is ours and nobody has waited for it, so it is there even if it has ended at once.
    return Process(started.pid, _born(started.pid) or "")


def end(processes: Sequence[Process], *, grace_s: float = GRACE_S) -> None:
    """End them together: asked first, then killed. Who is gone, or is somebody else, is left alone."""
    for what, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, GRACE_S)):
        for process in processes:
            _signal(process, what)
        deadline = time.monotonic() + wait_s
        while any(process.is_running() for process in processes) and time.monotonic() < deadline:
            time.sleep(PAUSE_S)


def tail(log: Path) -> tuple[str, ...]:
    """The last lines of a log."""
    if not log.is_file():
        return ()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line[:300] for line in lines[-TAIL_LINES:])


def free_ports(count: int) -> list[int]:
    """Loopback ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(port: int) -> bool:
    """Whether nothing listens on a loopback port."""
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) != 0


def _signal(process: Process, what: signal.Signals) -> None:
    if process.is_running():
        try:
            os.kill(process.pid, what)
        except ProcessLookupError:
            return


def _born(pid: int) -> str | None:
    """When a process was born; None if there is none, or it has ended and nobody has waited for it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = BOOT.read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Behind the name, which stands in brackets and may hold any character: state, …, the 18th is the number of threads,
    # the 20th the start time. While other threads of an ended one are ending, it still has its files and its port.
    fields = stat.rpartition(")")[2].split()
    ended = fields[0] in {"Z", "X"} and int(fields[17]) <= 1
    return None if ended else f"{boot}/{fields[19]}"
