"""Files for nodes of `portreeve render`: shown, put into an archive, or written into a folder.

In a folder, a list with the digest of every file (`portreeve-files.json`) says what is ours. What is not in it, or is
not as it says, somebody else has written: without --force it is left alone, and nothing is written at all. What is ours
and not wanted any more is removed, as a host's file that stays behind would go on opening that host.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from portreeve.cli.terminal import Terminal, safe
from portreeve.errors import Conflict, Invalid, Problem

if TYPE_CHECKING:
    from portreeve.core.node_files import NodeFiles

LIST: Final = "portreeve-files.json"
"""Beside the files, at the top: no reader of any form looks there."""

MAX_LIST_BYTES: Final = 16 << 20

EXIT_INEXACT: Final = 3
"""The files say less, or other, than the policy."""


class Act(StrEnum):
    """What becomes of a file."""

    WRITE = "written"
    KEEP = "unchanged"
    REMOVE = "removed"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the files go. Neither a folder nor an archive: to standard output."""

    directory: Path | None
    archive: Path | None
    form: str
    force: bool
    allow_wider: bool
    allow_incomplete: bool


def deliver(made: NodeFiles, target: Target, terminal: Terminal) -> int:
    """Say what the files cannot say, then write them. Returns: the exit code.

    Raises:
        Conflict: `file_not_ours`: somebody else's file is in the way. Invalid: `usage`.
    """
    from portreeve.core.node_files import Width

    for gap in made.gaps:
        terminal.warn(str(gap))
    if not target.allow_wider and any(gap.width is Width.WIDER for gap in made.gaps):
        terminal.warn(
            f"nothing was written: {made.form} would allow more than policy {made.policy} does; "
            "--allow-wider writes it, for nodes that admission guards as well"
        )
        return EXIT_INEXACT
    _put(made, target, terminal)
    terminal.note("note: a node spares no system namespace, as admission does: --protect takes what runs there")
    narrower = any(gap.width is Width.NARROWER for gap in made.gaps)
    return EXIT_INEXACT if narrower and not target.allow_incomplete else 0


def _put(made: NodeFiles, target: Target, terminal: Terminal) -> None:
    from portreeve.wire.node_files import as_text

    texts = {file.path: as_text(file) for file in made.files}
    if target.directory is not None:
        _write_folder(made, texts, target.directory, terminal, force=target.force)
    elif target.archive is not None:
        _write_archive({**texts, LIST: _list_of(made, texts)}, target.archive, terminal, force=target.force)
    elif target.form == "json":
        from portreeve.cli.output import write

        write(as_mapping(made, texts), "json")
    elif len(texts) == 1:
        sys.stdout.write(next(iter(texts.values())))
    else:
        raise Invalid(
            "usage", f"{made.form} are {len(texts)} files", hint="--directory DIR, --archive FILE.tar, or -o json"
        )


def as_mapping(made: NodeFiles, texts: Mapping[str, str]) -> dict[str, Any]:
    """The files and what they cannot say, for programs."""
    return {
        "format": str(made.form),
        "policy": made.policy,
        "generation": made.generation,
        "files": [{"path": f.path, "about": list(f.about), "content": texts[f.path]} for f in made.files],
        "gaps": [{"width": str(gap.width), "message": gap.message} for gap in made.gaps],
    }


def _list_of(made: NodeFiles, texts: Mapping[str, str]) -> str:
    from portreeve.wire.text import as_json

    files = {f.path: {"sha256": _digest(texts[f.path].encode()), "about": list(f.about)} for f in made.files}
    return as_json(
        {"format": str(made.form), "policy": made.policy, "generation": made.generation, "files": files}
        | {"gaps": [str(gap) for gap in made.gaps]}
    )


def _write_folder(
    made: NodeFiles, texts: Mapping[str, str], directory: Path, terminal: Terminal, *, force: bool
) -> None:
    before = _listed(directory)
    gone = [path for path in before if path not in texts and (directory / path).exists()]
    foreign = list(_foreign(directory, [*texts, *gone], before))
    if foreign and not force:
        raise Conflict(
            "file_not_ours",
            f"{len(foreign)} files in {safe(str(directory))} are not as portreeve wrote them; nothing was written",
            hint="move them away, or write over them with --force",
            problems=tuple(Problem("file_not_ours", why, path) for path, why in foreign),
        )
    strangers = _strangers(directory, made, {*texts, *before})
    rows = []
    for path, text in texts.items():
        rows.append((_written(directory / path, text), path))
    for path in gone:
        (directory / path).unlink()
        rows.append((Act.REMOVE, path))
    _written(directory / LIST, _list_of(made, texts))
    terminal.table(["FILE", "RESULT"], [[path, str(act)] for act, path in rows])
    for path in strangers:
        terminal.warn(f"not ours: {safe(path)} is read as well, and may open what the policy does not allow")


def _listed(directory: Path) -> dict[str, str]:
    """Path → digest, as our own list has them. A list that cannot be read claims nothing."""
    from portreeve.wire.document import Document
    from portreeve.wire.strict_json import read

    file = directory / LIST
    if not file.is_file() or file.stat().st_size > MAX_LIST_BYTES:
        return {}
    documents = list(read(file.read_bytes(), depth=8))
    value = documents[0].value if len(documents) == 1 and isinstance(documents[0], Document) else None
    files = value.get("files") if isinstance(value, dict) else None
    return {
        path: entry["sha256"]
        for path, entry in (files.items() if isinstance(files, dict) else ())
        if isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and _is_inside(path)
    }


def _is_inside(path: str) -> bool:
    """Whether a path of the list, which anybody may have edited, stays in its folder."""
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts


def _foreign(directory: Path, paths: Sequence[str], before: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Path and why, of what is there and not as we left it."""
    for path in paths:
        file = directory / path
        if file.is_symlink() or any((directory / parent).is_symlink() for parent in PurePosixPath(path).parents):
            yield path, "is, or lies behind, a symbolic link"
        elif file.exists() and path not in before:
            yield path, "was not written by portreeve"
        elif file.exists() and (not file.is_file() or _digest(file.read_bytes()) != before[path]):
            yield path, "was changed since"


def _strangers(directory: Path, made: NodeFiles, ours: set[str]) -> list[str]:
    """Files of others in the folders that a runtime reads whole."""
    patterns = {"containerd": "containerd/certs.d/*", "crio": "crio/policies/*.json"}
    pattern = patterns.get(str(made.form))
    found = sorted(directory.glob(pattern)) if pattern else []
    inside = {str(PurePosixPath(*PurePosixPath(path).parts[:3])) for path in ours}
    return [path for each in found if (path := each.relative_to(directory).as_posix()) not in inside]


def _written(file: Path, text: str) -> Act:
    """Write a file whole or not at all: a runtime may read it at any moment. Everybody may read it."""
    content = text.encode()
    if file.is_file() and not file.is_symlink() and file.read_bytes() == content:
        return Act.KEEP
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".portreeve-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Act.WRITE


def _write_archive(texts: Mapping[str, str], archive: Path, terminal: Terminal, *, force: bool) -> None:
    """A tar that is the same bytes for the same files: no times, no owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, text in texts.items():
            content = text.encode()
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    if str(archive) == "-":
        sys.stdout.buffer.write(buffer.getvalue())
        return
    if archive.exists() and not force:
        raise Conflict("file_not_ours", f"{safe(str(archive))} exists", hint="write over it with --force")
    archive.write_bytes(buffer.getvalue())
    terminal.table(["FILE", "RESULT"], [[path, str(Act.WRITE)] for path in texts])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
