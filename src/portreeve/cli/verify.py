"""`portreeve verify`: whether something that was exported is what was signed. Today that is the audit log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from portreeve.cli.options import NamedOption, output_option
from portreeve.cli.terminal import Terminal, current, safe, terminal_options

if TYPE_CHECKING:
    from portreeve.core.audit_verify import Report, Trust
    from portreeve.core.checkpoint import VerifierKey, Verify

STANDARD_INPUT: Final = "-"
MAX_KEY_FILE_BYTES: Final = 65_536

EPILOG = """\b
Examples:
  portreeve verify audit audit.jsonl --key-file audit.pub
  portreeve verify audit audit.jsonl --key-file audit.pub --checkpoint kept.txt
  zcat audit.jsonl.gz | portreeve verify audit - --key-file audit.pub -o json
\b
Exit codes: 1 tampered, 2 error, 3 intact as far as checkpoints go but not to the end, 0 intact."""


@click.command(epilog=EPILOG)
@click.argument("what", type=click.Choice(["audit"]))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--key",
    "keys",
    cls=NamedOption,
    multiple=True,
    metavar="KEY",
    help="Public key of the log, NAME+ID+KEY; repeatable, for logs that changed theirs.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File with such keys, one on a line.",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A checkpoint that was kept elsewhere; without one, a log cut off or written anew is not found out.",
)
@output_option("table", "json")
@terminal_options
def command(
    what: str, file: Path, keys: tuple[str, ...], key_file: Path | None, checkpoint: Path | None, output: str
) -> int:
    """Verify an exported audit log: that no line was changed, dropped, moved or added since it was signed.

    The keys and the checkpoint must come by another way than the export. Nothing is asked of a server.
    """
    from portreeve.core.audit_verify import verify

    assert what == "audit", "the only choice"
    terminal = current()
    trust = _trust(keys, key_file, checkpoint)
    if str(file) == STANDARD_INPUT:
        report = verify(_lines(sys.stdin.buffer), trust)
    else:
        with file.open("rb") as stream:
            report = verify(_lines(stream), trust)
    if output == "json":
        from portreeve.cli.output import write

        write(_mapping(report, trust), output)
    else:
        _show(report, trust, terminal)
    return _exit_code(report)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines with their breaks; of one that is too long only as much as shows that it is."""
    from portreeve.core.audit_export import MAX_LINE_BYTES

    while line := stream.readline(MAX_LINE_BYTES + 1):
        yield line


def _trust(keys: tuple[str, ...], key_file: Path | None, checkpoint: Path | None) -> Trust:
    """The keys, and the kept checkpoint once one of them is seen to have signed it.

    Raises:
        Invalid: no key was given, or a key or the checkpoint cannot be used.
    """
    from portreeve.core.audit_verify import Trust
    from portreeve.core.checkpoint import MAX_NOTE_BYTES, opened, parse

    verify = _ed25519()
    trusted = tuple(_keys(keys, key_file))
    kept = opened(parse(_read(checkpoint, MAX_NOTE_BYTES)), trusted, verify) if checkpoint else None
    return Trust(trusted, verify, kept)


def _ed25519() -> Verify:
    """The signature algorithm: its library is the heaviest that we have, and only this needs it."""
    from portreeve.vault.notes import verify

    return verify


def _keys(keys: tuple[str, ...], key_file: Path | None) -> Iterator[VerifierKey]:
    from portreeve.core.checkpoint import parse_key
    from portreeve.errors import Invalid

    lines = _read(key_file, MAX_KEY_FILE_BYTES).decode(errors="replace").split("\n") if key_file else []
    texts = [*keys, *(line.strip() for line in lines if line.strip())]
    if not texts:
        hint = "--key KEY or --key-file FILE; the log's operator publishes it"
        raise Invalid("audit_key", "no key was given, so nothing can be trusted", hint=hint)
    yield from map(parse_key, texts)


def _read(file: Path, limit: int) -> bytes:
    from portreeve.errors import Invalid

    with file.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise Invalid("file_too_large", f"{safe(str(file))} is larger than {limit:,} bytes")
    return data


def _show(report: Report, trust: Trust, terminal: Terminal) -> None:
    colors = {"intact": "green", "tampered": "red", "incomplete": "yellow"}
    label = terminal.paint(report.result.upper(), colors[report.result], bold=True)
    found = report.finding
    if found:
        terminal.data(f"{label}  line {found.line}: {safe(found.message)} ({found.code})")
        proven = f"lines 1 to {found.after} are proven" if found.after else "nothing in front of it is proven"
        terminal.data(f"{' ' * 10}{proven}")
    else:
        terminal.data(f"{label}  {_summary(report)}")
    if trust.kept is None:
        terminal.note("note: without --checkpoint, a log that was cut off at a checkpoint or written anew is not found")


def _summary(report: Report) -> str:
    counted = f"{report.events} events, {report.checkpoints} checkpoints"
    kept = ", as the kept checkpoint says" if report.kept else ""
    if not report.uncovered:
        return f"{counted}{kept}" if report.checkpoints or report.kept else "no events and no checkpoint"
    return f"{counted}{kept}; {report.uncovered} events behind the last checkpoint are not covered"


def _mapping(report: Report, trust: Trust) -> dict[str, Any]:
    found = report.finding
    return {
        "result": str(report.result),
        "events": report.events,
        "checkpoints": report.checkpoints,
        "covered": report.covered,
        "uncovered": report.uncovered,
        "root": report.root.hex(),
        "keptCheckpoint": {"size": trust.kept.size, "compared": report.kept} if trust.kept else None,
        "finding": {"line": found.line, "code": found.code, "message": found.message, "provenLine": found.after}
        if found
        else None,
    }


def _exit_code(report: Report) -> int:
    from portreeve.core.audit_verify import Result
    from portreeve.core.findings import EXIT_INCOMPLETE, EXIT_OK, EXIT_VIOLATION

    return {Result.INTACT: EXIT_OK, Result.TAMPERED: EXIT_VIOLATION, Result.INCOMPLETE: EXIT_INCOMPLETE}[report.result]
