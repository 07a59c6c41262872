"""`portreeve-agent`: enrol once, then run.

A program of its own, and not a verb of `portreeve`: what runs in a cluster carries no command line for people, and the
command line knows nothing of what runs there.

Exit codes: 0 it was told to end, 2 it failed (see the message), 4 it was refused.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from portreeve.agent.connection import Connection
from portreeve.agent.enrolment import MAX_JOIN, chance, enrol, read_token, uniform
from portreeve.agent.figures import Figures
from portreeve.agent.listening import Address, Listening, read_address
from portreeve.agent.loop import Loop
from portreeve.agent.state import StateDirectory
from portreeve.core.pacing import USUAL
from portreeve.errors import Invalid, PortreeveError
from portreeve.kube.client import Client
from portreeve.kube.kubeconfig import Connection as Cluster
from portreeve.kube.kubeconfig import connection, find, in_cluster
from portreeve.reconciler.reconciler import Clocks, Reconciler
from portreeve.version import __version__

STATE: Final = Path("/var/lib/portreeve-agent")
JOIN_FILE: Final = "PORTREEVE_AGENT_JOIN_FILE"
MOST_REQUESTS: Final = 2_000.0
"""A second; a large API server answers some thousand."""


COLLECTING: Final = (10_000, 20, 20)
"""When Python looks for cycles. What an agent keeps has none, and what it makes a thousand times in a rotation lives
for as long as a request: with Python's own 700, a twentieth of a rotation went into looking through it."""


def utc_now() -> datetime:
    """The clock of the agent: the only place in it that reads the time."""
    return datetime.now(UTC)  # noqa: TID251 -- this is the one place that the rule names


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    os.umask(0o077)
    # A core would hold every credential. (Handlers that the kernel pipes cores to are told of this limit, too.)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
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
        collect_seldom()
        return asyncio.run(_run(state, _cluster(asked.kubeconfig, asked.context), asked.rate, asked.metrics))
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
    running = verbs.add_parser(
        "run", help="Keep the cluster as it is wanted, and say how it stands, until told to end."
    )
    running.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="The cluster, where the agent does not run in a pod of it."
    )
    running.add_argument("--context", default="", metavar="NAME", help="Of the kubeconfig; else its current one.")
    running.add_argument(
        "--rate", type=_rate, default=USUAL.most, metavar="N", help="Requests a second at most [%(default)g]."
    )
    running.add_argument(
        "--metrics",
        type=_address,
        metavar="[HOST:]PORT",
        help="Answer GET /metrics and /healthz there; a port alone is one of loopback. Without it, nothing listens.",
    )
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


def _rate(text: str) -> float:
    rate = float(text)
    if not 1 <= rate <= MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"must be between 1 and {MOST_REQUESTS:g}")
    return rate


def _address(text: str) -> Address:
    try:
        return read_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _cluster(kubeconfig: Path | None, context: str) -> Cluster:
    """The cluster that this agent keeps. A kubeconfig has to be named: none is picked up from where people keep theirs.

    Raises:
        Invalid: what the kubeconfig, or the pod, says.
    """
    if kubeconfig is None:
        return in_cluster(os.environ)
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return connection(find(environment), context, environment=environment, now=utc_now)


def collect_seldom() -> None:
    """As the agent has it: see `COLLECTING`."""
    gc.set_threshold(*COLLECTING)


async def _run(state: StateDirectory, cluster: Cluster, rate: float, metrics: Address | None) -> int:
    clocks = Clocks(utc_now, time.monotonic, chance, uniform)
    limits = replace(USUAL, rate=min(rate, USUAL.rate), burst=min(2 * rate, USUAL.burst), most=rate)
    async with Connection(state, utc_now) as channel, Client(cluster) as client:
        reconciler = Reconciler(client, state.opening_key(), state.path, channel.report, clocks, limits=limits)
        asking = Loop(state, channel, reconciler, clock=utc_now, chance=chance, reporter=reconciler.reporter)
        async with AsyncExitStack() as stack:
            if metrics is not None:
                figures = Figures(asking, channel, reconciler, time.monotonic, utc_now())
                await stack.enter_async_context(Listening(figures.page, figures.healthy).at(metrics))
            await _until_ended(reconciler, asking)
    return 0


async def _until_ended(reconciler: Reconciler, asking: Loop) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reconciler.serve()), group.create_task(asking.run())]
            for one in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(one, _end, tasks)
    except ExceptionGroup as failed:
        told = [one for one in failed.exceptions if isinstance(one, PortreeveError)]
        raise told[0] if told else failed from None


def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
