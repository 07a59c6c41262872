"""`portreeve explain`: why an image is not pulled, or may not run, and what to do. Admission messages name it.

It takes what there is: the control plane somebody is signed in to, the cluster of the kubeconfig, the registry itself,
and policies from files; and says what it took. With an image and -p nothing is contacted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from portreeve.cli.connection import server_options
from portreeve.cli.options import NamedOption, output_option, policy_options
from portreeve.cli.terminal import current, terminal_options

if TYPE_CHECKING:
    from portreeve.cli.explain_facts import Asked

EPILOG = """\b
Examples:
  portreeve explain pod/api-7d4b9c-x2x9p -n shop
  portreeve explain deploy/api -n shop --no-probe
  portreeve explain ghcr.io/acme/api:1.4 -n shop
  portreeve explain nginx -n shop -p policy.yaml -o json
\b
Exit codes: 0 nothing is wrong, 1 a problem was found, 3 it is not known. With an image and -p: 1 denied
under stage deny, 3 unknown, 0 otherwise; stages warn and audit do not refuse."""


@click.command(epilog=EPILOG)
@click.argument("what", metavar="IMAGE|KIND/NAME")
@click.option("-n", "--namespace", metavar="NS", help="Where it runs, or would; that of the context, else default.")
@policy_options()
@click.option("--context", metavar="NAME", help="Which context of the kubeconfig; the current one without it.")
@click.option("--environment", metavar="NAME", help="Which environment of the control plane the cluster is.")
@click.option("--platform", metavar="OS/ARCH", help="What the image has to run on, where the node may not be read.")
@click.option("--no-probe", is_flag=True, help="Do not ask the registry.")
@click.option("--registry-ca", type=click.Path(path_type=Path), metavar="FILE",
              help="Trust these certificates of the registry and no others.")  # fmt: skip
@click.option("--realm", "realms", cls=NamedOption, multiple=True, metavar="URL",
              help="A token service that the registry's login may be sent to; repeatable.")  # fmt: skip
@output_option("table", "text", "json", "yaml")
@server_options
@terminal_options
def command(
    what: str,
    namespace: str | None,
    policies: tuple[Path, ...],
    policy_name: str | None,
    context: str | None,
    environment: str | None,
    platform: str | None,
    no_probe: bool,
    registry_ca: Path | None,
    realms: tuple[str, ...],
    output: str,
) -> int:
    """Say why an image is not pulled, or may not run, and what to do.

    KIND/NAME is a pod, deployment, statefulset, daemonset, job or cronjob of the cluster that the kubeconfig names.
    It is read with your own rights; what they do not allow is said. The registry is asked from here, with the login
    that the kubelet would show. An image is looked up in the control plane, in the cluster and at the registry; with
    -p in the policy's files alone, and nothing is contacted.
    """
    from portreeve.cli.explain_facts import Asked, kind_of

    kind = kind_of(what)
    if kind is None and policies:
        return _offline(what, namespace or "default", policies, policy_name, output)
    return _looked_into(
        Asked(
            what=what,
            kind=kind,
            namespace=namespace or "",
            context=context or "",
            environment=environment or "",
            platform=platform or "",
            probe=not no_probe,
            registry_ca=registry_ca,
            realms=realms,
            policies=policies,
            policy_name=policy_name,
        ),
        output,
    )


def _looked_into(asked: Asked, output: str) -> int:
    """Everything that can be asked; the exit code is that of the worst image."""
    from portreeve.cli.explain_facts import gathered
    from portreeve.cli.explain_text import as_mapping, show
    from portreeve.core.explanation import EXIT_FINE, EXIT_PROBLEM, EXIT_UNKNOWN, explain

    terminal = current()
    found = gathered(asked, terminal)
    explanations = [explain(facts) for facts in found.facts]
    if output in {"table", "text"}:
        show(explanations, found.used, terminal)
    else:
        from portreeve.cli.output import write

        write(as_mapping(explanations, found.used), output)
    codes = {one.exit_code for one in explanations}
    return next((code for code in (EXIT_PROBLEM, EXIT_UNKNOWN) if code in codes), EXIT_FINE)


def _offline(image: str, namespace: str, policies: tuple[Path, ...], policy_name: str | None, output: str) -> int:
    """The policy of the files alone."""
    from portreeve.cli import trace
    from portreeve.cli.clock import now
    from portreeve.cli.policies import load
    from portreeve.core.verdict import judge

    terminal = current()
    sources = load(policies, policy_name, terminal).sources
    verdict = judge(image, namespace, sources, now=now())
    answer = trace.as_mapping(trace.trace(image), namespace, sources=sources, verdict=verdict)
    if output in {"table", "text"}:
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
