"""How Docker's own parser reads image references: the judge of ours.

    with Oracle(find_program(ORACLE, default_cache()).path) as oracle:
        [answer] = oracle.parse_many(["nginx:1.27"])
        answer.string  # docker.io/library/nginx:1.27

Source: github.com/distribution/reference, pinned in oracle/go.mod.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.tools.process import LineProcess


@dataclass(frozen=True)
class OracleAnswer:
    """One reference, read by Docker's parser. Text that it has not, and all of it after an error, is empty.

    Args:
        error: why it is no reference.
        string: normalized, with the tag latest where there is neither tag nor digest.
        docker_ref: as containerd pulls it: where there is a digest, without the tag.
        familiar: as people write it.
    """

    ok: bool
    error: str = ""
    domain: str = ""
    path: str = ""
    tag: str = ""
    digest: str = ""
    string: str = ""
    docker_ref: str = ""
    familiar: str = ""


class Oracle:
    """The program, started once; a hundred thousand references take it about a second."""

    def __init__(self, program: Path) -> None:
        self._process = LineProcess([str(program)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.close()

    def parse(self, reference: str) -> OracleAnswer:
        return OracleAnswer(**json.loads(self._process.ask(_line(reference))))

    def parse_many(self, references: Sequence[str]) -> list[OracleAnswer]:
        """Answers in the order of the references.

        Raises:
            UnicodeEncodeError: a reference has a lone surrogate, which no other program can be told of.
        """
        lines = [_line(reference) for reference in references]
        return [OracleAnswer(**json.loads(answer)) for answer in self._process.ask_many(lines)]


def _line(reference: str) -> bytes:
    """JSON escapes line breaks, so that a reference with one is still a line."""
    return json.dumps(reference, ensure_ascii=False).encode()
