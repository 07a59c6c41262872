"""How every benchmark prints its figures: `name value limit ok|FAIL`, one a line, and an exit code."""

from __future__ import annotations

import sys


class Figures:
    """Collects figures; a figure without a limit is shown beside the others and never fails."""

    def __init__(self) -> None:
        self._failed = False

    def show(self, name: str, value: float, unit: str = "", limit: float | None = None) -> None:
        """Print one figure; `limit` is the most it may be."""
        bound = "" if limit is None else f"  limit {limit:g}"
        verdict = "" if limit is None else ("  ok" if value <= limit else "  FAIL")
        self._failed |= limit is not None and value > limit
        print(f"{name:<58} {value:10.3f} {unit:<6}{bound}{verdict}", flush=True)

    def finish(self) -> None:
        """Exit with 1 if a figure exceeded its limit."""
        sys.exit(1 if self._failed else 0)
