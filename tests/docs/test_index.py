"""The map of rooms: every room and every module of core once, and every page once. A merge has doubled lines before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/portreeve"
INDEX = (ROOT / "docs/index.md").read_text(encoding="utf-8")


def first_columns() -> Iterator[str]:
    """What stands in first columns; a name without its room is in that of the first one of its row."""
    for row in re.findall(r"^\| (`.*?`) \|", INDEX, re.MULTILINE):
        names = re.findall(r"`(.+?)`", row)
        room = names[0].rpartition("/")[0]
        yield from (name if "/" in name or not room else f"{room}/{name}" for name in names)


ROWS = Counter(first_columns())

NOT_ROOMS = {"__init__.py", "py.typed", "version.py", "__pycache__"}


def rooms() -> set[str]:
    """The rooms, the rooms of the server, and the modules of core."""
    top = {f"{one.name}/" if one.is_dir() else one.name for one in SOURCE.iterdir() if one.name not in NOT_ROOMS}
    built = {"server/__pycache__/", "server/static/"}
    server = {f"server/{one.name}/" for one in (SOURCE / "server").iterdir() if one.is_dir()} - built
    core = {f"core/{one.name}" for one in (SOURCE / "core").glob("*.py")} - {"core/__init__.py"}
    return top | server | core


def test_every_room_is_on_the_map() -> None:
    assert not rooms() - set(ROWS)


def test_nothing_is_on_the_map_that_is_not_there() -> None:
    assert [name for name in ROWS if not (SOURCE / name).exists()] == []


def test_nothing_is_on_the_map_twice() -> None:
    links = Counter(re.findall(r"\]\((.+?)\)", INDEX))
    assert [name for name, times in (ROWS | links).items() if times > 1] == []


def test_every_page_is_on_the_map_and_there() -> None:
    links = set(re.findall(r"\]\((.+?)\)", INDEX))
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    # A provider has its page listed by its own map, and a decision too.
    listed = {page for page in pages if not page.startswith(("adr/", "providers/"))} | {"providers/README.md"}
    assert listed - {"index.md"} <= links
