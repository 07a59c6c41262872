"""The parts of a sandbox: processes that are started once, waited for, and asked over HTTPS.

Whatever goes wrong is told with the end of the log of the part that it happened in.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portreeve.errors import Conflict, Problem, Stalled, Unavailable
from portreeve.sandbox import processes
from portreeve.sandbox.directory import Directory, variables
from portreeve.transport.exchange import Request
from portreeve.transport.pinned import Pinned
from portreeve.transport.tls import TlsUntrusted

WAIT_S: Final = 180.0
"""For one program to answer. 6 s were measured for the API server; machines are loaded at times."""

PAUSE_S: Final = 0.1

NAMES: Final = {
    "etcd": "etcd",
    "apiserver": "kube-apiserver",
    "manager": "kube-controller-manager",
    "registry": "docker-registry",
    "plane": "portreeve up",
    "agent": "portreeve-agent",
}
"""Part → what people call its program."""

COMMAND_LINE: Final = "from portreeve.cli.main import main; main()"
AGENT: Final = "import sys; from portreeve.agent.main import main; sys.exit(main())"
_LISTENING: Final = frozenset({"etcd", "apiserver", "registry", "plane"})
"""Parts whose port is told to others, so that another one would not do."""

Say = Callable[[str], None]
Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a sandbox that is held. `say` is told of progress; `check` raises when it is to end."""

    directory: Directory
    say: Say
    check: Check

    def run(
        self, part: str, command: Sequence[str], environment: Mapping[str, str], *, out: Path | None = None
    ) -> bool:
        """Start a part unless it runs. Returns: whether it was started."""
        self.check()
        if self.directory.is_running(part):
            return False
        port = self.directory.ports.get(part, 0)
        if part in _LISTENING and not processes.is_free(port):
            hint = "portreeve sandbox down, then portreeve sandbox up, which takes other ports"
            raise Conflict("sandbox_port", f"{NAMES[part]} had port {port}, and something else has it now", hint=hint)
        self.say(f"starting {NAMES[part]}")
        log = self.directory.log(part)
        try:
            process = processes.start(command, log, self.directory.path, environment, out=out)
        except OSError as error:
            raise Stalled("sandbox_part", f"{NAMES[part]} cannot be run: {error.strerror}") from None
        self.directory.started(part, process)
        return True

    def until(self, part: str, ready: Callable[[], bool]) -> None:
        """Wait for a part to answer.

        Raises:
            Stalled: `sandbox_part`: it has ended, or took too long.
        """
        deadline = time.monotonic() + WAIT_S
        while True:
            self.check()
            if ready():
                return
            if not self.directory.is_running(part):
                raise self._failed(part, "has ended")
            if time.monotonic() > deadline:
                raise self._failed(part, f"does not answer after {WAIT_S:.0f} s")
            time.sleep(PAUSE_S)

    def _failed(self, part: str, how: str) -> Stalled:
        lines = processes.tail(self.directory.log(part))
        said = tuple(Problem("sandbox_part", line, field=NAMES[part]) for line in lines)
        return Stalled("sandbox_part", f"{NAMES[part]} {how}; the end of its log follows", problems=said)

    def answers(self, part: str, path: str, *statuses: int, identity: Path | None = None) -> bool:
        """Whether a part that speaks HTTPS answers with one of these."""
        trust = self.directory.file("ca.crt").read_text(encoding="ascii")
        url = f"https://127.0.0.1:{self.directory.ports[part]}{path}"

        async def status() -> int:
            async with Pinned(trust, identity=identity) as session:
                return (await session.send(Request("GET", url))).status

        try:
            return asyncio.run(status()) in statuses
        except TlsUntrusted:
            raise  # somebody else listens there
        except Unavailable:
            return False

    def portreeve(self, *words: str, given: bytes = b"") -> str:
        """Run a verb of our own command line, as its user would; what it answers."""
        return self.step(f"portreeve {words[0]}", [*python(COMMAND_LINE), *words], given=given)

    def step(self, what: str, command: Sequence[str], *, given: bytes) -> str:
        """Raises Stalled: `sandbox_step`."""
        self.check()
        done = subprocess.run(  # noqa: S603 -- our own programs, arguments as a list
            list(command),
            input=given,
            capture_output=True,
            check=False,
            env=ours(self.directory),
            cwd=self.directory.path,
            timeout=WAIT_S,
        )
        self.check()
        if done.returncode != 0:
            said = tuple(Problem("sandbox_step", line, field=what) for line in done.stderr.decode().splitlines()[-6:])
            raise Stalled("sandbox_step", f"{what} ended with {done.returncode}; what it said follows", problems=said)
        return done.stdout.decode()


def python(code: str) -> list[str]:
    """A program of ours by this Python. -P: nothing of the working folder is imported."""
    return [sys.executable, "-P", "-c", code]


def plain(directory: Directory) -> dict[str, str]:
    """For programs of others: nothing of the user's."""
    return {"PATH": os.defpath, "HOME": str(directory.path)}


def ours(directory: Directory) -> dict[str, str]:
    """For our own programs: the sandbox's settings, and none of the user's."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR", "PYTHONPATH") if name in os.environ}
    homes = {f"XDG_{name}_HOME": str(directory.file(name.lower())) for name in ("DATA", "CACHE", "STATE")}
    return {**kept, **plain(directory), **homes, **variables(directory)}


def private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, in one step."""
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)
    return path
