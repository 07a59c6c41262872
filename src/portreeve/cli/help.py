"""`portreeve help`: topics that belong to no single verb."""

from __future__ import annotations

from typing import Final

import click

from portreeve.cli.terminal import current
from portreeve.cli.verbs import VERBS

EXIT_CODES: Final = {
    0: "success; no difference; no violation at or above --fail-on",
    1: "violation found (check, explain, simulate, test), difference (diff, drift), or tampered with (verify)",
    2: "usage, configuration or runtime error",
    3: "incomplete: something could not be evaluated, no violation found in the rest; --allow-incomplete makes it 0",
    4: "authentication or authorisation",
    124: "timeout",
    130: "interrupted",
    141: "whoever read the output closed it",
}

ENVIRONMENT: Final = {
    "PORTREEVE_<COMMAND>_<FLAG>": "any flag of any command: PORTREEVE_CHECK_FAIL_ON=warn is check --fail-on warn",
    "PORTREEVE_POLICY": "files and folders for -p of every command, joined as in PATH",
    "PORTREEVE_SERVER_<SETTING>": "settings of the control plane that up starts; docs/howto/start.md has the list",
    "PORTREEVE_SERVER": "address of the control plane, instead of that of a profile",
    "PORTREEVE_TOKEN": "API token for it; PORTREEVE_TOKEN_FILE names a file with one, which other processes cannot see",
    "PORTREEVE_PROFILE": "which sign-in of portreeve login is used",
    "PORTREEVE_CA_FILE": "certificates that the control plane's is checked with, instead of the system's",
    "PORTREEVE_TIMEOUT": "seconds to wait for an answer of the control plane",
    "PORTREEVE_CONFIG_DIR": "folder of config.yaml and profiles.yaml, instead of $XDG_CONFIG_HOME/portreeve",
    "PORTREEVE_SANDBOX": "directory of the sandbox, instead of $XDG_STATE_HOME/portreeve/sandbox",
    "PORTREEVE_NO_PROJECT": "not empty: .portreeve.yaml of the working folder is not read; for judging others' changes",
    "PORTREEVE_DEBUG": "not empty: internal errors come with a traceback, as with -v",
    "NO_COLOR, CLICOLOR_FORCE": "never colour; colour even without a terminal. --color goes first",
    "XDG_CONFIG_HOME, XDG_CONFIG_DIRS": "where config.yaml is looked for; portreeve info prints the paths",
    "CI": "set, and neither 0 nor false: check keeps no result for the console, unless --keep",
}

PRECEDENCE: Final = (
    "flag > PORTREEVE_<COMMAND>_<FLAG> > .portreeve.yaml of the working folder"
    " > user's config.yaml > system's config.yaml > default"
)

EPILOG = """\b
Examples:
  portreeve help exit-codes
  portreeve help check"""


@click.command(epilog=EPILOG)
@click.argument("topic", required=False, metavar="[TOPIC]", type=click.Choice(["exit-codes", "environment", *VERBS]))
@click.pass_context
def command(ctx: click.Context, topic: str | None) -> int:
    """Explain a topic: exit-codes, environment, or a command."""
    terminal, parent = current(), ctx.find_root()
    if topic == "exit-codes":
        for code, meaning in EXIT_CODES.items():
            terminal.data(f"{code:>3}  {meaning}")
    elif topic == "environment":
        for name, meaning in ENVIRONMENT.items():
            terminal.data(f"{name}\n    {meaning}")
        terminal.data(f"\nPrecedence: {PRECEDENCE}")
    elif topic and isinstance(parent.command, click.Group):
        verb = parent.command.get_command(parent, topic)
        assert verb is not None, "the table and the choices are one list"
        terminal.data(verb.get_help(click.Context(verb, info_name=topic, parent=parent)))
    else:
        terminal.data(parent.get_help())
    return 0
