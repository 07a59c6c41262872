"""`portreeve render`: a policy as the objects that enforce it in a cluster. Applying them is left to the caller.

What an engine cannot do stands as comments above its objects, so that it travels with the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portreeve.cli.options import NamedOption, policy_options
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.core.render import ProtectedImage

EPILOG = """\b
Examples:
  portreeve render -p policy.yaml | kubectl apply --server-side -f -
  portreeve render -p policy.yaml --protect kube-system/
  portreeve render -p policy.yaml --format kyverno > kyverno.yaml
  portreeve render -p policy.yaml -o json"""


@click.command(epilog=EPILOG)
@policy_options(required=True)
@click.option(
    "--format",
    "engine",
    cls=NamedOption,
    type=click.Choice(["kubernetes", "kyverno", "gatekeeper"]),
    default="kubernetes",
    show_default=True,
    help="What evaluates the restriction.",
)
@click.option(
    "--protect",
    multiple=True,
    type=click.Path(allow_dash=True),
    metavar="PATH",
    help="Manifests of what must never be refused; a policy that would is not rendered. Repeatable.",
)
@click.option(
    "--kubernetes-version",
    metavar="VERSION",
    help="Version of the cluster, as kubectl version shows it; one older than 1.30 is refused.",
)
@click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    metavar="NS",
    help="Namespace of protected objects that name none.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="Form of the answer; json is one List.",
)
@terminal_options
def command(
    policies: tuple[Path, ...],
    policy_name: str | None,
    engine: str,
    protect: tuple[str, ...],
    kubernetes_version: str | None,
    namespace: str,
    output: str,
) -> int:
    """Write a policy as the objects that enforce it in a cluster: a ValidatingAdmissionPolicy and its bindings.

    Needs Kubernetes 1.30; --format writes the same for other policy engines. A policy that would deny our agent, or an
    image in the manifests of --protect, is refused.
    """
    from portreeve.cli.policies import load
    from portreeve.core.engines import LIMITS, Engine, compile_for
    from portreeve.core.render import AGENT_IMAGE

    _check_version(kubernetes_version)
    terminal = current()
    chosen = load(policies, policy_name, terminal)
    protected = (AGENT_IMAGE, *_protected(protect, namespace))
    manifests = compile_for(Engine(engine), chosen.sources, protected=protected)
    _write(manifests, LIMITS[Engine(engine)] if manifests else (), output, terminal)
    if chosen.policy.stage == "off":
        terminal.note(f"policy {chosen.policy.name} is at stage off: there is nothing to apply")
    return 0


def _check_version(version: str | None) -> None:
    """Refuse a cluster that would accept the objects and not know what they mean."""
    from portreeve.core.cluster import restriction_problem
    from portreeve.errors import Invalid

    problem = restriction_problem(version) if version is not None else None
    if problem is not None:
        raise Invalid(problem.code, problem.message, hint=problem.hint)


def _protected(paths: Sequence[str], namespace: str) -> Iterator[ProtectedImage]:
    """Every image in the manifests.

    Raises:
        Invalid: something in them could not be evaluated: a gap in what is protected would lock out later.
    """
    from portreeve.cli.inputs import Inputs, gather
    from portreeve.core.render import ProtectedImage
    from portreeve.errors import Invalid, Problem

    if not paths:
        return
    found = gather(Inputs(tuple(paths), namespace))
    if found.not_evaluated:
        problems = tuple(Problem(one.code, one.reason, f"{one.file}:{one.line}") for one in found.not_evaluated)
        raise Invalid("protect_incomplete", "not all of --protect could be evaluated", problems=problems)
    yield from dict.fromkeys(ProtectedImage(use.namespace, use.image) for use in found.uses)


def _write(manifests: Sequence[dict[str, Any]], limits: Sequence[str], output: str, terminal: Terminal) -> None:
    from portreeve.wire.text import as_json, as_yaml

    if output == "json":
        sys.stdout.write(as_json({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))
        for limit in limits:
            terminal.note(f"note: {limit}")
        return
    sys.stdout.write("".join(f"# {limit}\n" for limit in limits))
    sys.stdout.write(as_yaml(*manifests) if manifests else "")
