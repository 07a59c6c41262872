"""`portreeve-agent`: enrol once, then run.

A program of its own, and not a verb of `portreeve`: what runs in a cluster carries no command line for people, and the
command line knows nothing of what runs there.

Exit codes: 0 it was told to end, 2 it failed (see the message), 4 it was refused.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from portreeve.agent.connection import Connection
from portreeve.agent.enrolment import MAX_JOIN, chance, enrol, read_token
from portreeve.agent.loop import Loop
from portreeve.agent.state import StateDirectory
from portreeve.errors import Invalid, PortreeveError
from portreeve.version import __version__

STATE: Final = Path("/var/lib/portreeve-agent")
JOIN_FILE: Final = "PORTREEVE_AGENT_JOIN_FILE"


def utc_now() -> datetime:
    """The clock of the agent: the only place in it that reads the time."""
    return datetime.now(UTC)  # noqa: TID251 -- this is the one place that the rule names


class Watching:
    """An actor that acts on nothing yet: what is wanted is kept, and told."""

    async def act(self, document: Mapping[str, Any]) -> None:
        """As `loop.Actor`."""
        logging.getLogger("portreeve.agent").info("generation %s is wanted", document["generation"])


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    os.umask(0o077)
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        state = StateDirectory(asked.state)
        if asked.verb == "enrol" and asked.if_needed and state.is_enrolled:
            sys.stdout.write(f"enrolled already for {state.enrolled().environment}\n")
            return 0
        if asked.verb == "enrol":
            found = asyncio.run(enrol(state, asked.server, read_token(_join()), asked.cluster))
            sys.stdout.write(f"enrolled for {found.environment}\n")
            return 0
        return asyncio.run(_run(state))
    except PortreeveError as error:
        sys.stderr.write(f"{error.diagnostics()}\n")
        return error.handling.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="portreeve-agent", description="Portreeve's agent in a managed cluster.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    enrolling = verbs.add_parser("enrol", help=f"Enrol with the join token on standard input, or in {JOIN_FILE}.")
    enrolling.add_argument("--server", required=True, metavar="URL", help="Address of the control plane: https.")
    enrolling.add_argument("--cluster", default="", metavar="ID", help="What the cluster is called in answers.")
    enrolling.add_argument(
        "--if-needed", action="store_true", help="Where an agent has enrolled already, do nothing and read no token."
    )
    running = verbs.add_parser("run", help="Ask for what is wanted, and say what is, until told to end.")
    for verb in (enrolling, running):
        verb.add_argument("--state", type=Path, default=STATE, metavar="DIR", help=f"Where keys are kept [{STATE}].")
    return parser


def _join() -> bytes:
    file = os.environ.get(JOIN_FILE)
    if file:
        try:
            with Path(file).open("rb") as stream:
                return stream.read(MAX_JOIN + 1)
        except OSError as error:
            reason = f"{file} cannot be read: {error.strerror}"
        raise Invalid("join_token", reason, hint="portreeve add environment NAME")
    return sys.stdin.buffer.read(MAX_JOIN + 1)


async def _run(state: StateDirectory) -> int:
    loop = asyncio.get_running_loop()
    async with Connection(state, utc_now) as connection:
        task = asyncio.create_task(Loop(state, connection, Watching(), clock=utc_now, chance=chance).run())
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, task.cancel)
        with suppress(asyncio.CancelledError):
            await task
    return 0
