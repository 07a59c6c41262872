"""What the build of the console has left in `server/static`: one page, and files whose names hold their hash.

Theory of operation. The directory is listed once. A request can name nothing but a key of that list, so no path of it
ever reaches the file system. Files are read when they are asked for and kept nowhere: a browser asks once in a year.
Beside each text lies what gzip makes of it, from the build.

The page refers to everything relative to its `<base>`, which is where the prefix of a proxy goes in; whichever page of
the console is asked for, the answer is this one.

Left out: Brotli (15 % less than gzip, for a package or a step of the build more), ranges, conditional requests (a file
never changes, and the page has no use for them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parents[1] / "static"
BASE: Final = re.compile('<base href="/" ?/?>')
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""What files may be, by their last suffix; others are not served. Source: the WHATWG's MIME Sniffing, and IANA."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `packed` is the same by gzip, where that is there."""

    path: Path
    media_type: str
    packed: Path | None


@dataclass(frozen=True, slots=True)
class Built:
    """A whole build. `page` is ready to be sent."""

    page: bytes
    assets: Mapping[str, Asset]


def read(directory: Path, prefix: str) -> Built | None:
    """The build in a directory, for browsers that come under this prefix; none if there is none that is whole."""
    try:
        page = (directory / "index.html").read_text(encoding="utf-8")
        names = {path.name for path in (directory / "assets").iterdir() if path.is_file()}
    except (OSError, ValueError):
        return None
    if len(BASE.findall(page)) != 1:
        return None
    based = f'<base href="{escape(prefix, quote=True)}/">'
    page = BASE.sub(lambda _: based, page)
    folder = directory / "assets"
    assets = {
        name: Asset(folder / name, TYPES[suffix], folder / f"{name}.gz" if f"{name}.gz" in names else None)
        for name in names
        if (suffix := Path(name).suffix) in TYPES
    }
    return Built(page.encode(), assets)
