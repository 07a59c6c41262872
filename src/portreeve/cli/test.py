"""`portreeve test`: the cases of PolicyTest documents against the policies they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portreeve.cli.options import output_option, report_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.core.fixtures import PolicyCase, PolicyTest

FORMATS = ("junit",)

EPILOG = """\b
Examples:
  portreeve test tests/prod-sources.yaml
  portreeve test policies/ --require-tests --report junit=results.xml
\b
Exit codes: 1 a case differs, 2 error (or no case and --require-tests), 0 otherwise."""


@dataclass(frozen=True, slots=True)
class Result:
    """One case and what was answered; `differences` is empty when it is as expected."""

    test: PolicyTest
    case: PolicyCase
    verdict: str
    canonical: str | None
    differences: tuple[str, ...]

    @property
    def name(self) -> str:
        """The case for a person."""
        return f"{self.case.image} in {self.case.namespace}"


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--require-tests", is_flag=True, help="Fail with exit code 2 when the files hold no case.")
@report_option(FORMATS)
@output_option("table", "json", "yaml")
@terminal_options
@click.pass_context
def command(
    ctx: click.Context, files: tuple[Path, ...], require_tests: bool, reports: tuple[str, ...], output: str
) -> int:
    """Run the test cases of policies: PolicyTest documents in files or folders.

    Each names its policy files, relative to itself, and images with the verdict that they must get. Exemptions are
    judged at the time of the run.
    """
    from portreeve.cli.reports import STANDARD_OUTPUT, asked, write
    from portreeve.errors import Invalid

    wanted = asked(reports, FORMATS)
    to_stdout = any(report.path == STANDARD_OUTPUT for report in wanted)
    if to_stdout and ctx.get_parameter_source("output") is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError(f"-o {output} and --report …=- both write to standard output; keep one", ctx)
    terminal = current()
    results = [result for test in _tests(files) for result in _run(test, terminal)]
    if require_tests and not results:
        raise Invalid("tests_missing", "no file holds a case", hint="docs/spec/policy-test.md shows a PolicyTest")
    for report in wanted:
        write(report, as_junit(results))
    _print(results, "none" if to_stdout else output, terminal)
    return 1 if any(result.differences for result in results) else 0


def _tests(files: Iterable[Path]) -> tuple[PolicyTest, ...]:
    from portreeve.cli.policies import placed, sources_of
    from portreeve.errors import Invalid
    from portreeve.wire.documents import read_policy_tests

    found = sources_of(files)
    try:
        return read_policy_tests(found)
    except Invalid as error:
        raise placed(error, found) from error


def _run(test: PolicyTest, terminal: Terminal) -> Iterator[Result]:
    from portreeve.cli.clock import now
    from portreeve.cli.policies import load
    from portreeve.core.verdict import judge

    sources = load([Path(test.file).parent / policy for policy in test.policies], None, terminal).sources
    for case in test.cases:
        verdict = judge(case.image, case.namespace, sources, now=now())
        differences = []
        if verdict.decision != case.verdict:
            differences.append(f"expected {case.verdict}, is {verdict.decision}: {verdict.reasons[0].message}")
        if case.canonical is not None and case.canonical != verdict.canonical:
            differences.append(f"expected canonical {case.canonical}, is {verdict.canonical}")
        yield Result(test, case, str(verdict.decision), verdict.canonical, tuple(differences))


def _print(results: Sequence[Result], output: str, terminal: Terminal) -> None:
    failed = sum(bool(result.differences) for result in results)
    tally = f"{len(results) - failed} passed · {failed} failed"
    if output == "table":
        for result in results:
            _print_case(result, terminal)
        terminal.data(tally)
    elif output == "none":
        terminal.note(tally)
    else:
        from portreeve.cli.output import write

        summary = {"passed": len(results) - failed, "failed": failed}
        write({"cases": list(map(_mapping, results)), "summary": summary}, output)


def _print_case(result: Result, terminal: Terminal) -> None:
    from portreeve.cli.terminal import safe

    label = terminal.paint("FAIL", "red", bold=True) if result.differences else terminal.paint("PASS", "green")
    why = f"  {'; '.join(result.differences)}" if result.differences else f"  {result.verdict}"
    terminal.data(
        f"{label}  {safe(f'{result.test.name}  {result.name}{why}  ({result.test.file} {result.case.field})')}"
    )


def _mapping(result: Result) -> dict[str, Any]:
    return {
        "test": result.test.name,
        "file": result.test.file,
        "field": result.case.field,
        "image": result.case.image,
        "namespace": result.case.namespace,
        "expected": str(result.case.verdict),
        "verdict": result.verdict,
        "canonical": result.canonical,
        "differences": list(result.differences),
    }


def as_junit(results: Sequence[Result]) -> str:
    """JUnit XML as CI systems read it: one suite for each PolicyTest.

    Source: testmoapp/junitxml, the common subset.
    """
    from xml.etree import ElementTree as Xml

    root = Xml.Element("testsuites", name="portreeve test")
    for name in dict.fromkeys(result.test.name for result in results):
        cases = [result for result in results if result.test.name == name]
        failed = sum(bool(case.differences) for case in cases)
        suite = Xml.SubElement(root, "testsuite", name=name, tests=str(len(cases)), failures=str(failed), errors="0")
        for one in cases:
            case = Xml.SubElement(suite, "testcase", classname=_xml(one.test.file), name=_xml(one.name))
            if one.differences:
                text = _xml("; ".join(one.differences))
                Xml.SubElement(case, "failure", message=text).text = text
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _xml(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    from portreeve.cli.terminal import safe

    return safe(text)
