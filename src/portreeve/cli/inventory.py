"""`portreeve inventory`: what could run in an environment, who names which pull secret, and which pulls fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import click

from portreeve.cli.compared import FORMS, write_rows
from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, no_headers_option, read_option
from portreeve.cli.terminal import current, terminal_options

PARTS: Final = ("workload", "reference", "account", "missed", "failure")
"""What a row may be about."""

COLUMNS: Final = (
    ("WHAT", "what"),
    ("NAMESPACE", "namespace"),
    ("NAME", "name"),
    ("DETAIL", "detail"),
    ("PODS", "pods"),
    ("DO", "do"),
)

EPILOG = """\b
Examples:
  portreeve inventory prod-eu
  portreeve inventory prod-eu --only missed
  portreeve inventory prod-eu -n shop --only failure -o json"""


@click.command(epilog=EPILOG)
@click.argument("environment")
@click.option("-n", "--namespace", cls=NamedOption, metavar="NS", help="Only what is of this namespace.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Only rows about this; repeatable.")
@read_option(*FORMS)
@no_headers_option
@server_options
@terminal_options
def command(environment: str, namespace: str | None, only: Sequence[str], output: str, no_headers: bool) -> int:
    """Show what could run in an environment, who names which pull secret, and which pulls fail; with what to do.

    workload: an image of a template that does not run now, as of a CronJob. reference: a pull secret and who names it.
    account: a ServiceAccount that Argo CD or Flux keeps. missed: pods without our pull secret. failure: pulls that
    fail, by cause.
    """
    with connected() as client:
        path = f"/api/v1/environments/{quote(environment, safe='')}/inventory"
        spaces, metadata = client.listed(path, {"namespace": namespace})
    rows = [row for space in spaces for row in _rows(space) if not only or row["what"] in only]
    write_rows(rows, COLUMNS, output, headed=not no_headers)
    terminal = current()
    if not metadata.get("told"):
        terminal.note("its agent has told no inventory yet")
    if left := sum(space["leftOut"] for space in spaces):
        terminal.note(f"the agent left {left} rows out: there were too many")
    return 0


def _rows(space: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    namespace = space["namespace"]

    def row(what: str, name: str, detail: str, pods: int | None = None, do: str = "") -> dict[str, Any]:
        return {"what": what, "namespace": namespace, "name": name, "detail": detail, "pods": pods, "do": do}

    for one in space["workloads"]:
        yield row("workload", one["owner"], one["image"])
    for one in space["references"]:
        named = [*one["owners"], *(f"ServiceAccount/{name}" for name in one["serviceAccounts"])]
        more = [f"and {one['more']} more"] if one["more"] else []
        yield row("reference", one["secret"], " ".join(named + more), one["pods"])
    for one in space["serviceAccounts"]:
        yield row("account", one["name"], f"{one['tool']} {one['app']}")
    for one in space["missed"]:
        yield row("missed", one["owner"], one["why"], one["pods"], one["command"])
    for one in space["pullFailures"]:
        since = f" since {one['since']}" if one.get("since") else ""
        yield row("failure", one["owner"], f"{one['cause']} {one['image']}{since}", one["count"], one["do"])
