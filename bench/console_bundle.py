"""What a browser loads, in gzipped kilobytes of scripts and styles: the first page, the heaviest, and all there are.

A page is loaded when it is gone to, so nobody loads all of them at once: the limit is for what one page loads, and all
of them have one of their own, so that growth is noticed (ADR 0033). Which file needs which is in the manifest that the
build leaves beside them; it is not served.

Run: make bench, or python -m bench.console_bundle
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from bench.figures import Figures

LIMIT_KB = 350
ALL_KB = 500
STATIC = Path(__file__).parents[1] / "src/portreeve/server/static"


def files(manifest: dict[str, Any], entry: str, seen: set[str]) -> set[str]:
    """The scripts and styles that an entry needs, through whatever it imports at once."""
    if entry in seen:
        return set()
    seen.add(entry)
    one = manifest[entry]
    found = {one["file"], *one.get("css", ())}
    for imported in one.get("imports", ()):
        found |= files(manifest, imported, seen)
    return found


def kilobytes(names: set[str]) -> float:
    """Together, as they are sent to who takes gzip."""
    texts = (STATIC / name for name in names if name.endswith((".js", ".css")))
    return sum(len(gzip.compress(text.read_bytes(), 9)) for text in texts) / 1000


def main() -> None:
    """Measure, print, judge."""
    figures = Figures()
    manifest = json.loads((STATIC / ".vite/manifest.json").read_text(encoding="utf-8"))
    start = files(manifest, "index.html", set())
    pages = {name: start | files(manifest, name, set()) for name, one in manifest.items() if one.get("isDynamicEntry")}
    heaviest = max(pages, key=lambda name: kilobytes(pages[name]))
    fleet = next(name for name in pages if name.endswith("fleet/Fleet.tsx"))
    figures.show("console: the first page", kilobytes(pages[fleet]), "KB", LIMIT_KB)
    figures.show(f"console: the heaviest, {Path(heaviest).stem}", kilobytes(pages[heaviest]), "KB", LIMIT_KB)
    every = {path.relative_to(STATIC).as_posix() for path in (STATIC / "assets").iterdir()}
    figures.show(f"console: all {len(pages)} pages", kilobytes(every), "KB", ALL_KB)
    figures.finish()


if __name__ == "__main__":
    main()
