"""`portreeve token`: API tokens of one's own, for pipelines. A token is shown once, when it is made.

A token makes no tokens, or one that leaked could outlive its end. So these commands sign in with --user and a password,
for as long as they run; without it they ask with the token at hand, which may revoke itself and nothing else.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, Decorated, NamedOption, no_headers_option, output_option, read_option
from portreeve.cli.terminal import current, terminal_options

if TYPE_CHECKING:
    from portreeve.client import Client

TOKENS: Final = "/api/v1/me/tokens"
COLUMNS: Final = (
    ("ID", "id"),
    ("TITLE", "title"),
    ("READ-ONLY", "scope.readOnly"),
    ("KINDS", "scope.kinds"),
    ("CREATED", "createdAt"),
    ("EXPIRES", "expiresAt"),
    ("USED", "usedAt"),
)

EPILOG = """\b
Examples:
  (umask 077; portreeve token create pipeline --user user-a --expires-at 2027-02-01T00:00:00Z > token)
  pass show portreeve | portreeve token create report --user user-a --password-stdin --read-only --kind audit \\
      --expires-at 2027-02-01T00:00:00Z
  portreeve token list --user user-a
  portreeve token revoke 0f3a… --user user-a"""

MAX_PASSWORD_BYTES: Final = 4_096


def session_options(function: Decorated) -> Decorated:
    """--user and --password-stdin."""
    user = click.option("--user", cls=CallerOption, metavar="NAME", help="Sign in as this user, with a password.")
    stdin = click.option("--password-stdin", is_flag=True, cls=CallerOption,
                         help="The password stands on standard input; a terminal is asked for it.")  # fmt: skip
    return user(stdin(function))


def _client(user: str | None, password_stdin: bool) -> AbstractContextManager[Client]:
    """A client in a session of the user, or by the token at hand where none is named.

    Raises:
        Invalid: `usage`: there is no password, or nobody whose it is; `answer_needed`.
    """
    from portreeve.cli.connection import in_session
    from portreeve.core.secret import SecretValue
    from portreeve.errors import Invalid

    if user is None:
        if password_stdin:
            raise Invalid("usage", "--password-stdin needs --user", hint="name the user whose password it is")
        return connected()
    if password_stdin:
        typed = sys.stdin.buffer.read(MAX_PASSWORD_BYTES).removesuffix(b"\n").removesuffix(b"\r")
    elif sys.stdin.isatty():
        from getpass import getpass

        typed = getpass(f"Password of {user}: ", stream=sys.stderr).encode()
    else:
        raise Invalid("answer_needed", "there is no terminal to ask for a password", hint="--password-stdin")
    if not typed:
        raise Invalid("usage", "the password is empty", hint="give it on standard input, on one line")
    return in_session(user, SecretValue(typed))


@click.group(epilog=EPILOG, no_args_is_help=False)
def command() -> None:
    """Make, list and revoke API tokens of your own."""


@command.command("create")
@click.argument("title")
@click.option("--expires-at", required=True, metavar="TIME", help="When it ends: RFC 3339, as 2027-02-01T00:00:00Z.")
@click.option("--read-only", is_flag=True, help="It may change nothing.")
@click.option("--kind", "kinds", cls=NamedOption, multiple=True, metavar="KIND", help="Only for this kind; repeatable.")
@output_option("table", "json", "yaml")
@session_options
@server_options
@terminal_options
def create(title: str, expires_at: str, read_only: bool, kinds: tuple[str, ...], output: str, **who: Any) -> int:
    """Make a token and write it to standard output, alone: it cannot be shown again."""
    scope = {"readOnly": read_only, **({"kinds": list(kinds)} if kinds else {})}
    body = {"title": title, "expiresAt": expires_at, "scope": scope}
    with _client(**who) as client:
        made = client.change("POST", TOKENS, body, repeatable=False).body
    if output != "table":
        from portreeve.cli.output import write

        write(made, output)
        return 0
    terminal = current()
    terminal.note(f"token {made['id']}, until {made['expiresAt']}; it is not shown again")
    terminal.data(str(made["token"]))
    return 0


@command.command("list")
@read_option("table", "json", "yaml")
@no_headers_option
@session_options
@server_options
@terminal_options
def listed(output: str, no_headers: bool, **who: Any) -> int:
    """List your tokens. None of them is shown."""
    from portreeve.cli import projection
    from portreeve.cli.kinds import at
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write

    with _client(**who) as client:
        found: dict[str, Any] = client.get(TOKENS)
    if projection.write(output, found, found["items"], headed=not no_headers):
        return 0
    if output != "table":
        write(found, output)
        return 0
    rows = [[text(at(one, path)) or NOTHING for _, path in COLUMNS] for one in found["items"]]
    if rows:
        current().table([title for title, _ in COLUMNS], rows, headed=not no_headers)
    else:
        current().note("no tokens")
    return 0


@command.command("revoke")
@click.argument("token_id", metavar="ID")
@output_option("table", "json", "yaml")
@session_options
@server_options
@terminal_options
def revoke(token_id: str, output: str, **who: Any) -> int:
    """End a token now. Its id is that of portreeve token list; the token itself is not needed."""
    from portreeve.cli.output import write

    with _client(**who) as client:
        client.change("DELETE", f"{TOKENS}/{quote(token_id, safe='')}")
    if output == "table":
        current().data(f"token {token_id} revoked")
    else:
        write({"id": token_id, "state": "revoked"}, output)
    return 0
