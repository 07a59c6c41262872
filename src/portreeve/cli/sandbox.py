"""`portreeve sandbox`: a cluster, a registry, a control plane and an agent on this machine, to be looked at.

portreeve sandbox up        starts what is not running, and says how to use it
portreeve sandbox story     tells what Portreeve does, command by command
portreeve sandbox down      ends it and removes all of it
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.options import CallerOption, Decorated, NamedOption, output_option
from portreeve.cli.terminal import current, terminal_options

if TYPE_CHECKING:
    from portreeve.cli.terminal import Terminal
    from portreeve.sandbox.directory import Directory

EPILOG = """\b
Examples:
  portreeve sandbox up
  portreeve sandbox up --story
  portreeve sandbox story
  eval "$(portreeve sandbox env)"      what the story runs can be typed then
  portreeve sandbox down"""

INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def directory_option(function: Decorated) -> Decorated:
    """--directory."""
    return click.option(
        "--directory",
        type=click.Path(path_type=Path),
        cls=CallerOption,
        shared="PORTREEVE_SANDBOX",
        help="Where it is kept.  [default: sandbox in the folder of state; also PORTREEVE_SANDBOX]",
    )(function)


@click.group(epilog=EPILOG)
@terminal_options
def command() -> None:
    """Try Portreeve on this machine, without a cluster: a real API server, a registry, the control plane, an agent.

    Everything listens on loopback and is kept in one directory. There are no nodes, so pods are stored and never run.
    What this machine has no program for is said and left out.
    """


@command.command("up")
@click.option("--story", "then_story", cls=NamedOption, is_flag=True, help="Then tell the story.")
@directory_option
@terminal_options
def up(then_story: bool, directory: Path | None) -> int:
    """Start what is not running yet, and leave it running. Ctrl-C ends it all and leaves nothing behind."""
    from portreeve.cli.clock import now
    from portreeve.sandbox import parts, programs, start

    terminal, path, begun = current(), _path(directory), time.monotonic()

    def say(line: str) -> None:
        terminal.note(f"[{time.monotonic() - begun:4.1f} s] {line}")

    with _interruptible() as check:
        say(f"looking for programs; everything goes into {path}")
        found = programs.find(programs.cache_directory())
        done = start.up(path, found, now(), say=say, check=check)
    if done.reused:
        terminal.note(f"reused: {', '.join(parts.NAMES[part] for part in done.reused)}")
    if then_story:
        return _told(done.directory, pause=False, run=True)
    _tell(terminal, done.directory, directory)
    return 0


@command.command("story")
@click.option("--pause", is_flag=True, help="Wait for Enter before each command.")
@click.option("--list", "only_list", is_flag=True, cls=CallerOption, help="Show the commands, and run none.")
@directory_option
@terminal_options
def story(pause: bool, only_list: bool, directory: Path | None) -> int:
    """Tell what Portreeve does, command by command, each with what it really answers.

    Exit code 1 where something came out otherwise than the story says.
    """
    from portreeve.sandbox.directory import Directory

    found = Directory(_path(directory)) if only_list else _running(directory)
    return _told(found, pause=pause, run=not only_list)


def _told(found: Directory, *, pause: bool, run: bool) -> int:
    from portreeve.sandbox import telling

    terminal = current()

    def write(line: str) -> None:
        terminal.data(line)
        terminal.flush()

    def title(line: str) -> None:
        write(terminal.paint(line, "cyan", bold=True))

    def typed(line: str) -> None:
        write(terminal.paint(line, "green"))
        if pause:
            click.pause("")

    return telling.tell(found, telling.Voice(write, title, typed), run=run)


@command.command("status")
@output_option("table", "json", "yaml")
@directory_option
@terminal_options
def status(output: str, directory: Path | None) -> int:
    """Show what runs, and what is left out. Exit code 3 where something has ended."""
    from portreeve.cli.output import write
    from portreeve.sandbox import parts
    from portreeve.sandbox.directory import ORDER, look

    found = look(_path(directory))
    rows: list[dict[str, Any]] = []
    for part in ORDER:
        if part in found.processes:
            state = "running" if found.is_running(part) else "ended"
            port = found.ports.get(part)
            row = {"part": parts.NAMES[part], "state": state, "pid": found.processes[part].pid}
            rows.append(row | {"address": f"127.0.0.1:{port}" if port else "", "log": str(found.log(part))})
    terminal = current()
    if output == "table":
        table = [(one["part"], one["state"], str(one["pid"]), one["address"], one["log"]) for one in rows]
        terminal.table(("PART", "STATE", "PID", "ADDRESS", "LOG"), table)
        for part, why in found.missing.items():
            terminal.note(f"left out: {part}: {why}")
    else:
        write({"directory": str(found.path), "parts": rows, "missing": dict(found.missing)}, output)
    return 3 if any(one["state"] == "ended" for one in rows) else 0


@command.command("env")
@directory_option
@terminal_options
def env(directory: Path | None) -> int:
    """Write the settings of a shell that is to meet the sandbox: eval "$(portreeve sandbox env)"."""
    import shlex

    from portreeve.sandbox.directory import look, variables

    found, terminal = look(_path(directory)), current()
    terminal.data("unset PORTREEVE_SERVER PORTREEVE_TOKEN PORTREEVE_TOKEN_FILE PORTREEVE_PROFILE PORTREEVE_CA_FILE")
    for name, value in variables(found).items():
        terminal.data(f"export {name}={shlex.quote(value)}")
    terminal.data(f'export PATH={shlex.quote(str(found.file("bin")))}:"$PATH"')
    return 0


@command.command("new-password")
@directory_option
@terminal_options
def new_password(directory: Path | None) -> int:
    """Change the robot's password at the registry, as its administrator would; the old one ends at once."""
    from portreeve.sandbox import shelf

    found = _running(directory)
    shelf.new_password(found)
    current().note(f"the registry takes the password in {found.file('robot.password')} now, and the old one no more")
    return 0


@command.command("down")
@directory_option
@terminal_options
def down(directory: Path | None) -> int:
    """End it and remove its directory: every process that it started, and nothing else."""
    from portreeve.sandbox import parts, start

    path = _path(directory)
    ended = start.down(path)
    current().note(f"ended: {', '.join(parts.NAMES[part] for part in ended) or 'nothing ran'}; {path} is removed")
    return 0


def _path(directory: Path | None) -> Path:
    from portreeve.cli import paths

    return (directory or paths.state() / "sandbox").absolute()


def _running(directory: Path | None) -> Directory:
    """The sandbox, with all of it running.

    Raises:
        Unavailable: `sandbox_ended`. NotFound: `sandbox_missing`.
    """
    from portreeve.errors import Unavailable
    from portreeve.sandbox import parts
    from portreeve.sandbox.directory import look

    found = look(_path(directory))
    ended = [parts.NAMES[part] for part in found.processes if not found.is_running(part)]
    if ended or "plane" not in found.processes:
        why = f"{', '.join(ended) or 'the control plane'} does not run"
        raise Unavailable("sandbox_ended", why, hint="portreeve sandbox up starts what is not running")
    return found


def _tell(terminal: Terminal, found: Directory, given: Path | None) -> None:
    option = f" --directory {given}" if given else ""
    terminal.note("it stays in the background. What it does, command by command:")
    terminal.data(f"portreeve sandbox story{option}")
    terminal.note("to type commands of your own:")
    terminal.data(f'eval "$(portreeve sandbox env{option})"')
    terminal.note(f"its control plane: https://127.0.0.1:{found.ports['plane']}; to end it and remove all of it:")
    terminal.data(f"portreeve sandbox down{option}")


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """While it lasts an interrupt is only marked; the function that is given raises for it."""
    asked: list[int] = []
    before = {one: signal.signal(one, lambda number, _: asked.append(number)) for one in INTERRUPTS}

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    try:
        yield check
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
