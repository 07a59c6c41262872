"""Child processes that cannot outlive the tests: logs kept, stopped by pid, killed with their parent.

Linux only: the kill comes from prctl(2), PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from portreeve.sandbox.processes import free_ports

__all__ = ["LineProcess", "Process", "die_with_parent", "free_ports"]

PR_SET_PDEATHSIG = 1
LOG_TAIL_LINES = 15


class Process:
    """A program that was started for the tests.

    Start it from a thread that lives as long as it should: the kernel sends the signal when the starting *thread* ends.

    Args:
        user: whom it runs as, with that user's own group only; None: as we do.
        death_signal: what it gets when that thread ends; for a program that has something of its own to clear away.
    """

    def __init__(
        self,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        user: str | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
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
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                # It runs after the change of user, which would take the signal back.
                preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509 - two system calls, and it takes no lock
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


class LineProcess:
    """A program that answers each line with one line, in order. Not for several threads at once."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - as above
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        with contextlib.suppress(BrokenPipeError):  # what was still buffered has no reader any more
            self._in.close()

    def ask(self, line: bytes, timeout_s: float = 60.0) -> bytes:
        """The answer to one line.

        Raises:
            RuntimeError: the program ended, or gave no answer in time; it is of no use any more.
        """
        self._in.write(line + b"\n")
        self._in.flush()
        if not select.select([self._out], [], [], timeout_s)[0]:
            self._process.kill()
        return self._answer()

    def ask_many(self, lines: Sequence[bytes], timeout_s: float = 600.0) -> list[bytes]:
        """The answers to many lines: written from a thread, since the pipes hold only a part of either side."""
        deadline = threading.Timer(timeout_s, self._process.kill)
        writer = threading.Thread(target=self._write, args=(lines,), daemon=True)
        deadline.start()
        writer.start()
        try:
            answers = [self._answer() for _ in lines]
        finally:
            deadline.cancel()
        writer.join()
        return answers

    def _write(self, lines: Sequence[bytes]) -> None:
        try:
            self._in.write(b"".join(line + b"\n" for line in lines))
            self._in.flush()
        except BrokenPipeError:
            pass  # the reader reports it

    def _answer(self) -> bytes:
        answer = self._out.readline()
        if not answer.endswith(b"\n"):
            raise RuntimeError(f"{self._process.args!r} ended or was stopped: exit code {self._process.wait(10)}")
        return answer


def die_with_parent(death_signal: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """For `preexec_fn`. The library is loaded here, since after the fork only system calls are safe."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it ended between fork and prctl
            os._exit(1)

    return prepare
