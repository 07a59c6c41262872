"""`portreeve up`: the control plane, on this machine."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.server.settings import Settings

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
"""Registries on this machine may be contacted by a control plane that is for this machine alone; it says so."""

EPILOG = """\b
Examples:
  portreeve up
  portreeve up --port 9000 -v
  portreeve up --link
  portreeve up --kubeconfig ~/.kube/config --context kind-dev --environment dev"""


@click.command(epilog=EPILOG)
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.  [default: 8420]")
@click.option("--host", help="Address to listen on; others than this machine's own need more.  [default: 127.0.0.1]")
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the database; portreeve info shows it.")
@click.option("--behind-proxy", is_flag=True, help="A proxy in front of it does TLS; needed with --host without TLS.")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep the cluster that it names from here, without an agent. Programs that it names are run.",
)
@click.option("--context", default="", metavar="NAME", help="Of the kubeconfig; else its current one.")
@click.option("--environment", metavar="NAME", help="The environment that the kubeconfig's cluster is.")
@click.option("--link", is_flag=True, help="Write a new sign-in link for an administrator, and stop.")
@terminal_options
def command(
    port: int | None,
    host: str | None,
    data: Path | None,
    behind_proxy: bool,
    kubeconfig: Path | None,
    context: str,
    environment: str | None,
    link: bool,
) -> int:
    """Start the control plane on this machine.

    It listens on loopback and keeps its data in an embedded database. The first start writes a link that opens the
    console and signs its administrator in, once and within ten minutes. The address of another database may hold a
    password, so it is taken from PORTREEVE_SERVER_DATABASE alone.

    With --kubeconfig and --environment it also does what an agent would do in that cluster: for a local start, and on
    the embedded database alone. An agent that is enrolled later takes the cluster over.
    """
    if (kubeconfig is None) != (environment is None) or (context and kubeconfig is None):
        raise click.UsageError(
            "--kubeconfig and --environment belong together, and --context to them", click.get_current_context()
        )
    begun = time.monotonic()
    terminal = current()
    try:
        with _what_stays():
            from portreeve.server import start
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None
    settings = _settings(port=port, host=host, data=data)
    if kubeconfig is not None and environment is not None:
        settings = _keeping(settings, environment, kubeconfig, context)
    if link:
        terminal.data(start.link(settings).address.reveal().decode())
        return 0

    from portreeve.workspace.discovery import discover

    def ready(told: start.Ready) -> None:
        terminal.note(f"Portreeve answers at {told.address}; data is in {settings.data}")
        found = discover(settings.surroundings)
        terminal.note(found.summary())
        if found.contexts and not settings.local_clusters:
            terminal.note(
                "--kubeconfig FILE --context NAME --environment NAME keeps a cluster from here, without an agent"
            )
        for one in settings.local_clusters:
            where = f"context {one.context} of " if one.context else ""
            terminal.note(f"{one.environment} is kept from here while it has no agent, by {where}{one.kubeconfig}")
        if settings.private_addresses:
            terminal.note(
                f"registries may be contacted at private addresses in {', '.join(settings.private_addresses)}"
            )
        terminal.detail(f"started in {time.monotonic() - begun:.1f} s")
        if told.link is None:
            terminal.note("it is set up already; portreeve up --link writes a sign-in link")
        else:
            _show(terminal, told.link.user, told.link.address.reveal().decode())

    return start.run(settings, os.environ, behind_proxy=behind_proxy, ready=ready)


@contextmanager
def _what_stays() -> Iterator[None]:
    """Nothing that is made meanwhile is looked through for garbage, now or ever: modules stay to the end.

    Looking through a thousand modules each time that there were some more was half of the time of their import.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _show(terminal: Terminal, user: str, address: str) -> None:
    terminal.note(f"open this link in a browser to sign in as {user}, once and within 10 minutes:")
    terminal.data(address)
    terminal.flush()


def _settings(*, port: int | None, host: str | None, data: Path | None) -> Settings:
    """What the variables say, and what the flags say instead."""
    from portreeve.cli import paths
    from portreeve.server import settings

    found = settings.read(os.environ, paths.data(), paths.config() / "keys")
    given: dict[str, object] = {"port": port, "host": host, "data": None if data is None else data.absolute()}
    if not found.private_addresses and _on_this_machine(str(given["host"] or found.host)):
        given["private_addresses"] = LOOPBACK
    return replace(found, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def _keeping(settings: Settings, environment: str, kubeconfig: Path, context: str) -> Settings:
    """The settings, with this cluster in the place of one that they name for the environment."""
    from portreeve.server.settings import LocalCluster

    others = tuple(one for one in settings.local_clusters if one.environment != environment)
    asked = LocalCluster(environment, kubeconfig.absolute(), context, asked=True)
    return replace(settings, local_clusters=(*others, asked))


def _on_this_machine(host: str) -> bool:
    from portreeve.transport.addresses import is_loopback

    return is_loopback(host)


def _not_installed(error: ModuleNotFoundError) -> Exception:
    from portreeve.errors import Unavailable

    return Unavailable(
        "not_installed", f"the control plane is not installed ({error.name})", hint="pip install 'portreeve[server]'"
    )
