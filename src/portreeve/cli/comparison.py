"""What files say against what the control plane has, document by document, both in their canonical form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from portreeve.cli.documents import Document, Key, Wanted, canonical, text

ONLY_IN_FILES = "only-in-files"
ONLY_ON_SERVER = "only-on-server"
DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that is not the same on both sides; a side without it is None."""

    key: Key
    stored: Document | None
    wanted: Document | None
    where: str = ""

    @property
    def change(self) -> str:
        """Where it is, or that it differs."""
        if self.stored is None:
            return ONLY_IN_FILES
        return ONLY_ON_SERVER if self.wanted is None else DIFFERS

    def record(self) -> dict[str, Any]:
        """As a program reads it."""
        kind, name = self.key
        return {"change": self.change, "kind": kind, "name": name, "stored": self.stored, "wanted": self.wanted}

    def unified(self) -> Iterator[str]:
        """The lines of a unified diff, from what is stored to what is wanted."""
        title = "/".join(self.key)
        before, after = (_lines(one) for one in (self.stored, self.wanted))
        yield from unified_diff(
            before,
            after,
            f"stored/{title}" if self.stored else "/dev/null",
            f"wanted/{title}" if self.wanted else "/dev/null",
            lineterm="",
        )


def _lines(document: Document | None) -> list[str]:
    return [] if document is None else text(document).splitlines()


def differences(
    wanted: Sequence[Wanted], stored: Mapping[Key, Mapping[str, Any]], *, both_ways: bool
) -> list[Difference]:
    """What differs, in the order in which documents are applied. `both_ways` also tells what only the server has."""
    found: list[Difference] = []
    for one in wanted:
        there = stored.get(one.key)
        before = None if there is None else canonical(there)
        if before != one.document:
            found.append(Difference(one.key, before, one.document, one.where))
    if both_ways:
        named = {one.key for one in wanted}
        found += [Difference(key, canonical(there), None) for key, there in stored.items() if key not in named]
    return found
