"""`portreeve simulate`: what a new policy would deny or allow in files that the old one did not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.options import NamedOption, PolicyOption, input_options, no_headers_option, output_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.core.findings import Finding
    from portreeve.core.manifests import ImageUse

EPILOG = """\b
Examples:
  portreeve simulate --policy new.yaml --baseline old.yaml .
  portreeve simulate --policy new.yaml .               against no policy: everything runs today
  git show main:policy.yaml | portreeve simulate --policy policy.yaml --baseline - manifests/
\b
Exit codes: 1 something would newly be denied, 3 something could not be evaluated, 2 error."""

DENIED: Final = "newly denied"
ALLOWED: Final = "newly allowed"
UNKNOWN: Final = "newly unknown"
UNCHANGED: Final = "unchanged"

COLUMNS: Final = ("change", "image", "namespace", "before", "after", "reason", "uses", "file", "line")


@dataclass(frozen=True, slots=True)
class Change:
    """One image in one namespace whose verdict differs; `uses` in the order found, never empty."""

    change: str
    image: str
    namespace: str
    before: str
    after: str
    reason: str
    uses: tuple[ImageUse, ...]


@click.command(epilog=EPILOG)
@input_options()
@click.option(
    "-p",
    "--policy",
    "policies",
    cls=PolicyOption,
    type=click.Path(path_type=Path, allow_dash=True),
    multiple=True,
    required=True,
    metavar="NEW",
    help="The new policy, as for check -p.",
)
@click.option("--policy-name", metavar="NAME", help="Which RegistryPolicy, where several are given.")
@click.option(
    "--baseline",
    "baselines",
    cls=NamedOption,
    type=click.Path(path_type=Path, allow_dash=True),
    multiple=True,
    metavar="OLD",
    help="The policy of today; without it everything counts as allowed today.",
)
@click.option("--baseline-name", metavar="NAME", help="Which RegistryPolicy of the baseline.")
@click.option("--allow-incomplete", is_flag=True, help="Exit 0 instead of 3 where something could not be evaluated.")
@output_option("table", "json", "yaml", "csv")
@no_headers_option
@terminal_options
def command(paths: tuple[str, ...], policies: tuple[Path, ...], output: str, **options: Any) -> int:
    """Show what a new policy would deny or allow that the old one did not.

    Verdicts are compared, not stages: what a policy in audit would deny counts as denied. Changes are grouped by image
    and namespace, each with its first place.
    """
    from portreeve.cli.inputs import Inputs, gather
    from portreeve.cli.policies import refuse_two_readers

    terminal = current()
    baselines: tuple[Path, ...] = options["baselines"]
    refuse_two_readers(paths, (*policies, *baselines))
    new = _judge(policies, options["policy_name"], terminal)
    old = _judge(baselines, options["baseline_name"], terminal) if baselines else None
    found = gather(Inputs(paths, options["namespace"], options["include"], options["exclude"]))
    changes = compare(found.uses, new, old)
    counts = _counts(changes, len(found.uses))
    _print(changes, counts, output, terminal, headed=not options["no_headers"])
    found.tell(terminal)
    if counts[DENIED]:
        return 1
    incomplete = bool(found.not_evaluated or counts[UNKNOWN])
    return 3 if incomplete and not options["allow_incomplete"] else 0


def _judge(paths: Sequence[Path], name: str | None, terminal: Terminal) -> Any:
    from portreeve.cli.clock import now
    from portreeve.cli.judging import Judge
    from portreeve.cli.policies import load

    return Judge(load(paths, name, terminal).sources, now())


def compare(uses: Sequence[ImageUse], new: Any, old: Any | None) -> list[Change]:
    """Every change, the denied first, then by image and namespace. `old` None allowed everything."""
    grouped: dict[tuple[str, str, str, str, str, str], list[ImageUse]] = {}
    for use in uses:
        after = new.finding(use)
        before = str(old.finding(use).decision) if old else "ALLOW"
        for change in _change(before, after):
            key = (change, after.canonical or use.image, use.namespace, before, str(after.decision), _why(after))
            grouped.setdefault(key, []).append(use)
    order = (DENIED, UNKNOWN, ALLOWED)
    found = [Change(*key, tuple(held)) for key, held in grouped.items()]
    return sorted(found, key=lambda one: (order.index(one.change), one.image, one.namespace))


def _change(before: str, after: Finding) -> Iterator[str]:
    names = {"DENY": DENIED, "ALLOW": ALLOWED, "UNKNOWN": UNKNOWN}
    if after.decision and str(after.decision) != before:
        yield names[str(after.decision)]


def _why(finding: Finding) -> str:
    return finding.verdict.reasons[0].message if finding.verdict else ""


def _counts(changes: Sequence[Change], total: int) -> dict[str, int]:
    """Image uses by what becomes of them."""
    counts = {name: sum(len(one.uses) for one in changes if one.change == name) for name in (DENIED, ALLOWED, UNKNOWN)}
    return {**counts, UNCHANGED: total - sum(counts.values())}


def _print(changes: Sequence[Change], counts: dict[str, int], output: str, terminal: Terminal, *, headed: bool) -> None:
    from portreeve.cli.output import write, write_rows

    rows = [_row(change) for change in changes]
    tally = " · ".join(f"{count} {name}" for name, count in counts.items() if count or name != UNKNOWN)
    match output:
        case "csv":
            write_rows(rows, COLUMNS, headed=headed)
            terminal.note(tally)
        case "table":
            for row in rows:
                _print_change(row, terminal)
            terminal.data(tally)
        case _:
            write({"changes": rows, "summary": {_camel(name): count for name, count in counts.items()}}, output)


def _row(change: Change) -> dict[str, Any]:
    first = change.uses[0]
    return {
        "change": change.change,
        "image": change.image,
        "namespace": change.namespace,
        "before": change.before,
        "after": change.after,
        "reason": change.reason,
        "uses": len(change.uses),
        "file": first.file,
        "line": first.line,
    }


def _print_change(row: dict[str, Any], terminal: Terminal) -> None:
    from portreeve.cli.terminal import safe

    color = {DENIED: "red", UNKNOWN: "yellow", ALLOWED: "green"}[row["change"]]
    label = terminal.paint(row["change"].upper(), color, bold=True)
    uses = "1 use" if row["uses"] == 1 else f"{row['uses']} uses"
    terminal.data(f"{label}  {safe(row['image'])}  in {safe(row['namespace'])}  {uses}")
    terminal.data(safe(f"      first: {row['file']}:{row['line']}"))
    terminal.data(safe(f"      {row['before']} -> {row['after']}: {row['reason']}"))


def _camel(name: str) -> str:
    first, _, rest = name.partition(" ")
    return first + rest.title()
