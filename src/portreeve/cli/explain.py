"""`portreeve explain`: the whole answer for one image in one namespace. Admission messages name this command."""

from __future__ import annotations

from pathlib import Path

import click

from portreeve.cli.options import output_option, policy_options
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve explain nginx -n shop -p policy.yaml
  PORTREEVE_POLICY=policies/ portreeve explain ghcr.io/acme/api:1.4 -n shop -o json
\b
Exit codes: 1 denied under stage deny, 3 unknown, 0 otherwise; stages warn and audit do not refuse."""


@click.command(epilog=EPILOG)
@click.argument("image")
@click.option("-n", "--namespace", default="default", show_default=True, metavar="NS", help="Where it would run.")
@policy_options()
@output_option("table", "json", "yaml")
@terminal_options
def command(image: str, namespace: str, policies: tuple[Path, ...], policy_name: str | None, output: str) -> int:
    """Say whether one image may run in a namespace, and why: how it is read, what covers it, what to do.

    The policy is that of -p or PORTREEVE_POLICY; no cluster and no registry is asked.
    """
    from portreeve.cli import trace
    from portreeve.cli.clock import now
    from portreeve.cli.policies import load
    from portreeve.core.verdict import judge
    from portreeve.errors import Invalid

    terminal = current()
    if not policies:
        raise Invalid(
            "policy_not_given",
            "no policy was given, so there is no verdict",
            hint="-p FILE or PORTREEVE_POLICY; portreeve images --why IMAGE shows how an image is read",
        )
    sources = load(policies, policy_name, terminal).sources
    verdict = judge(image, namespace, sources, now=now())
    answer = trace.as_mapping(trace.trace(image), namespace, sources=sources, verdict=verdict)
    if image.partition("/")[0] in trace.OBJECT_KINDS:
        terminal.note(f"note: {image} was read as an image, not as an object of a cluster")
    if output == "table":
        trace.show(answer, terminal)
        trace.show_verdict(answer, verdict, sources, terminal)
    else:
        from portreeve.cli.output import write

        write(answer, output)
    return _exit_code(str(verdict.decision), answer["stage"])


def _exit_code(decision: str, stage: str) -> int:
    from portreeve.core.findings import EXIT_INCOMPLETE, EXIT_OK, EXIT_VIOLATION

    if decision == "UNKNOWN":
        return EXIT_INCOMPLETE
    return EXIT_VIOLATION if decision == "DENY" and stage == "deny" else EXIT_OK
