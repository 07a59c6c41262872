"""`portreeve login`: keep a control plane's address and a token for it, once it has been seen to work."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.connection import asked, server_options
from portreeve.cli.options import output_option
from portreeve.cli.terminal import current, terminal_options

if TYPE_CHECKING:
    from portreeve.client import Server
    from portreeve.core.secret import SecretValue

EPILOG = """\b
Examples:
  portreeve login https://portreeve.example.com --token-file token
  pass show portreeve | portreeve login https://portreeve.example.com --profile prod --token-stdin
  portreeve up --link | portreeve login http://127.0.0.1:8420 --link-stdin"""

LINK_TOKEN_DAYS: Final = 30
"""How long a token lasts that is made by a link: a first month, after which somebody has decided how they sign in."""


@click.command(epilog=EPILOG)
@click.argument("address", metavar="SERVER")
@click.option("--token-stdin", is_flag=True, help="The token stands on standard input.")
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="The token stands in this file.")
@click.option("--link-stdin", is_flag=True, help="A one-time link stands on standard input; a token is made by it.")
@output_option("table", "json", "yaml")
@server_options
@terminal_options
def command(address: str, token_stdin: bool, token_file: Path | None, link_stdin: bool, output: str) -> int:
    """Sign in to a control plane with an API token, and remember both as a profile.

    Without --token-stdin or --token-file the token is that of PORTREEVE_TOKEN or PORTREEVE_TOKEN_FILE; a terminal is
    asked for it. There is no flag that takes it. The file of profiles can be read by you alone.
    """
    from portreeve.cli import profiles
    from portreeve.cli.output import write
    from portreeve.client import TIMEOUT_S, Server, server_url

    name = asked("profile") or profiles.FIRST
    profiles.check_name(name)
    place = Server(server_url(address), None, _absolute(asked("ca_file")), asked("timeout") or TIMEOUT_S)
    token = _by_link(place) if link_stdin else _token(token_stdin, token_file)
    server = replace(place, token=token)
    held = profiles.read()
    who = signed_in(server)
    file = profiles.write(held.signed_in(name, profiles.Profile(server.url, server.token, server.ca_file)))
    terminal = current()
    if output == "table":
        user = who.get("user")
        terminal.data(f"signed in to {server.url}{f' as {user}' if user else ''}")
        terminal.note(f"profile {name} in {file}")
    else:
        write({"server": server.url, "profile": name, "file": str(file), "user": who.get("user")}, output)
    return 0


def _by_link(server: Server) -> SecretValue:
    """A token of whoever the link on standard input is for. The link is used up.

    Raises:
        Invalid: `usage`: that is no link, or one of another server.
    """
    from portreeve.cli import connection
    from portreeve.cli.clock import now
    from portreeve.client import session_by_link
    from portreeve.core.secret import SecretValue
    from portreeve.errors import Invalid
    from portreeve.wire.dump import time_text

    written = sys.stdin.buffer.read(connection.MAX_TOKEN_BYTES + 1).decode(errors="replace").strip()
    page, found, token = written.partition("/login#t=")
    if not found or not token or page.rstrip("/") != server.url:
        hint = f"portreeve up --link writes one, on the machine of {server.url}"
        raise Invalid("usage", "what stands on standard input is no sign-in link of this server", hint=hint)
    ends = time_text(now() + timedelta(days=LINK_TOKEN_DAYS))
    body = {"title": "portreeve login", "expiresAt": ends, "scope": {}}
    with session_by_link(server, SecretValue(token)) as client:
        made = client.change("POST", "/api/v1/me/tokens", body, repeatable=False).body
    current().note(f"a token was made, until {ends}")
    return connection.token(str(made["token"]).encode())


def _absolute(file: str | None) -> str:
    """The profile is used from other folders than this one."""
    return os.path.abspath(file) if file else ""  # noqa: PTH100 -- a path that is not there yet keeps its spelling


def _token(from_stdin: bool, file: Path | None) -> SecretValue:
    from portreeve.cli import connection
    from portreeve.errors import Invalid, Unauthenticated

    if from_stdin and file is not None:
        raise Invalid("usage", "the token comes from one place", hint="--token-stdin or --token-file")
    if file is not None:
        return connection.from_file(file)
    if from_stdin:
        return connection.token(sys.stdin.buffer.read(connection.MAX_TOKEN_BYTES + 1))
    found = connection.from_environment()
    if found is None and sys.stdin.isatty():
        from getpass import getpass

        found = connection.token(getpass("Token: ", stream=sys.stderr).encode())
    if found is None:
        hint = "--token-stdin, --token-file FILE, or PORTREEVE_TOKEN_FILE"
        raise Unauthenticated("token_missing", "no token was given", hint=hint)
    return found


def signed_in(server: Server) -> dict[str, Any]:
    """Who the token makes us; empty where the control plane cannot tell, but lets us in.

    Raises:
        Unauthenticated: it does not.
    """
    from portreeve.client import Client
    from portreeve.errors import NotFound

    with Client(server) as client:
        try:
            found: dict[str, Any] = client.get("/api/v1/me")
        except NotFound as error:
            if error.code != "no_route":
                raise
            client.listed("/api/v1/registries", most=1)
            return {}
    return found
