"""Tells the story: each command is shown, run by a shell, and held against what must come of it."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from portreeve.sandbox.directory import Directory
from portreeve.sandbox.plane import ENVIRONMENT
from portreeve.sandbox.start import shell_environment
from portreeve.sandbox.story import CHAPTERS, CLEAN_UP, LEFT_BEHIND, Chapter, Need, Step

STEP_S: Final = 120.0
"""For one command, among them those that wait for the agent; two seconds are usual."""

WIDTH: Final = 100
BEGUN: Final = "story"
"""A file that is there while a story is told."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How it is told: lines of output, titles, and commands, before which somebody may want to wait."""

    write: Callable[[str], None]
    title: Callable[[str], None]
    command: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did. `code` is None if it took too long."""

    code: int | None
    output: str


def tell(directory: Directory, voice: Voice, *, run: bool) -> int:
    """Tell all of it, or only show the commands.

    Returns: 0; 1 where something came out otherwise than it must.
    """
    there = _there(directory) if run else frozenset(Need)
    if run and directory.file(BEGUN).exists():
        voice.write("A story was broken off before; what it left behind is taken away first.")
        for command in LEFT_BEHIND:
            _ran(directory, command, lambda _: None)
    if run:
        directory.file(BEGUN).touch()
    told, left_out = 0, []
    for number, chapter in enumerate((*CHAPTERS, CLEAN_UP), 1):
        voice.write("")
        voice.title(f"== {number}. {chapter.title}")
        lacking = sorted(chapter.needs - there)
        if lacking:
            left_out.append(chapter.title)
            voice.write(f"Left out: it needs {' and '.join(lacking)}, which is not here.")
            continue
        if not _chapter(directory, chapter, there, voice, run=run):
            return 1
        told += 1
    directory.file(BEGUN).unlink(missing_ok=True)
    voice.write("")
    rest = f"; left out: {', '.join(left_out)}" if left_out else ""
    voice.title(f"== {told} chapters {'told' if run else 'shown'}{rest}")
    return 0


def _there(directory: Directory) -> frozenset[Need]:
    """What this sandbox has."""
    found = {need for need, part in ((Need.CLUSTER, "cluster"), (Need.REGISTRY, "registry"), (Need.KUBECTL, "kubectl"))
             if part not in directory.missing}  # fmt: skip
    if Need.CLUSTER in found:
        asked = f"portreeve get environments {ENVIRONMENT} -o 'jsonpath={{.status.conditions[*].type}}'"
        if "Enforced" in _ran(directory, asked, lambda _: None).output.split():
            found.add(Need.ENFORCEMENT)
    return frozenset(found)


def _chapter(directory: Directory, chapter: Chapter, there: frozenset[Need], voice: Voice, *, run: bool) -> bool:
    for line in textwrap.wrap(chapter.text, WIDTH):
        voice.write(line)
    for step in chapter.steps:
        if step.needs - there:
            continue
        voice.write("")
        voice.write(f"# {step.why}")
        voice.command(f"$ {step.command}")
        if run and (wrong := _wrong(step, _ran(directory, step.command, voice.write))):
            voice.title(f"== This came out otherwise than it must: {wrong}")
            return False
    return True


def _wrong(step: Step, ran: Ran) -> str:
    """What is not as it must be; "" if all is."""
    if ran.code is None:
        return f"it did not end within {STEP_S:.0f} s"
    if ran.code not in step.codes:
        return f"exit code {ran.code}, not {' or '.join(map(str, step.codes))}"
    lacking = [text for text in step.shows if text not in ran.output]
    return f"the output has no {lacking[0]!r}" if lacking else ""


def _ran(directory: Directory, command: str, write: Callable[[str], None]) -> Ran:
    """Run a command, and pass its output on as it comes. It is in a session of its own, so that all of it ends."""
    process = subprocess.Popen(  # noqa: S603 -- a command of the story, which a reader would type
        ["/bin/sh", "-c", command],
        cwd=directory.path,
        env=shell_environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(STEP_S, stop)
    timer.start()
    lines: list[str] = []
    try:
        for line in _lines(process):
            lines.append(line)
            write(line.rstrip("\n"))
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        timer.cancel()
    return Ran(None if late.is_set() else code, "".join(lines))


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            yield line.decode("utf-8", "replace")
