"""The clock of the command line: the only place in it that reads the time.

Exemptions expire. One run has one time, so that two verdicts of it cannot disagree about the same exemption.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache


@cache
def now() -> datetime:
    """When this run began to ask for the time: UTC, aware."""
    return datetime.now(UTC)  # noqa: TID251 -- this is the one place that the rule names
