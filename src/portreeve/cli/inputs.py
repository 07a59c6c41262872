"""The files that a verb was pointed at, as a stream of image uses: what is read, what is left out, how far it came."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from portreeve.cli.terminal import Terminal, safe
from portreeve.core.findings import EXIT_INCOMPLETE, EXIT_OK
from portreeve.core.manifests import ImageUse, NotEvaluated
from portreeve.errors import NotFound
from portreeve.workspace import Reading, read

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What to read. `include` and `exclude` are globs on paths; without `include` everything is meant."""

    paths: tuple[str, ...]
    namespace: str = "default"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def open(self) -> Reading:
        """Begin to read.

        Raises:
            NotFound: a path does not exist, which is a slip of the pen and no finding.
        """
        for path in self.paths:
            if path != STANDARD_INPUT and not Path(path).exists():
                raise NotFound("file_not_found", f"{safe(path)} does not exist", hint="name files, folders or -")
        return read(self.paths, sys.stdin.buffer, namespace=self.namespace)

    def wanted(self, file: str) -> bool:
        """Whether a file is meant."""
        return (not self.include or _matches(file, self.include)) and not _matches(file, self.exclude)

    def items(self, reading: Reading) -> Iterator[ImageUse | NotEvaluated]:
        """The stream of a reading without the files that are not meant."""
        return (item for item in reading if self.wanted(item.file))


def _matches(file: str, globs: Sequence[str]) -> bool:
    """Globs are matched against the path and its tails, as in .gitignore; `*` crosses slashes."""
    path = Path(file).as_posix()
    return any(fnmatchcase(path, glob) or fnmatchcase(path, f"*/{glob}") for glob in globs)


@dataclass(slots=True)
class Gathered:
    """All that was read, for verbs that need the whole before they can answer."""

    uses: list[ImageUse] = field(default_factory=list)
    not_evaluated: list[NotEvaluated] = field(default_factory=list)
    objects: int = 0

    @property
    def exit_code(self) -> int:
        """Of a verb that finds no violations: 3 when something could not be read."""
        return EXIT_INCOMPLETE if self.not_evaluated else EXIT_OK

    def tell(self, terminal: Terminal) -> None:
        """Say on standard error what could not be evaluated."""
        for item in self.not_evaluated:
            line = f":{item.line}" if item.line else ""
            terminal.warn(f"not evaluated: {safe(item.file)}{line}  {safe(item.reason)} ({item.code})")


def gather(inputs: Inputs) -> Gathered:
    """Read everything."""
    found = Gathered()
    reading = inputs.open()
    for item in inputs.items(reading):
        if isinstance(item, ImageUse):
            found.uses.append(item)
        else:
            found.not_evaluated.append(item)
    found.objects = reading.counts.objects
    return found
