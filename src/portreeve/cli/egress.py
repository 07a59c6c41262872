"""`portreeve egress`: which hosts an environment must reach, for whoever keeps its firewall, and what is new of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve egress prod-eu
  portreeve egress prod-eu -o csv > firewall.csv
  portreeve egress prod-eu --diff
  portreeve egress prod-eu --export -o csv > handed-over.csv
  portreeve egress prod-eu -o networkpolicy -n build | kubectl apply -f -
  portreeve egress prod-eu -o cilium -n build

Without a control plane, from a policy alone: portreeve hosts -p FILE."""


@click.command(epilog=EPILOG)
@click.argument("environment")
@click.option(
    "--diff", is_flag=True, help="Only what is new or gone since the last export; exit code 1 if there is any."
)
@click.option("--export", is_flag=True, help="Remember this as handed over: the next --diff begins here.")
@click.option("-n", "--namespace", cls=NamedOption, metavar="NS", help="Where the rules for pods go.")
@output_option("table", "wide", "json", "yaml", "csv", "name", "networkpolicy", "cilium")
@no_headers_option
@server_options
@terminal_options
def command(environment: str, diff: bool, export: bool, namespace: str | None, output: str, no_headers: bool) -> int:
    """List the hosts that an environment must reach for the registries granted there, with port, purpose and reason.

    Images are pulled by nodes, so the list is for the firewall around them. networkpolicy and cilium are for pods that
    pull by themselves: builders, mirrors, agents. A NetworkPolicy knows no names and holds the addresses of now.
    """
    base = f"/api/v1/environments/{quote(environment, safe='')}/egress"
    with connected() as client:
        if output in {"networkpolicy", "cilium"}:
            query = {"format": output, "namespace": namespace}
            for part in client.content(f"{base}/rules", query):
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            if export:
                client.change("POST", f"{base}/exports")
            return 0
        found = client.change("POST", f"{base}/exports").body if export else client.get(base)
    if diff:
        return _difference(found, output)
    _hosts(found, output, headed=not no_headers)
    return 0


def _difference(found: Mapping[str, Any], output: str) -> int:
    from portreeve.cli.output import write

    changed, terminal = found["changed"], current()
    if output in {"json", "yaml"}:
        write({"changed": changed, "lastExport": found["lastExport"]}, output)
    else:
        for sign, part in (("+", "added"), ("-", "removed")):
            for rule in changed[part]:
                terminal.data(f"{sign} {rule['host']}:{rule['port']}")
    last = found["lastExport"]
    terminal.note(f"since {last['at']}, by {last['by']}" if last else "nothing was exported yet: all of it is new")
    return 1 if changed["added"] or changed["removed"] else 0


def _hosts(found: Mapping[str, Any], output: str, *, headed: bool) -> None:
    from portreeve.cli.output import write, write_rows

    terminal, columns = current(), ("host", "port", "purpose", "provider", "certain", "because", "note")
    hosts = [
        {**one, "certain": "yes" if one["certain"] else "no", "because": " ".join(one["because"])}
        for one in found["hosts"]
    ]
    match output:
        case "json" | "yaml":
            write(found, output)
        case "csv":
            write_rows(hosts, columns, headed=headed)
        case "name":
            for host in dict.fromkeys(one["host"] for one in hosts):
                terminal.data(host)
        case _:
            shown = columns if output == "wide" else columns[:6]
            rows = [[str(one[column]) for column in shown] for one in hosts]
            terminal.table([column.upper() for column in shown], rows, headed=headed)
