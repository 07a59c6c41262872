"""The parent's side of `child`: ask for a run, read what it tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools.process import die_with_parent

ROOT = Path(__file__).parents[3]


@dataclass
class Ended:
    """How a run went: what it acknowledged, its exit status (negative: the signal), and its counts if it ended."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    status: int = 0
    statements: int = 0
    commits: list[int] = field(default_factory=list)

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL


class Forking:
    """A started `child`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self,
        url: str,
        data: Path,
        scenario: str,
        *,
        at: int = 0,
        moment: str = "",
        enough: Callable[[Ended], bool] = lambda ended: False,
    ) -> Ended:
        """Run a scenario; it is killed from outside once what it told is `enough`."""
        asked = {"url": url, "data": str(data), "scenario": scenario, "at": at, "moment": moment}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        ended, pid = Ended(), 0
        for line in self._process.stdout:
            ((name, value),) = json.loads(line).items()
            if name == "pid":
                pid = value
            elif name == "told":
                ended.told.append((value[0], value[1]))
            elif name == "counted":
                ended.statements, ended.commits = value["statements"], value["commits"]
            else:
                ended.status = value
                return ended
            if pid and enough(ended):
                os.kill(pid, signal.SIGKILL)
                pid = 0
        raise AssertionError("the child is gone")


@contextmanager
def forking(directory: Path) -> Iterator[Forking]:
    """A child for many runs. What its runs write to stderr is shown if it ends badly."""
    with (directory / "child.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.server.crash.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - two system calls, and it takes no lock
        )
        with process:
            yield Forking(process)
            assert process.stdin is not None
            process.stdin.close()
