"""`portreeve images`: what images the files name, and with --why how one of them is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portreeve.cli.options import input_options, no_headers_option, policy_options, read_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portreeve.cli.inputs import Gathered
    from portreeve.core.manifests import ImageUse
    from portreeve.core.sources import ResolvedSources

EPILOG = """\b
Examples:
  portreeve images .
  portreeve images . -o name | sort -u
  portreeve images . --why nginx
  portreeve images --why registry.example.com/team/api:1.4 -p policy.yaml"""


@click.command(epilog=EPILOG)
@input_options(required=False)
@click.option("--why", metavar="IMAGE", help="Show how this image is read, what covers it, and where it is used.")
@policy_options()
@read_option("table", "wide", "json", "yaml", "name", "csv")
@no_headers_option
@terminal_options
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], why: str | None, output: str, **options: Any) -> int:
    """List the images in files; --why shows how one is read.

    One line for each distinct image, sorted by name. What could not be evaluated is told on standard error and makes
    the exit code 3.
    """
    from portreeve.cli.inputs import Gathered, Inputs, gather

    if not paths and why is None:
        raise click.UsageError("name files, folders or -, or give --why IMAGE", ctx)
    inputs = Inputs(paths, options["namespace"], options["include"], options["exclude"])
    terminal = current()
    sources = _sources(paths, options["policies"], options["policy_name"], terminal) if why is not None else None
    found = gather(inputs) if paths else Gathered()
    if why is not None:
        _why(why, options["namespace"], found if paths else None, sources, output)
    else:
        _list(found, output, terminal, headed=not options["no_headers"])
    found.tell(terminal)
    return found.exit_code


@dataclass(frozen=True, slots=True)
class Row:
    """One distinct image. `canonical` is None for what cannot be read safely; `written` has every spelling."""

    canonical: str | None
    written: tuple[str, ...]
    uses: tuple[ImageUse, ...]

    @property
    def name(self) -> str:
        """The canonical form, else the spelling."""
        return self.canonical or self.written[0]

    @property
    def files(self) -> list[str]:
        """The files that name it, sorted."""
        return sorted({use.file for use in self.uses})


def rows(uses: Iterable[ImageUse]) -> list[Row]:
    """Distinct images, sorted by name."""
    from portreeve.core.judging import canonical

    grouped: dict[tuple[str | None, str], list[ImageUse]] = {}
    for use in uses:
        name = canonical(use.image)
        grouped.setdefault((name, name or use.image), []).append(use)
    found = [Row(name, tuple(sorted({use.image for use in held})), tuple(held)) for (name, _), held in grouped.items()]
    return sorted(found, key=lambda row: row.name)


def _list(found: Gathered, output: str, terminal: Terminal, *, headed: bool) -> None:
    from portreeve.cli import projection
    from portreeve.cli.output import write, write_rows

    listed = rows(found.uses)
    document = {"images": list(map(_mapping, listed)), "notEvaluated": list(map(_missing, found.not_evaluated))}
    if projection.write(output, document, document["images"], headed=headed):
        return
    match output:
        case "name":
            for row in listed:
                terminal.data(row.name)
        case "csv":
            write_rows(map(_flat, listed), ["image", "readable", "uses", "files", "written", "first"], headed=headed)
        case "table" | "wide":
            _print_table(listed, terminal, wide=output == "wide", headed=headed)
        case _:
            write(document, output)


def _print_table(listed: list[Row], terminal: Terminal, *, wide: bool, headed: bool) -> None:
    from portreeve.cli.blocks import where

    headers = ["IMAGE", "USES", "FILES", "FIRST", *(["WRITTEN", "NAMESPACES"] if wide else [])]
    table = []
    for row in listed:
        cells = [row.name if row.canonical else f"{row.name} (cannot be read safely)", str(len(row.uses))]
        cells += [str(len(row.files)), where(row.uses[0])]
        cells += [", ".join(row.written), ", ".join(sorted({use.namespace for use in row.uses}))] if wide else []
        table.append(cells)
    terminal.table(headers, table, headed=headed)


def _flat(row: Row) -> dict[str, Any]:
    from portreeve.cli.blocks import where

    return {
        "image": row.name,
        "readable": "yes" if row.canonical else "no",
        "uses": len(row.uses),
        "files": len(row.files),
        "written": " ".join(row.written),
        "first": where(row.uses[0]),
    }


def _mapping(row: Row) -> dict[str, Any]:
    return {
        "canonical": row.canonical,
        "written": list(row.written),
        "uses": [
            {
                "file": use.file,
                "line": use.line,
                "kind": use.kind,
                "namespace": use.namespace,
                "name": use.name,
                "container": use.container,
                "place": str(use.place),
                "image": use.image,
            }
            for use in row.uses
        ],
    }


def _missing(item: Any) -> dict[str, Any]:
    return {"file": item.file, "line": item.line, "reason": item.reason}


def _why(image: str, namespace: str, found: Gathered | None, sources: ResolvedSources | None, output: str) -> None:
    from portreeve.cli import projection, trace
    from portreeve.cli.clock import now
    from portreeve.cli.output import write
    from portreeve.core.verdict import judge

    verdict = judge(image, namespace, sources, now=now()) if sources else None
    uses = trace.places(image, found.uses) if found is not None else None
    answer = trace.as_mapping(trace.trace(image), namespace, uses, sources, verdict)
    if projection.write(output, answer, [answer]):
        return
    if output in {"json", "yaml"}:
        write(answer, output)
        return
    if output not in {"table", "wide"}:
        raise click.UsageError(f"--why answers as table, json or yaml, not as {output}", click.get_current_context())
    trace.show(answer, current())
    if sources and verdict:
        trace.show_verdict(answer, verdict, sources, current())


def _sources(
    paths: tuple[str, ...], policies: tuple[Path, ...], name: str | None, terminal: Terminal
) -> ResolvedSources | None:
    if not policies:
        return None
    from portreeve.cli.policies import load, refuse_two_readers

    refuse_two_readers(paths, policies)
    return load(policies, name, terminal).sources
