"""`--report FORMAT=PATH`: what was asked for, checked before anything is read, and written whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from portreeve.core.findings import Inspection
from portreeve.errors import Invalid
from portreeve.version import __version__

STANDARD_OUTPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Report:
    """One report to write; `path` "-" is standard output."""

    format: str
    path: str


def asked(values: Sequence[str], formats: Sequence[str]) -> tuple[Report, ...]:
    """Read the values of --report and see that every one can be written.

    Raises:
        click.BadParameter: not FORMAT=PATH, an unknown format, or two reports to one place.
        Invalid: `report_unwritable`, naming the path.
    """
    reports = tuple(_parse(value, formats) for value in values)
    paths = [report.path for report in reports]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice:
        raise click.BadParameter(f"two reports go to {twice}", param_hint="--report")
    for report in reports:
        _refuse_unwritable(report.path)
    return reports


def _parse(value: str, formats: Sequence[str]) -> Report:
    name, equals, path = value.partition("=")
    if not equals or not path:
        raise click.BadParameter(f"{value!r} is not FORMAT=PATH, as in sarif=out.sarif", param_hint="--report")
    if name in formats:
        return Report(name, path)
    from difflib import get_close_matches

    near = get_close_matches(name, formats, n=1)
    hint = f"did you mean {near[0]}?" if near else f"formats: {', '.join(formats)}"
    raise click.BadParameter(f"there is no format {name!r}; {hint}", param_hint="--report")


def _refuse_unwritable(path: str) -> None:
    if path == STANDARD_OUTPUT:
        return
    target = Path(path)
    folder = target.parent
    why = (
        "is a folder" if target.is_dir()
        else f"its folder {folder} does not exist" if not folder.is_dir()
        else "its folder is not writable" if not os.access(folder, os.W_OK)
        else ""
    )  # fmt: skip
    if why:
        raise Invalid("report_unwritable", f"{path}: {why}", hint="name a file in a folder that you may write to")


def write_all(reports: Sequence[Report], inspection: Inspection) -> None:
    """Render and write every report."""
    for report in reports:
        write(report, rendered(report.format, inspection))


def rendered(form: str, inspection: Inspection) -> str:
    """The inspection in a report format."""
    render: Callable[..., Any] = import_module(f"portreeve.wire.reports.{form}").render
    return str(render(inspection, tool_version=__version__))


def write(report: Report, text: str) -> None:
    """Write text to a file in one step: whoever reads it sees the old report or the new one, never a part.

    Raises:
        Invalid: `report_unwritable`, naming the path.
    """
    if report.path == STANDARD_OUTPUT:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        return
    target = Path(report.path)
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")  # a pipe or a device has no old content to keep
            return
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        _fill(descriptor, Path(name), target, text)
    except OSError as error:
        raise Invalid("report_unwritable", f"{report.path}: {error.strerror}") from error


def _fill(descriptor: int, temporary: Path, target: Path, text: str) -> None:
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files that nobody else may read; a report is no secret
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
