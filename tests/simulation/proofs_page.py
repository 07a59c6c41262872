"""The table of docs/proofs.md, made from the mistakes: `python -m tests.simulation.proofs_page` writes it."""

from __future__ import annotations

from pathlib import Path

from tests.simulation.agent_mutants import MUTANTS

PAGE = Path(__file__).parents[2] / "docs/proofs.md"
HEAD = "| Mistake | Seen by | Where it has happened, or been met |\n|---|---|---|\n"


def table() -> str:
    """A row for each mistake."""
    return HEAD + "".join(
        f"| {name} | {mutant.invariant} | {mutant.upstream} |\n" for name, mutant in sorted(MUTANTS.items(), key=_order)
    )


def _order(row: tuple[str, object]) -> tuple[str, str]:
    return MUTANTS[row[0]].invariant, row[0]


def written() -> str:
    """The page with its table as it should be."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(HEAD.splitlines()[0])
    return before + table()


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
