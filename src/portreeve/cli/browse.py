"""`portreeve browse`: what is in a registry: its repositories, a repository's tags, one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import no_headers_option, output_option
from portreeve.cli.terminal import current, terminal_options

if TYPE_CHECKING:
    from portreeve.client import Client

MOST: Final = 200
"""Rows where nobody said how many: what a person looks through."""

REPOSITORIES: Final = (
    ("NAME", "name"),
    ("TAGS", "tags"),
    ("PUSHED", "pushedAt"),
    ("PULLS", "pulls"),
    ("RUNNING", "runningIn"),
)
TAGS: Final = (
    ("TAG", "name"),
    ("DIGEST", "digest"),
    ("SIZE", "sizeBytes"),
    ("PLATFORMS", "platforms"),
    ("PUSHED", "pushedAt"),
    ("PULLED", "pulledAt"),
    ("RUNNING", "runningIn"),
)

EPILOG = """\b
Examples:
  portreeve browse harbor-prod
  portreeve browse harbor-prod --search api
  portreeve browse harbor-prod/shop/api --limit 20
  portreeve browse harbor-prod/shop/api:1.4 -o json
  portreeve browse harbor-prod/shop/api@sha256:…"""


@click.command(epilog=EPILOG)
@click.argument("what", metavar="REGISTRY[/REPO[:TAG]]")
@click.option("--search", default="", metavar="TEXT", help="Only names that hold this.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=MOST, show_default=True, help="At most so many."
)
@output_option("table", "json", "yaml", "csv", "name")
@no_headers_option
@server_options
@terminal_options
def command(what: str, search: str, limit: int, output: str, no_headers: bool) -> int:
    """Show repositories, tags or one image of a registry, as the control plane sees them.

    Where a registry lists no repositories, those that environments run are shown, and it says so.
    """
    registry, repository, reference = parts(what)
    with connected() as client:
        base = f"/api/v1/registries/{quote(registry, safe='')}"
        if not repository:
            _rows(
                client, f"{base}/repositories", {"search": search}, REPOSITORIES, output, limit, headed=not no_headers
            )
        elif not reference:
            query = {"search": search, "repository": repository}
            _rows(client, f"{base}/tags", query, TAGS, output, limit, headed=not no_headers)
        else:
            _image(client.get(f"{base}/image", {"repository": repository, "reference": reference}), output)
    return 0


def parts(what: str) -> tuple[str, str, str]:
    """Registry, repository and tag or digest; what is not there is "".

    Raises:
        Invalid: `usage`.
    """
    from portreeve.errors import Invalid

    registry, slash, path = what.partition("/")
    if not registry or (slash and not path):
        raise Invalid("usage", "nothing is named to look at", hint="portreeve browse REGISTRY[/REPO[:TAG]]")
    repository, at, digest = path.partition("@")
    if at:
        return registry, repository, digest
    repository, _, tag = path.partition(":")
    return registry, repository, tag


def _rows(
    client: Client,
    path: str,
    query: Mapping[str, Any],
    columns: Sequence[tuple[str, str]],
    output: str,
    limit: int,
    *,
    headed: bool,
) -> None:
    from portreeve.cli.listing import NOTHING, text
    from portreeve.cli.output import write, write_rows

    terminal = current()
    items, metadata = client.listed(path, query, most=limit)
    if metadata.get("note"):
        terminal.note(f"note: {metadata['note']}")
    titles = [title for title, _ in columns]
    if output in {"json", "yaml"}:
        write({"metadata": {"source": metadata.get("source"), "note": metadata.get("note")}, "items": items}, output)
    elif output == "name":
        for item in items:
            terminal.data(str(item["name"]))
    elif output == "csv":
        write_rows(({title: item.get(field) for title, field in columns} for item in items), titles, headed=headed)
    elif not items:
        terminal.note("nothing there")
    else:
        shown = [[_cell(field, item.get(field), text) or NOTHING for _, field in columns] for item in items]
        terminal.table(titles, shown, headed=headed)
        if len(items) >= limit:
            terminal.note(f"the first {limit}; --limit shows more, --search fewer")


def _cell(field: str, value: Any, text: Any) -> str:
    if field == "digest" and value:
        return str(value)[:19]
    if field == "sizeBytes" and value is not None:
        return size(int(value))
    return str(text(value))


def size(count: int) -> str:
    """Bytes as a person reads them."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _image(found: Mapping[str, Any], output: str) -> None:
    from portreeve.cli.output import write
    from portreeve.cli.terminal import safe

    terminal = current()
    if output in {"json", "yaml"}:
        write(found, output)
        return
    if output == "name":
        terminal.data(str(found["pin"]))
        return
    artifacts = found.get("artifacts")
    told = (
        "not told" if artifacts is None else ", ".join(f"{count} {kind}" for kind, count in artifacts.items()) or "none"
    )
    for title, value in (
        ("Image", found["pin"]),
        ("Digest", found["digest"]),
        ("Type", found["mediaType"]),
        ("Holds", found.get("artifactType") or "several images"),
        ("Created", found.get("createdAt") or "not told"),
        ("Refers to it", told),
    ):
        terminal.data(f"{title + ':':<14}{safe(str(value))}")
    terminal.data("Platforms:")
    for one in found["platforms"]:
        amount = "?" if one["sizeBytes"] is None else size(one["sizeBytes"])
        terminal.data(f"  {safe(one['platform'] or 'one image'):<20}{amount:>12}  {one['digest']}")
    if found["usedBy"]:
        terminal.data("Runs as:")
    for one in found["usedBy"]:
        terminal.data(safe(f"  {one['environment']}/{one['namespace'] or '-'} {one['owner']}"))
