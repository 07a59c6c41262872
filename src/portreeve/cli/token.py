"""`portreeve token`: API tokens of one's own, for pipelines. A token is shown once, when it is made."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

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
  (umask 077; portreeve token create pipeline --expires-at 2027-02-01T00:00:00Z > token)
  portreeve token create report --read-only --kind audit --expires-at 2027-02-01T00:00:00Z
  portreeve token list
  portreeve token revoke 0f3a…"""


@click.group(epilog=EPILOG, no_args_is_help=False)
def command() -> None:
    """Make, list and revoke API tokens of your own."""


@command.command("create")
@click.argument("title")
@click.option("--expires-at", required=True, metavar="TIME", help="When it ends: RFC 3339, as 2027-02-01T00:00:00Z.")
@click.option("--read-only", is_flag=True, help="It may change nothing.")
@click.option("--kind", "kinds", cls=NamedOption, multiple=True, metavar="KIND", help="Only for this kind; repeatable.")
@output_option("table", "json", "yaml")
@server_options
@terminal_options
def create(title: str, expires_at: str, read_only: bool, kinds: tuple[str, ...], output: str) -> int:
    """Make a token and write it to standard output, alone: it cannot be shown again."""
    scope = {"readOnly": read_only, **({"kinds": list(kinds)} if kinds else {})}
    body = {"title": title, "expiresAt": expires_at, "scope": scope}
    with connected() as client:
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
@output_option("table", "json", "yaml")
@no_headers_option
@server_options
@terminal_options
def listed(output: str, no_headers: bool) -> int:
    """List your tokens. None of them is shown."""
    from portreeve.cli.kinds import at
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write

    with connected() as client:
        found: dict[str, Any] = client.get(TOKENS)
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
@server_options
@terminal_options
def revoke(token_id: str, output: str) -> int:
    """End a token now. Its id is that of portreeve token list; the token itself is not needed."""
    from portreeve.cli.output import write

    with connected() as client:
        client.change("DELETE", f"{TOKENS}/{quote(token_id, safe='')}")
    if output == "table":
        current().data(f"token {token_id} revoked")
    else:
        write({"id": token_id, "state": "revoked"}, output)
    return 0
