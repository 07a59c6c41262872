"""`portreeve get`: documents of one kind, as a table or for programs; with -w, what changes from now on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.kinds import KIND, Kind, name_of
from portreeve.cli.options import label_option, no_headers_option, read_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.client import Client

WATCH: Final = "/api/v1/watch"

EPILOG = """\b
Examples:
  portreeve get registries
  portreeve get access -l team=shop -o wide
  portreeve get policy prod-sources -o yaml
  portreeve get registries -o custom-columns=NAME:.metadata.name,HOST:.spec.host
  portreeve get teams -o 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'
  portreeve get exemptions -w"""


@click.command(epilog=EPILOG)
@click.argument("kind", type=KIND)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@read_option("table", "wide", "json", "yaml", "name", "csv")
@label_option("Only those with this label; repeatable, all must hold.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@click.option("--sort-by", type=click.Choice(["name", "age"]), default="name", show_default=True, help="Order of rows.")
@no_headers_option
@click.option("-w", "--watch", is_flag=True, help="Then show what changes, until interrupted.")
@server_options
@terminal_options
def command(kind: Kind, names: tuple[str, ...], output: str, labels: tuple[str, ...], **options: Any) -> int:
    """List documents of a kind, or show those that are named."""
    from portreeve.cli.documents import labels_checked
    from portreeve.errors import Invalid

    if names and labels:
        raise Invalid("usage", "-l chooses from all; names choose by themselves", hint="leave one of them out")
    labels_checked(labels)
    shown = Shown(kind, output, headed=not options["no_headers"])
    chosen = Chosen(names, labels, options["limit"], options["sort_by"])
    with connected() as client:
        if options["watch"]:
            _watch(client, shown, chosen)
            return 0
        rows, metadata = _read(client, kind, chosen)
    _write(shown, rows, rows[0] if names and len(rows) == 1 else _list(kind, rows, metadata))
    return 0


@dataclass(frozen=True, slots=True)
class Shown:
    """How rows are shown."""

    kind: Kind
    output: str
    headed: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows are meant, and in which order."""

    names: Sequence[str] = ()
    labels: Sequence[str] = ()
    limit: int | None = None
    order: str = "name"

    def has(self, document: Mapping[str, Any]) -> bool:
        """Whether a document that an event tells of is one of them."""
        held = document.get("metadata", {}).get("labels", {})
        pairs = (label.split("=", 1) for label in self.labels)
        return (not self.names or name_of(document) in self.names) and all(held.get(key) == text for key, text in pairs)


def _read(client: Client, kind: Kind, chosen: Chosen) -> tuple[list[Any], Mapping[str, Any]]:
    if kind.single:
        return [client.get(kind.path)], {}
    if chosen.names:
        rows = [client.get(kind.path_of(name)) for name in dict.fromkeys(chosen.names)]
        return _sorted(rows[: chosen.limit], chosen.order), {}
    query = {"label": list(chosen.labels)} if chosen.labels else None
    rows, metadata = client.listed(kind.path, query, most=chosen.limit)
    return _sorted(rows, chosen.order), metadata


def _sorted(rows: list[Any], order: str) -> list[Any]:
    rows = sorted(rows, key=name_of)
    if order == "age":
        rows.sort(key=lambda row: str(row.get("status", {}).get("createdAt", "")), reverse=True)
    return rows


def _list(kind: Kind, rows: Sequence[Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    more = {name: value for name, value in metadata.items() if name != "continue"}
    return {"apiVersion": "portreeve.io/v1", "kind": f"{kind.name}List", "metadata": more, "items": list(rows)}


def _write(shown: Shown, rows: Sequence[Any], document: Mapping[str, Any]) -> None:
    """Write rows; `document` is all of them as one, for whoever reads JSON."""
    from portreeve.cli import listing, projection
    from portreeve.cli.clock import now
    from portreeve.cli.output import write, write_rows

    kind, output, headed = shown.kind, shown.output, shown.headed
    terminal = current()
    if projection.write(output, document, rows, headed=headed):
        return
    match output:
        case "json":
            write(document, output)
        case "yaml":
            from portreeve.wire.text import as_yaml

            sys.stdout.write(as_yaml(*rows) if rows else "")
        case "name":
            _write_names(rows, terminal)
        case "csv":
            columns = listing.headers(kind, wide=True)
            write_rows((listing.record(kind, row) for row in rows), columns, headed=headed)
        case _:
            wide = output == "wide"
            if not rows:
                terminal.note(f"no {kind.plural}")
                return
            cells = [listing.row(kind, row, now(), wide=wide) for row in rows]
            terminal.table(listing.headers(kind, wide=wide), cells, headed=headed)


def _write_names(rows: Iterable[Any], terminal: Terminal) -> None:
    for row in rows:
        terminal.data(name_of(row))


def _watch(client: Client, shown: Shown, chosen: Chosen) -> None:
    """What is there and then what changes, as events; with JSON one object on each line.

    Raises:
        Stalled: `watch_unsupported`: the control plane has no such stream.
    """
    from portreeve.cli import listing, projection
    from portreeve.errors import NotFound, Stalled

    terminal = current()
    told: set[str] = set()
    try:
        with client.events(WATCH, {"kind": shown.kind.plural}) as events:
            if shown.headed and isinstance(wanted := projection.read(shown.output), projection.Columns):
                terminal.data("  ".join(wanted.titles))
            if shown.headed and shown.output in {"table", "wide", "csv"}:
                titles = ["TYPE", *listing.headers(shown.kind, wide=shown.output != "table")]
                terminal.data(",".join(titles) if shown.output == "csv" else "  ".join(titles))
            for event in events:
                document = event.get("object") if isinstance(event, Mapping) else None
                # Of what is gone only the name is told, so labels cannot choose it.
                if isinstance(document, Mapping) and (chosen.has(document) or name_of(document) in told):
                    told.add(name_of(document))
                    _write_event(shown, str(event.get("type")), document, terminal)
                    terminal.flush()
    except NotFound as error:
        if error.code != "no_route":
            raise
        message = "this control plane cannot tell what changes"
        raise Stalled("watch_unsupported", message, hint="leave -w out, and ask again") from None
    terminal.note("the stream has ended")


def _write_event(shown: Shown, change: str, document: Mapping[str, Any], terminal: Terminal) -> None:
    import json

    from portreeve.cli import listing, projection
    from portreeve.cli.clock import now
    from portreeve.cli.output import write_rows
    from portreeve.cli.terminal import safe
    from portreeve.wire.text import as_yaml

    kind, output = shown.kind, shown.output
    # As with kubectl, a projection is of the document; only the other forms tell how it changed.
    if projection.write(output, document, [document], headed=False):
        return
    match output:
        case "json":
            terminal.data(json.dumps({"type": change, "object": document}, ensure_ascii=False))
        case "yaml":
            terminal.data("---\n" + as_yaml({"type": change, "object": document}).rstrip())
        case "name":
            terminal.data(safe(f"{change} {name_of(document)}"))
        case "csv":
            write_rows([{"TYPE": change, **listing.record(kind, document)}],
                       ["TYPE", *listing.headers(kind, wide=True)], headed=False)  # fmt: skip
        case _:
            cells = [change, *listing.row(kind, document, now(), wide=output == "wide")]
            terminal.data(safe("  ".join(cells)))
