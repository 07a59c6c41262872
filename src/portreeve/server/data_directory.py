"""The directory of the embedded database: for its owner alone, and for one process at a time.

Theory of operation. The lock is one of the kernel's on an open file (flock), so it ends with the process however that
happens, and a file that was left behind locks nothing. The file says who holds the lock and at which address it
answers: for the message, and for `up --link`. It stays in place after the end, as removing it would let two processes
lock two files of one name.

Left out: network file systems, on which neither flock nor SQLite's own locks can be relied on.

Sources: flock(2); sqlite.org/howtocorrupt.html, section 2.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portreeve.errors import Conflict, Invalid

_MAX_NOTE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that uses a database; 0 and "" are not known."""

    pid: int = 0
    address: str = ""


class Lock:
    """A database's lock, held until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, address: str) -> None:
        """Write down who holds it, and where it answers."""
        note = json.dumps({"pid": os.getpid(), "address": address}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, note, 0)

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)


def prepare(directory: Path) -> None:
    """Make the directory, with its parents, or see that it is ours alone.

    Raises:
        Invalid: `data_directory`: it is none, another user's, or open to others.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise Invalid(
            "data_directory", f"{directory} cannot be made: {error.strerror}", hint="name another one with --data"
        ) from None
    if status.st_uid != os.geteuid():
        raise Invalid(
            "data_directory",
            f"{directory} belongs to user {status.st_uid}, we run as {os.geteuid()}",
            hint="name a directory of your own with --data",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise Invalid("data_directory", f"{directory} has mode {mode:04o}; others may use it", hint="chmod 700 it")


def lock(database: Path) -> Lock:
    """Take the lock of the embedded database at this path.

    Raises:
        Conflict: `data_in_use`, naming the process.
        Invalid: `data_directory`: the lock's file cannot be opened.
    """
    descriptor = _opened(database, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _read(descriptor)
        os.close(descriptor)
        who = f"process {found.pid}" if found.pid else "another process"
        raise Conflict(
            "data_in_use", f"{who} uses {database}", hint="stop it, or name another directory with --data"
        ) from None
    held = Lock(descriptor)
    held.tell("")
    return held


def holder(database: Path) -> Holder | None:
    """Who uses the database now; None: nobody."""
    try:
        descriptor = _opened(database, os.O_RDWR)
    except Invalid:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _opened(database: Path, flags: int) -> int:
    path = database.with_name(f"{database.name}.lock")
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Invalid(
            "data_directory", f"{path} cannot be opened: {error.strerror}", hint="see that we may write it"
        ) from None


def _read(descriptor: int) -> Holder:
    try:
        note = json.loads(os.pread(descriptor, _MAX_NOTE_BYTES, 0))
        return Holder(int(note["pid"]), str(note["address"]))
    except (ValueError, KeyError, TypeError):
        # Its holder has not written it yet.
        return Holder()
