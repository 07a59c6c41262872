"""`portreeve check`: every image in the given files, judged by a policy, or, without one, told as facts.

Findings are printed as they are found, so that the first line of a long answer comes at once. The exit code and every
report come from the one `Inspection` at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.options import (
    input_options,
    no_headers_option,
    output_option,
    policy_options,
    report_option,
)
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portreeve.cli.blocks import Blocks
    from portreeve.cli.inputs import Inputs
    from portreeve.cli.policies import Chosen
    from portreeve.cli.reports import Report
    from portreeve.core.findings import Finding, Inspection
    from portreeve.core.manifests import NotEvaluated
    from portreeve.workspace import Reading

FORMATS: Final = ("csv", "github", "json", "junit", "markdown", "openreports", "policyreport", "sarif")
"""Those of `portreeve.wire.reports`, which is not imported for --help; a test holds the two together."""

EPILOG = """\b
Examples:
  portreeve check .                                     what is in here, without a verdict
  portreeve check . -p policy.yaml                      judge it
  helm template . | portreeve check - -p policy.yaml    judge what a chart renders
  portreeve check . -p policies/ --report sarif=out.sarif --report markdown=summary.md
\b
The last result is kept for the first page of portreeve up, where CI is not set; portreeve info
shows the file. PORTREEVE_CHECK_KEEP=false keeps none.
\b
Exit codes: 1 a denied image under stage deny (--fail-on warn: or warn), 3 something could
not be evaluated, 2 error, 0 otherwise."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run was asked for."""

    inputs: Inputs
    policy: Chosen | None
    fail_on: str
    allow_incomplete: bool
    exit_zero: bool
    reports: tuple[Report, ...]
    policy_files: tuple[Path, ...]
    policy_name: str | None
    keep: bool | None

    def exit_code(self, inspection: Inspection) -> int:
        """What the inspection says, --exit-zero aside."""
        from portreeve.core.findings import FailOn, exit_code

        return exit_code(inspection, FailOn(self.fail_on), allow_incomplete=self.allow_incomplete)


@click.command(epilog=EPILOG)
@input_options()
@policy_options()
@click.option(
    "--fail-on",
    type=click.Choice(["deny", "warn", "none"]),
    default="deny",
    show_default=True,
    help="From which stage of the policy on a denied image makes the exit code 1.",
)
@click.option("--allow-incomplete", is_flag=True, help="Exit 0 instead of 3 where something could not be evaluated.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever was found; errors still exit 2.")
@click.option(
    "--keep/--no-keep",
    default=None,
    help="Keep the result for the first page of portreeve up.  [default: keep, unless CI is set]",
)
@report_option(FORMATS)
@output_option("table", "wide", "json", "yaml", "csv")
@no_headers_option
@terminal_options
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], output: str, **options: Any) -> int:
    """Judge every image in manifests, charts, Compose files, Dockerfiles, workflows.

    PATH is a file, a folder, or - for standard input. Without a policy nothing is judged: the answer is what images
    there are and what can be said of their names as fact.
    """
    from portreeve.cli.reports import STANDARD_OUTPUT, write_all

    run, terminal = _prepared(paths, **options), current()
    to_stdout = any(report.path == STANDARD_OUTPUT for report in run.reports)
    chosen = ctx.get_parameter_source("output") is not click.core.ParameterSource.DEFAULT
    if to_stdout and chosen:
        raise click.UsageError(f"-o {output} and --report …=- both write to standard output; keep one", ctx)
    form = "none" if to_stdout else output
    reading = run.inputs.open()
    inspection = _inspected(run, reading, terminal, form)
    write_all(run.reports, inspection)  # before the answer: if it fails, standard output holds the error alone
    _keep(run, inspection, reading, terminal)
    _print_rest(run, inspection, reading, terminal, form, headed=not options["no_headers"])
    return 0 if run.exit_zero else run.exit_code(inspection)


def _prepared(paths: tuple[str, ...], **options: Any) -> Run:
    """Everything that can be refused before anything is read."""
    from portreeve.cli.inputs import Inputs
    from portreeve.cli.reports import asked

    reports = asked(options["reports"], FORMATS)
    inputs = Inputs(paths, options["namespace"], options["include"], options["exclude"])
    policy = _policy(paths, options["policies"], options["policy_name"])
    return Run(
        inputs,
        policy,
        options["fail_on"],
        options["allow_incomplete"],
        options["exit_zero"],
        reports,
        options["policies"],
        options["policy_name"],
        options["keep"],
    )


def _policy(paths: tuple[str, ...], files: tuple[Path, ...], name: str | None) -> Chosen | None:
    if not files:
        return None
    # Reading documents costs more to import than everything else here: 0.2 s.
    from portreeve.cli.policies import load, refuse_two_readers

    refuse_two_readers(paths, files)
    return load(files, name, current())


def _inspected(run: Run, reading: Reading, terminal: Terminal, output: str) -> Inspection:
    """Read and judge; as text, print each finding on the way."""
    from portreeve.cli.clock import now
    from portreeve.core.findings import Inspection
    from portreeve.core.judging import Judge, findings
    from portreeve.core.policy import Stage

    judge = Judge(run.policy.sources if run.policy else None, now())
    stream = findings(run.inputs.items(reading), judge)
    kept, missing = _kept(stream, _blocks(run, terminal, output), terminal if output == "table" else None)
    return Inspection(
        policy=run.policy.policy.name if run.policy else None,
        stage=run.policy.policy.stage if run.policy else Stage.OFF,
        findings=tuple(kept),
        not_evaluated=tuple(missing),
    )


def _blocks(run: Run, terminal: Terminal, output: str) -> Blocks | None:
    from portreeve.cli.blocks import Blocks

    return Blocks(terminal, run.policy.sources) if run.policy and output == "table" else None


def _kept(
    stream: Iterator[Finding | NotEvaluated], blocks: Blocks | None, terminal: Terminal | None
) -> tuple[list[Finding], list[NotEvaluated]]:
    """Everything of the stream, printed on its way by way of `blocks` and `terminal` where they are given."""
    from portreeve.cli.blocks import show_not_evaluated
    from portreeve.core.findings import Finding

    kept: list[Finding] = []
    missing: list[NotEvaluated] = []
    for item in stream:
        if isinstance(item, Finding):
            kept.append(item)
            if blocks:
                blocks.show(item)
        else:
            missing.append(item)
            if terminal:
                show_not_evaluated(terminal, item)
    return kept, missing


def _keep(run: Run, inspection: Inspection, reading: Reading, terminal: Terminal) -> None:
    """Leave the result for the first page of `portreeve up`; whether that can be done changes nothing here."""
    from portreeve.cli import last_check

    if last_check.wanted(run.keep):
        code = 0 if run.exit_zero else run.exit_code(inspection)
        sources = run.policy.sources if run.policy else None
        asked = last_check.Asked(run.inputs, run.policy_files, run.policy_name, sources, code)
        last_check.keep(inspection, asked, reading.counts.objects, terminal)


def _print_rest(
    run: Run, inspection: Inspection, reading: Reading, terminal: Terminal, output: str, *, headed: bool
) -> None:
    """What can be said only at the end."""
    read = reading.counts
    terminal.detail(f"read {read.files} files, {read.documents} documents; {read.unrecognised} files name no image")
    if output == "table" and run.policy:
        terminal.data(_tally(run, inspection))
    elif output == "table":
        _print_inventory(run, inspection, reading, terminal)
    elif output == "wide":
        _print_wide(inspection, terminal, headed=headed)
    elif output != "none":
        _print_document(inspection, output)
    if output != "table":
        terminal.note(_tally(run, inspection))


def _tally(run: Run, inspection: Inspection) -> str:
    """`9 allowed · 1 denied · 0 not evaluated        exit 1`."""
    counts = inspection.summary
    parts = [
        f"{counts.allowed} allowed" if run.policy else f"{counts.unjudged} not judged (no policy)",
        f"{counts.denied} denied" if run.policy else "",
        f"{counts.unknown} unknown" if counts.unknown else "",
        f"{counts.not_evaluated} not evaluated",
    ]
    code = run.exit_code(inspection)
    aside = f" (--exit-zero; {code} without it)" if run.exit_zero and code else _aside(run, inspection, code)
    return f"{' · '.join(filter(None, parts))}        exit {0 if run.exit_zero else code}{aside}"


def _aside(run: Run, inspection: Inspection, code: int) -> str:
    """Why denied images did not make the exit code 1; silence there would look like a mistake."""
    if code == 1 or not inspection.summary.denied:
        return ""
    if run.fail_on == "none":
        return " (--fail-on none)"
    stage = inspection.stage
    return f" (stage {stage}: denied images are reported only)" if stage != "deny" else " (system namespaces: audited)"


def _print_inventory(run: Run, inspection: Inspection, reading: Reading, terminal: Terminal) -> None:
    from portreeve.cli.image_facts import by_source, counted, distinct, facts

    found = inspection.findings
    images, objects = counted(len(found), "image"), counted(reading.counts.objects, "object")
    terminal.data(f"{images} in {objects} ({distinct(found)} distinct)")
    rows = [(row.source, str(row.uses), str(row.distinct), str(row.by_digest)) for row in by_source(found)]
    if rows:
        terminal.table(("source", "uses", "distinct", "by digest"), rows)
    for fact in facts(found):
        terminal.data(f"{terminal.paint('!', 'yellow')} {fact}")
    if inspection.not_evaluated:
        terminal.data(
            f"! {len(inspection.not_evaluated)} not evaluated, see above        exit {run.exit_code(inspection)}"
        )
    terminal.data(f"No policy given: nothing was judged.   Next:  {_next(run.inputs.paths)}")


def _next(paths: tuple[str, ...]) -> str:
    """The command line that leads on, ready to be pasted."""
    from shlex import quote

    if "-" in paths:
        return "portreeve suggest - > policy.yaml with the same input, then portreeve check - -p policy.yaml"
    named = " ".join(map(quote, paths))
    return f"portreeve suggest {named} > policy.yaml && portreeve check {named} -p policy.yaml"


def _print_wide(inspection: Inspection, terminal: Terminal, *, headed: bool) -> None:
    from portreeve.cli.blocks import where

    rows = [
        (
            where(one.use),
            f"{one.use.kind}/{one.use.name}" if one.use.name else one.use.kind,
            one.use.container,
            one.use.image,
            one.canonical or "-",
            str(one.decision or "-"),
            str(one.verdict.reasons[0].field or one.verdict.reasons[0].code) if one.verdict else "-",
        )
        for one in inspection.findings
    ]
    rows += [(where(one), "-", "-", "-", "-", "NOT_EVALUATED", one.code) for one in inspection.not_evaluated]
    headers = ("FILE:LINE", "OBJECT", "CONTAINER", "IMAGE", "RESOLVED", "VERDICT", "RULE")
    terminal.table(headers, rows, headed=headed)


def _print_document(inspection: Inspection, output: str) -> None:
    import json
    import sys

    from portreeve.cli.reports import rendered
    from portreeve.wire.text import as_yaml

    text = rendered("json" if output == "yaml" else output, inspection)
    sys.stdout.write(as_yaml(json.loads(text)) if output == "yaml" else text)
