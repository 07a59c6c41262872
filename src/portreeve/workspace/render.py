"""Render charts and kustomizations with their own tools: argument lists, no shell, bounded in time and output.

Used when on PATH: `helm template` for charts; `kustomize build` or `kubectl kustomize` for kustomizations. What the
tool would fetch is its own affair; nobody is asked for a password on the way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Which = Callable[[str], str | None]

_HELM: Final = (("helm", ("template", "release")),)
_KUSTOMIZE: Final = (("kustomize", ("build",)), ("kubectl", ("kustomize",)))
# What is kept of a tool's complaint.
_COMPLAINT_CHARACTERS: Final = 400


@dataclass(frozen=True, slots=True)
class NotRendered:
    """Why there is no output, for a person."""

    reason: str


def render_chart(directory: Path, which: Which, *, timeout_s: float, size_bytes: int) -> bytes | NotRendered:
    """Give the manifests of a chart with its default values."""
    return _render(_HELM, directory, which, timeout_s, size_bytes)


def render_kustomization(directory: Path, which: Which, *, timeout_s: float, size_bytes: int) -> bytes | NotRendered:
    """Give the manifests that a kustomization builds."""
    return _render(_KUSTOMIZE, directory, which, timeout_s, size_bytes)


def _render(
    tools: Sequence[tuple[str, tuple[str, ...]]], directory: Path, which: Which, timeout_s: float, size_bytes: int
) -> bytes | NotRendered:
    for tool, arguments in tools:
        program = which(tool)
        if program is not None:
            # Absolute, so that a directory named "--post-renderer=x" is no option.
            return run([program, *arguments, str(directory.absolute())], timeout_s=timeout_s, size_bytes=size_bytes)
    return NotRendered(f"{' or '.join(tool for tool, _ in tools)} is not on PATH")


def run(command: Sequence[str], *, timeout_s: float, size_bytes: int) -> bytes | NotRendered:
    """Run a tool to its end and give its output, or why there is none; never more than `size_bytes` in memory."""
    name = os.path.basename(command[0])  # noqa: PTH119 -- text, not a path to open
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(  # noqa: S603 -- found on PATH, arguments as a list
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return NotRendered(f"{name} did not start: {error.strerror}")
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            _kill(process)

        timer = threading.Timer(timeout_s, stop)
        timer.start()
        assert process.stdout is not None
        with process.stdout as pipe:
            output = pipe.read(size_bytes + 1)
            if len(output) > size_bytes:
                _kill(process)
        process.wait()
        timer.cancel()
        if timed_out.is_set():
            return NotRendered(f"{name} took longer than {timeout_s:g} s")
        if len(output) > size_bytes:
            return NotRendered(f"{name} gave more than {size_bytes} bytes")
        if process.returncode != 0:
            complaints.seek(0)
            said = " ".join(complaints.read(4 * _COMPLAINT_CHARACTERS).decode(errors="replace").split())
            return NotRendered(f"{name} failed with {process.returncode}: {said[:_COMPLAINT_CHARACTERS]}")
        return output


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the tool and what it started; it has a session, and so a process group, of its own."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
