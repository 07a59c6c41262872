"""The log's signing key: a file `audit.key`, made once, readable by us alone, and never in the database.

All replicas of a log read the same file. Source: threat AU-01; the form is that of `vault.notes`.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from portreeve.errors import PortreeveError, Stalled
from portreeve.vault import notes
from portreeve.vault.notes import SigningKey

NAME: Final = "audit.key"
MAX_BYTES: Final = 1024


def read(path: Path) -> SigningKey | None:
    """The key in the file; None if there is no file.

    Raises:
        Stalled: `audit_key_file`: it cannot be used, or others could.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(f"it cannot be opened ({error.strerror})", "name the file itself, and let us read it") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
            raise _unusable("it is no regular file, or others may use it", f"chmod 600 {NAME}")
        if status.st_uid not in {os.geteuid(), 0}:
            raise _unusable(f"it belongs to user {status.st_uid}", "chown it to the user that we run as")
        text = file.read(MAX_BYTES)
    try:
        return notes.parse_signing_key(text.decode("ascii").removesuffix("\n"))
    except (PortreeveError, ValueError):
        raise _unusable("it holds no signing key (not shown)", "put the key back from where a copy is kept") from None


def make(path: Path, name: str) -> SigningKey:
    """Make a key for the log of that name. If another replica was quicker, theirs is the key.

    Raises:
        Stalled: `audit_key_file`: it cannot be written.
    """
    key = notes.generate(name)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp makes it 0600. Linking is what makes a whole file appear at once, and never over another.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".audit.key-")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{key.reveal()}\n")
                file.flush()
                os.fsync(descriptor)
            try:
                os.link(temporary, path)
            except FileExistsError:
                key = read(path) or key
        finally:
            Path(temporary).unlink()
        sync_directory(path.parent)
    except OSError as error:
        raise _unusable(f"it cannot be written ({error.strerror})", "make its directory writable for us") from None
    return key


def sync_directory(directory: Path) -> None:
    """Make what was created in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(why: str, hint: str) -> Stalled:
    return Stalled("audit_key_file", f"the key of the audit log, {NAME}, cannot be used: {why}", hint=hint)
