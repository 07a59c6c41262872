"""`portreeve hosts`: the hosts that nodes must reach for a policy's sources; a list for whoever keeps the firewall."""

from __future__ import annotations

from pathlib import Path

import click

from portreeve.cli.options import no_headers_option, output_option, policy_options
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve hosts -p policy.yaml
  portreeve hosts -p policy.yaml -o markdown > egress.md
  portreeve hosts -p policy.yaml -o name"""


@click.command(epilog=EPILOG)
@policy_options(required=True)
@output_option("table", "wide", "json", "yaml", "name", "csv", "markdown")
@no_headers_option
@terminal_options
def command(policies: tuple[Path, ...], policy_name: str | None, output: str, no_headers: bool) -> int:
    """List the hosts that nodes must reach for a policy's sources, with port, purpose and reason.

    Nothing is contacted. CERTAIN no means that the provider promises no fixed host: probe it from the cluster.
    """
    from portreeve.cli.output import write, write_rows
    from portreeve.cli.policies import load_documents
    from portreeve.core.egress import HEADER, host_needs, to_rows
    from portreeve.providers.firewall import needs

    terminal = current()
    chosen, documents = load_documents(policies, policy_name, terminal)
    rows = to_rows(host_needs(chosen.sources, documents.registries, needs=needs))
    headed = not no_headers
    match output:
        case "json" | "yaml":
            write({"policy": chosen.policy.name, "hosts": [_mapping(HEADER, row) for row in rows]}, output)
        case "csv":
            write_rows([dict(zip(HEADER, row, strict=True)) for row in rows], HEADER, headed=headed)
        case "name":
            for host in dict.fromkeys(row[0] for row in rows):
                terminal.data(host)
        case "markdown":
            for line in markdown(HEADER, rows):
                terminal.data(line)
        case _:
            width = len(HEADER) if output == "wide" else 6
            terminal.table([name.upper() for name in HEADER[:width]], [row[:width] for row in rows], headed=headed)
    return 0


def _mapping(header: tuple[str, ...], row: tuple[str, ...]) -> dict[str, object]:
    plain = dict(zip(header, row, strict=True))
    return {
        **plain,
        "port": int(plain["port"]),
        "certain": plain["certain"] == "yes",
        "because": plain["because"].split(),
    }


def markdown(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> list[str]:
    """A table; hosts stand as code, so that a star is no emphasis."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for host, *rest in rows:
        cells = [f"`{host}`", *(cell.replace("|", "\\|").replace("*", "\\*") for cell in rest)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
