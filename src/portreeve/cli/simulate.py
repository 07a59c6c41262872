"""`portreeve simulate`: what a new policy would deny or allow in files that the old one did not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.options import NamedOption, PolicyOption, input_options, no_headers_option, output_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.core.judging import Judge
    from portreeve.core.simulation import Change, Effect

EPILOG = """\b
Examples:
  portreeve simulate --policy new.yaml --baseline old.yaml .
  portreeve simulate --policy new.yaml .               against no policy: everything runs today
  git show main:policy.yaml | portreeve simulate --policy policy.yaml --baseline - manifests/
\b
Exit codes: 1 something would newly be denied, 3 something could not be evaluated, 2 error."""

COLUMNS: Final = ("change", "image", "namespace", "before", "after", "reason", "uses", "file", "line")


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
    from portreeve.core.simulation import Effect, compare, tally

    terminal = current()
    baselines: tuple[Path, ...] = options["baselines"]
    refuse_two_readers(paths, (*policies, *baselines))
    new = _judge(policies, options["policy_name"], terminal)
    old = _judge(baselines, options["baseline_name"], terminal) if baselines else None
    found = gather(Inputs(paths, options["namespace"], options["include"], options["exclude"]))
    changes = compare(found.uses, new, old)
    counts = tally(changes, len(found.uses))
    _print(changes, counts, output, terminal, headed=not options["no_headers"])
    found.tell(terminal)
    if counts[Effect.DENIED]:
        return 1
    incomplete = bool(found.not_evaluated or counts[Effect.UNKNOWN])
    return 3 if incomplete and not options["allow_incomplete"] else 0


def _judge(paths: Sequence[Path], name: str | None, terminal: Terminal) -> Judge:
    from portreeve.cli.clock import now
    from portreeve.cli.policies import load
    from portreeve.core.judging import Judge

    return Judge(load(paths, name, terminal).sources, now())


def _print(
    changes: Sequence[Change], counts: dict[Effect, int], output: str, terminal: Terminal, *, headed: bool
) -> None:
    from portreeve.cli.output import write, write_rows
    from portreeve.core.simulation import Effect

    rows = [_row(change) for change in changes]
    tally = " · ".join(f"{count} {name}" for name, count in counts.items() if count or name is not Effect.UNKNOWN)
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
        "change": str(change.effect),
        "image": change.image,
        "namespace": change.namespace,
        "before": str(change.before),
        "after": str(change.after),
        "reason": change.reason,
        "uses": len(change.uses),
        "file": first.file,
        "line": first.line,
    }


def _print_change(row: dict[str, Any], terminal: Terminal) -> None:
    from portreeve.cli.terminal import safe

    color = {"newly denied": "red", "newly unknown": "yellow", "newly allowed": "green"}[row["change"]]
    label = terminal.paint(row["change"].upper(), color, bold=True)
    uses = "1 use" if row["uses"] == 1 else f"{row['uses']} uses"
    terminal.data(f"{label}  {safe(row['image'])}  in {safe(row['namespace'])}  {uses}")
    terminal.data(safe(f"      first: {row['file']}:{row['line']}"))
    terminal.data(safe(f"      {row['before']} -> {row['after']}: {row['reason']}"))


def _camel(name: str) -> str:
    first, _, rest = name.partition(" ")
    return first + rest.title()
