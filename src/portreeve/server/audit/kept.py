"""Checkpoints outside the database: `checkpoints.txt`, to which each is appended before the database gets it.

Who can write the database alone can cut the log, restore an old one, or write it anew; the tree then contradicts the
last checkpoint in this file, and nothing is signed any more. The file is only appended to: notes as verifiers take
them, each with an empty line behind it. Half a note, left by a crash, is passed over. Source: threat AU-01.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from portreeve.core.checkpoint import MAX_NOTE_BYTES, Note, parse
from portreeve.errors import Invalid, Unavailable
from portreeve.server.audit.key_file import sync_directory

NAME: Final = "checkpoints.txt"
_END: Final = b"\n\n"
_NOTE: Final = re.compile(rb"(?:[^\n]+\n){3}\n(?:\xe2\x80\x94 [^\n]+\n)+(?=\n)")


class KeptFile:
    """The file in this directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def last(self) -> Note | None:
        """The last whole note; None if there is no file, or none in it. Its signature is not verified here.

        Raises:
            Unavailable: `audit_checkpoint_file`.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * MAX_NOTE_BYTES))
                tail = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(error) from None
        for found in reversed(_NOTE.findall(tail)):
            try:
                return parse(found)
            except Invalid:
                continue
        return None

    def append(self, note: Note) -> None:
        """Write a note, and wait until it is on the disk.

        Raises:
            Unavailable: `audit_checkpoint_file`.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(self._path, flags, 0o600), "r+b", buffering=0) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - len(_END)))
                torn = size > 0 and file.read(len(_END)) != _END
                text = (_END if torn else b"") + str(note).encode() + b"\n"
                # A short write is what a full disk gives; what it leaves is passed over like what a crash leaves.
                if file.write(text) != len(text):
                    raise OSError(28, "the disk is full")
                os.fsync(file.fileno())
            sync_directory(self._path.parent)
        except OSError as error:
            raise _unusable(error) from None


def _unusable(error: OSError) -> Unavailable:
    return Unavailable(
        "audit_checkpoint_file",
        f"the file of checkpoints, {NAME}, cannot be read or written ({error.strerror})",
        hint="see that its directory is there, ours to write, and not full",
    )
