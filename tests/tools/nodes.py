"""What node files mean to those that read them: containerd, and the library of Podman, Buildah and CRI-O.

    with NodeJudge(find_program(NODES, default_cache()).path) as judge:
        [answer] = judge.ask("policy", Path("policy.json"), ["ghcr.io/acme/api:1.4"])
        answer.allowed

Nothing is pulled and nobody is asked: `hosts` says whom containerd would ask.
Source: github.com/containerd/containerd/v2 and go.podman.io/image/v5, pinned in nodes/go.mod.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tests.tools.process import LineProcess


@dataclass(frozen=True)
class NodeAnswer:
    """About one reference. `hosts` are addresses or places that it would be pulled from, in that order."""

    allowed: bool
    error: str = ""
    hosts: tuple[str, ...] = ()


class NodeJudge:
    """The program, started once."""

    def __init__(self, program: Path) -> None:
        self._process = LineProcess([str(program)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.close()

    def ask(
        self, what: Literal["policy", "hosts", "registries"], path: Path, references: Sequence[str]
    ) -> list[NodeAnswer]:
        """Answers in the order of the references; a file that cannot be read fails the test."""
        question = {"ask": what, "path": str(path), "references": list(references)}
        answer = json.loads(self._process.ask(json.dumps(question).encode()))
        assert "error" not in answer, answer["error"]
        return [NodeAnswer(**{**each, "hosts": tuple(each.get("hosts", ()))}) for each in answer.get("results", [])]
