"""Which control plane a verb talks to, and as whom: flags, variables, then the profile that `login` wrote.

A profile's token goes to that profile's server and to no other, whatever a flag or a variable names as the server.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.options import CallerOption, Decorated

if TYPE_CHECKING:
    from portreeve.cli.profiles import Profile, Profiles
    from portreeve.client import Client, Server
    from portreeve.core.secret import SecretValue

ASKED: Final = "portreeve.server"
"""Where the context keeps what the options of a connection say."""

TIMEOUT_S: Final = 30.0
MAX_TOKEN_BYTES: Final = 16_384


def server_options(function: Decorated) -> Decorated:
    """--server, --profile, --ca-file and --timeout."""
    settings: dict[str, Any] = {"expose_value": False, "callback": _remember, "cls": CallerOption}
    for option in (
        click.option("--timeout", type=click.FloatRange(min=0.1, max=3600), default=TIMEOUT_S, show_default=True,
                     metavar="SECONDS", help="How long to wait for an answer.", shared="PORTREEVE_TIMEOUT", **settings),
        click.option("--ca-file", type=click.Path(), metavar="FILE", shared="PORTREEVE_CA_FILE",
                     help="Trust these certificates and no others. Also PORTREEVE_CA_FILE.", **settings),
        click.option("--profile", metavar="NAME", shared="PORTREEVE_PROFILE",
                     help="Which sign-in of portreeve login. Also PORTREEVE_PROFILE.", **settings),
        click.option("--server", metavar="URL", shared="PORTREEVE_SERVER",
                     help="Address of the control plane. Also PORTREEVE_SERVER.", **settings),
    ):  # fmt: skip
        function = option(function)
    return function


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep what was given, before or after the second word of a verb that has two."""
    assert param.name is not None
    if ctx.get_parameter_source(param.name) is not click.core.ParameterSource.DEFAULT:
        ctx.meta.setdefault(ASKED, {})[param.name] = value


def asked(name: str) -> Any:
    """What one of the options of the running command says."""
    return click.get_current_context().meta.get(ASKED, {}).get(name)


def connected() -> Client:
    """A client of the control plane that is meant, as whoever is signed in there.

    Raises:
        PortreeveError: as `chosen`.
    """
    from portreeve.client import Client

    return Client(chosen())


def chosen() -> Server:
    """The control plane that is meant, and the token for it.

    Raises:
        Invalid: `server_missing`. Unauthenticated: `token_missing`. NotFound: `profile_missing`.
    """
    from portreeve.errors import Unauthenticated

    server, profile = _place()
    token = from_environment() or (profile.token if profile else None)
    if token is None:
        hint = f"portreeve login {server.url}, or set PORTREEVE_TOKEN_FILE"
        raise Unauthenticated("token_missing", f"nobody is signed in to {server.url}", hint=hint)
    return replace(server, token=token)


def in_session(user: str, password: SecretValue) -> AbstractContextManager[Client]:
    """As `connected`, in a session of this user and not by a token."""
    from portreeve.client import session

    return session(_place()[0], user, password)


def _place() -> tuple[Server, Profile | None]:
    """The control plane that is meant, without a token, and its profile if there is one."""
    from portreeve.cli import profiles
    from portreeve.client import Server, server_url
    from portreeve.errors import Invalid

    held = profiles.read()
    named = asked("profile")
    profile = _named(held, named) if named else held.by_name.get(held.current)
    address = asked("server") or (profile.server if profile else "")
    if not address:
        hint = "portreeve login SERVER, or set PORTREEVE_SERVER and PORTREEVE_TOKEN_FILE"
        raise Invalid("server_missing", "nothing says which control plane is meant", hint=hint)
    url = server_url(address)
    if profile is None or profile.server != url:
        # The token of another server stays where it is.
        profile = None if named else held.of_server(url)
    ca_file = asked("ca_file") or (profile.ca_file if profile else "")
    return Server(url, ca_file=ca_file, timeout_s=asked("timeout") or TIMEOUT_S), profile


def _named(held: Profiles, name: str) -> Profile:
    from portreeve.errors import NotFound

    if name not in held.by_name:
        there = ", ".join(sorted(held.by_name)) or "none"
        hint = f"there are: {there}; portreeve login SERVER --profile NAME makes one"
        raise NotFound("profile_missing", f"there is no profile {name!r}", hint=hint)
    return held.by_name[name]


def from_environment() -> SecretValue | None:
    """The token of PORTREEVE_TOKEN, or of the file that PORTREEVE_TOKEN_FILE names."""
    if text := os.environ.get("PORTREEVE_TOKEN"):
        return token(text.encode())
    if file := os.environ.get("PORTREEVE_TOKEN_FILE"):
        return from_file(Path(file))
    return None


def from_file(file: Path) -> SecretValue:
    """The token in a file."""
    with file.open("rb") as stream:
        return token(stream.read(MAX_TOKEN_BYTES + 1))


def token(content: bytes) -> SecretValue:
    """A token without the line break behind it.

    Raises:
        Invalid: `token_malformed`: it is empty, or no header can hold it.
    """
    from portreeve.core.secret import SecretValue
    from portreeve.errors import Invalid

    text = content.strip()
    if not text or len(text) > MAX_TOKEN_BYTES or any(not 0x21 <= byte <= 0x7E for byte in text):
        hint = "a token is one line of ASCII; portreeve token create makes one"
        raise Invalid("token_malformed", "what was given as a token is none (not shown)", hint=hint)
    return SecretValue(text)
