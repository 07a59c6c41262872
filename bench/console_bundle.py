"""What a browser loads: gzipped bytes of the scripts and styles that the page asks for at once, and of all there are.

Pages are loaded when they are gone to, so the first figure is what everybody waits for.

Run: make bench, or python -m bench.console_bundle
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.figures import Figures

LIMIT_KB = 350
STATIC = Path(__file__).parents[1] / "src/portreeve/server/static"
REFERENCE = re.compile(r'(?:src|href)="\./(assets/[^"]+\.(?:js|css))"')


def kilobytes(names: set[str]) -> float:
    """Together, as they are sent to who takes gzip."""
    return sum((STATIC / f"{name}.gz").stat().st_size for name in names) / 1000


def main() -> None:
    """Measure, print, judge."""
    figures = Figures()
    first = set(REFERENCE.findall((STATIC / "index.html").read_text(encoding="utf-8")))
    every = {f"assets/{path.name}" for path in (STATIC / "assets").iterdir() if path.suffix in {".js", ".css"}}
    figures.show("console_first_load", kilobytes(first), "KB", LIMIT_KB)
    figures.show("console_every_page", kilobytes(every), "KB", LIMIT_KB)
    figures.finish()


if __name__ == "__main__":
    main()
