"""Files that name a cluster or hold a credential for it: bounded, and never a pipe or a device that would wait.

A message names the file and what it is for; never what stands in it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from portreeve.errors import Invalid, PortreeveError
from portreeve.wire.kubeconfig import MAX_FILE_BYTES


def read(path: Path, what: str) -> bytes:
    """The bytes of a file.

    Args:
        what: what it holds, for the message: "the token of the ServiceAccount".
    Raises:
        Invalid: `kubeconfig_file`: it is not there, not a file, not readable or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unusable(path, what, getattr(error, "strerror", None) or "it has no usable name") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unusable(path, what, "it is not a file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _unusable(path, what, f"it is larger than {MAX_FILE_BYTES:,} bytes")
    return data


def _unusable(path: Path, what: str, why: str) -> PortreeveError:
    return Invalid("kubeconfig_file", f"{path}: {what} cannot be read: {why}", hint="see the path and its permissions")
