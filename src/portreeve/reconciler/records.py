"""What is recorded as ours, on the disk before anything is done about it: a journal of one line for each change.

Theory of operation. `write` appends lines and returns when they are on the disk; a thousand namespaces that change
together cost one fsync. At the start the journal is read: of each name the last line counts, a line that was torn or
damaged counts for nothing, and what is left is written anew, whole, in the place of the old file. A record that is lost
that way is made again from the marks of the object (`core.reconcile`), so nothing is refused here because of one.

A line is the CRC-32 of the rest in hexadecimal, a space, and {"name": …, "record": {…} or null} as JSON.

Left out: what a record means. The directory is the agent's own (`agent.state`).

Source: reliability F-25, F-26.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from portreeve.errors import Unavailable

FILE: Final = "records.jsonl"

MOST_LINES: Final = 20_000
"""Lines that are appended before the journal is written anew: a few megabytes."""

Record = Mapping[str, Any]


class Journal:
    """The journal in a directory. Names are of any kind of record; whoever writes them keeps them apart."""

    def __init__(self, directory: Path) -> None:
        """
        Raises:
            Unavailable: `records_unwritable`.
        """
        self._path = directory / FILE
        self._held: dict[str, Record] = dict(_read(self._path))
        self._descriptor = -1
        self._lines = 0
        self._rewrite()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def held(self, kind: str) -> dict[str, Record]:
        """Name → record of everything of a kind: what stands behind `kind` and a slash."""
        begin = f"{kind}/"
        return {name.removeprefix(begin): record for name, record in self._held.items() if name.startswith(begin)}

    def write(self, kind: str, changes: Mapping[str, Record | None]) -> None:
        """Have these on the disk; None takes one away.

        Raises:
            Unavailable: `records_unwritable`: none of them counts as written.
        """
        named = {f"{kind}/{name}": record for name, record in changes.items()}
        data = b"".join(_line(name, record) for name, record in named.items())
        try:
            if self._descriptor < 0:
                self._rewrite()
            _write_all(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError as error:
            # A part of it may be there. The next write begins with the file as it should be.
            self.close()
            fault = _unwritable(self._path, error)
        else:
            self._lines += len(named)
            for name, record in named.items():
                if record is None:
                    self._held.pop(name, None)
                else:
                    self._held[name] = record
            if self._lines > MOST_LINES:
                self._rewrite()
            return
        raise fault

    def _rewrite(self) -> None:
        draft = self._path.with_name(f".{FILE}.new")
        self.close()
        try:
            with suppress(FileNotFoundError):
                draft.unlink()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(draft, flags, 0o600)
            try:
                _write_all(descriptor, b"".join(_line(name, record) for name, record in self._held.items()))
                os.fsync(descriptor)
                draft.replace(self._path)
                _sync_directory(self._path.parent)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            fault = _unwritable(self._path, error)
        else:
            self._descriptor, self._lines = descriptor, 0
            return
        raise fault


def _read(path: Path) -> Iterator[tuple[str, Record]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from None
    found: dict[str, Record] = {}
    for line in lines:
        read = _parsed(line)
        if read is None:
            continue
        name, record = read
        if record is None:
            found.pop(name, None)
        else:
            found[name] = record
    yield from found.items()


def _line(name: str, record: Record | None) -> bytes:
    text = json.dumps({"name": name, "record": record}, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def _parsed(line: bytes) -> tuple[str, Record | None] | None:
    total, _, text = line.partition(b" ")
    if total != f"{zlib.crc32(text):08x}".encode():
        return None
    try:
        read = json.loads(text)
        name, record = read["name"], read["record"]
    except (ValueError, KeyError, TypeError):
        return None
    return (name, record) if isinstance(name, str) and (record is None or isinstance(record, dict)) else None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _unwritable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        "records_unwritable",
        f"{path}: {error.strerror}",
        hint="nothing is done in the cluster until what is ours can be recorded; make room on the agent's disk",
    )
