"""Durations as a person writes them: 24h, 30m, 7d."""

from __future__ import annotations

import re
from typing import Final

from portreeve.errors import Invalid

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """Seconds of a duration; without a unit only 0 is one.

    Raises:
        Invalid: `duration`.
    """
    found = re.fullmatch("([0-9]{1,7})([smhd]?)", text)
    if found is None or (not found[2] and int(found[1])):
        raise Invalid("duration", f"{text!r} is no duration", hint="write 24h, 30m, 7d, or 0 for none")
    return int(found[1]) * _UNITS[found[2]]
