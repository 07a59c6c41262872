"""`portreeve exempt`: ask for an exception to a policy, and decide on one that somebody else asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve exempt request redis-until-june --policy prod-sources --image docker.io/library/redis -n cache \\
      --reason "mirror not ready" --owner cache-team --expires-at 2027-01-01T00:00:00Z
  portreeve exempt approve redis-until-june --comment "mirror is due in May"
  portreeve exempt renew redis-until-june --expires-at 2027-03-01T00:00:00Z
  portreeve exempt revoke redis-until-june"""


@click.group(epilog=EPILOG, no_args_is_help=False)
def command() -> None:
    """Request, approve, deny, renew or revoke an exception to a policy. Nobody approves what they requested."""


@command.command("request")
@click.argument("name")
@click.option("--policy", required=True, metavar="NAME", help="The policy that it is an exception to.")
@click.option("--image", required=True, metavar="PREFIX|DIGEST", help="Which image: host/path, or sha256:…")
@click.option("-n", "--namespace", "namespaces", cls=NamedOption, multiple=True, metavar="NS",
              help="Only there; repeatable.")  # fmt: skip
@click.option("--group", "groups", cls=NamedOption, multiple=True, metavar="NAME",
              help="Only in this environment group; repeatable.")  # fmt: skip
@click.option("--reason", required=True, help="Why, for the approver and for audit.")
@click.option("--owner", required=True, metavar="NAME", help="Who answers for it.")
@click.option("--expires-at", required=True, metavar="TIME", help="When it ends: RFC 3339, as 2027-01-01T00:00:00Z.")
@click.option("--ticket", metavar="URL", help="Where it is discussed.")
@output_option("table", "json", "yaml")
@server_options
@terminal_options
def request(name: str, output: str, **options: Any) -> int:
    """Ask for an exemption; somebody else approves it."""
    from portreeve.cli.documents import canonical

    scope = {"groups": options["groups"], "namespaces": options["namespaces"]}
    spec = {
        "policy": options["policy"],
        "scope": {"image": options["image"], **{part: list(names) for part, names in scope.items() if names}},
        "reason": options["reason"],
        "owner": options["owner"],
        "expiresAt": options["expires_at"],
        "ticket": options["ticket"],
    }
    metadata = {"name": name}
    document = canonical({"apiVersion": "portreeve.io/v1", "kind": "Exemption", "metadata": metadata, "spec": spec})
    with connected() as client:
        answer = client.change("POST", "/api/v1/exemptions", document).body
    return _told(answer, name, output)


def _decision(verb: str, done: str, *, expires: bool = False, comment: bool = True) -> None:
    """One of the verbs that decide; they differ in what they send."""

    def decide(name: str, output: str, comment: str | None = None, expires_at: str | None = None) -> int:
        body = {field: text for field, text in (("comment", comment), ("expiresAt", expires_at)) if text}
        with connected() as client:
            answer = client.change("POST", f"/api/v1/exemptions/{quote(name, safe='')}/{verb}", body).body
        return _told(answer, name, output)

    decide.__doc__ = done
    options = [click.argument("name")]
    if expires:
        options.append(click.option("--expires-at", required=True, metavar="TIME",
                                    help="The new end: RFC 3339, as 2027-01-01T00:00:00Z."))  # fmt: skip
    if comment:
        options.append(click.option("--comment", metavar="TEXT", help="For whoever asked, and for audit."))
    decorated: Any = terminal_options(server_options(output_option("table", "json", "yaml")(decide)))
    for option in reversed(options):
        decorated = option(decorated)
    command.command(verb)(decorated)


_decision("approve", "Approve what somebody else requested.")
_decision("deny", "Deny what somebody else requested.")
_decision("renew", "Ask for a later end; it needs an approval of its own.", expires=True, comment=False)
_decision("revoke", "End an exemption now.")


def _told(answer: Any, name: str, output: str) -> int:
    found = answer if isinstance(answer, Mapping) else {}
    if output != "table":
        from portreeve.cli.output import write

        write(found, output)
        return 0
    state = found.get("status", {}).get("state", "done")
    current().data(f"Exemption/{name} {state}")
    return 0
