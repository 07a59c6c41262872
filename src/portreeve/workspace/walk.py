"""Find the input files under the paths a user names: in a stable order, without loops, without leaving the root.

Skipped in a walk: `.git`, `node_modules` and hidden directories but `.github`, where workflows stand. A symbolic link
that leaves the root is told and not followed; a link to a directory inside is not followed, for the directory itself is
in the walk. A path that the user names is followed wherever it leads.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SKIPPED: Final = frozenset({"node_modules"})
_KEPT: Final = frozenset({".github"})
_YAML: Final = (".yaml", ".yml", ".json")
CHART: Final = "Chart.yaml"
KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read. `named`: the user named it, so that nothing about it is passed over quietly."""

    path: Path
    named: bool


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory that its own tool renders. `marker` is the file that says so."""

    path: Path
    marker: Path


@dataclass(frozen=True, slots=True)
class Unusable:
    """A path that is no input, and why. Codes: `missing`, `not_a_file`, `outside_root`, `unreadable`."""

    path: Path
    code: str
    reason: str


Entry = Found | Directory | Unusable


def walk(path: Path) -> Iterator[Entry]:
    """Give what a user's path holds, directories depth first, names sorted.

    The directory of a chart or kustomization comes as a Directory, ahead of the files in it.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        yield Unusable(path, "not_found", "no such file or directory")
        return
    except (OSError, ValueError) as error:
        yield Unusable(path, "unreadable", _why(error))
        return
    if stat.S_ISDIR(mode):
        yield from _walk_directory(path)
    elif stat.S_ISREG(mode):
        yield from _named_file(path)
    else:
        yield Unusable(path, "not_a_file", f"a {_file_type(mode)} is not read; pass its content on standard input")


def is_dockerfile(name: str) -> bool:
    """Say whether a file's name is one that builders take for a Dockerfile."""
    name = name.lower()
    if name.endswith(".dockerignore"):
        return False
    return name in {"dockerfile", "containerfile"} or name.endswith((".dockerfile", ".containerfile")) or (
        name.startswith(("dockerfile.", "containerfile."))
    )  # fmt: skip


def is_input(name: str) -> bool:
    """Say whether a walk reads a file of this name."""
    return name.lower().endswith(_YAML) or is_dockerfile(name)


def _named_file(path: Path) -> Iterator[Entry]:
    if path.name in KUSTOMIZATIONS or path.name == CHART:
        yield Directory(path.parent, path)
    else:
        yield Found(path, named=True)


def _walk_directory(root: Path) -> Iterator[Entry]:
    real_root = os.path.realpath(root)
    stack: list[Path | Entry] = [root]
    while stack:
        top = stack.pop()
        if not isinstance(top, Path):
            yield top
            continue
        try:
            entries = sorted(os.scandir(top), key=lambda entry: entry.name)
        except OSError as error:
            yield Unusable(top, "unreadable", _why(error))
            continue
        names = {entry.name for entry in entries}
        for marker in (*KUSTOMIZATIONS, CHART):
            if marker in names:
                yield Directory(top, top / marker)
                break
        children = (child for entry in entries if (child := _child(top, entry, real_root)) is not None)
        stack += reversed(list(children))


def _child(parent: Path, entry: os.DirEntry[str], real_root: str) -> Path | Entry | None:
    path = parent / entry.name
    try:
        if entry.is_symlink():
            return _link(path, real_root)
        if entry.is_dir():
            hidden = entry.name.startswith(".") and entry.name not in _KEPT
            return None if hidden or entry.name in _SKIPPED else path
        if not is_input(entry.name) or entry.name in (*KUSTOMIZATIONS, CHART):
            return None
        if not entry.is_file():
            return Unusable(path, "not_a_file", f"a {_file_type(entry.stat().st_mode)} is not read")
    except OSError as error:
        return Unusable(path, "unreadable", _why(error))
    return Found(path, named=False)


def _link(path: Path, real_root: str) -> Entry | None:
    target = os.path.realpath(path)
    directory = Path(target).is_dir()
    if not directory and not is_input(path.name):
        return None
    if os.path.commonpath([real_root, target]) != real_root:
        return Unusable(path, "outside_root", "a symbolic link that leads out of the given directory is not followed")
    if directory:
        return _hidden_target(path, target, real_root)
    if not Path(target).exists():
        return Unusable(path, "unreadable", "a symbolic link to nothing")
    return Found(path, named=False)


def _hidden_target(path: Path, target: str, real_root: str) -> Entry | None:
    """A link to a directory that the walk itself passes over would hide what stands there."""
    parts = Path(target).relative_to(real_root).parts
    passed_over = any((part.startswith(".") and part not in _KEPT) or part in _SKIPPED for part in parts)
    if passed_over and not path.name.startswith("."):
        return Unusable(path, "outside_root", "a symbolic link to a directory that is passed over is not followed")
    return None


def _file_type(mode: int) -> str:
    for is_type, name in (
        (stat.S_ISFIFO, "pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "device"),
        (stat.S_ISBLK, "device"),
    ):
        if is_type(mode):
            return name
    return "special file"


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
