"""`portreeve describe`: one document with everything that is known of it, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.kinds import KIND, Kind, at, name_of
from portreeve.cli.options import read_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve describe registry harbor-prod
  portreeve describe policy prod-sources -o json"""


@click.command(epilog=EPILOG)
@click.argument("kind", type=KIND)
@click.argument("name")
@read_option("table", "json", "yaml")
@server_options
@terminal_options
def command(kind: Kind, name: str, output: str) -> int:
    """Show one document and its status in full."""
    with connected() as client:
        document = client.get(kind.path_of(name))
    if output != "table":
        from portreeve.cli import projection
        from portreeve.cli.output import write

        if not projection.write(output, document, [document]):
            write(document, output)
        return 0
    terminal = current()
    for line in lines(document):
        terminal.data(line)
    return 0


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The document as headed paragraphs."""
    from portreeve.cli.listing import text
    from portreeve.cli.terminal import safe

    for title, value in (
        ("Name", name_of(document)),
        ("Kind", document.get("kind")),
        ("Title", at(document, "spec.title")),
        ("Created", at(document, "status.createdAt")),
        ("Changed", at(document, "status.updatedAt")),
        ("Version", at(document, "status.observedGeneration")),
    ):
        if value not in (None, ""):
            yield f"{title + ':':<12}{safe(text(value))}"
    for part in ("labels", "annotations"):
        for name, value in (at(document, f"metadata.{part}") or {}).items():
            yield f"{part.title() + ':':<12}{safe(f'{name}={value}')}"
    for title, inner in (("Spec", document.get("spec")), ("Status", _state(document))):
        if inner:
            yield f"{title}:"
            yield from (f"  {safe(line)}" for line in _yaml(inner))


def _state(document: Mapping[str, Any]) -> dict[str, Any]:
    """The status without what stands in the lines above."""
    above = {"createdAt", "updatedAt", "observedGeneration", "etag", "uid"}
    return {name: value for name, value in (document.get("status") or {}).items() if name not in above}


def _yaml(value: Any) -> list[str]:
    from portreeve.wire.text import as_yaml

    return as_yaml(value).splitlines()
