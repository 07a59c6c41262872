"""Where tests keep what no failure of the machine has to leave behind: in memory, if there is enough of it.

A commit of SQLite waits for the disk, 1 to 5 ms, and a control plane makes some tens of them in a test. What a killed
process leaves is the same in both places.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")

ENOUGH_BYTES = 1 << 30
"""Free space that it must have, for the servers and databases of two workers, and their logs; Docker gives 64 MB."""


def in_memory(*, programs: bool = False) -> Path | None:
    """A directory in memory, None if it is too small or, where programs will be put, they may not be run from it."""
    try:
        if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ENOUGH_BYTES:
            return None
        return None if programs and os.statvfs(MEMORY).f_flag & os.ST_NOEXEC else MEMORY
    except OSError:  # there is none, or it is not for us
        return None
