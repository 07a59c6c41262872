"""`portreeve render`: a policy as the objects or node files that enforce it. Applying them is left to the caller.

What an engine cannot do stands as comments above its objects, so that it travels with the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portreeve.cli.options import NamedOption, policy_options
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.core.render import ProtectedImage
    from portreeve.core.sources import ResolvedSources

EPILOG = """\b
Examples:
  portreeve render -p policy.yaml | kubectl apply --server-side -f -
  portreeve render -p policy.yaml --protect kube-system/
  portreeve render -p policy.yaml --format kyverno > kyverno.yaml
  portreeve render -p policy.yaml -o json
  portreeve render -p policy.yaml --format crio --directory out/
  portreeve render -p policy.yaml --format containerd --allow-wider --archive - | tar tv
  portreeve render -p policy.yaml --format k3s --allow-wider --mirror registry.k8s.io=harbor.example.com/k8s
\b
Node files (containerd, k3s, crio, podman, openshift): exit code 3 where they cannot say what the policy says.
What would allow more is written with --allow-wider only."""

NODE_FORMATS = ("containerd", "k3s", "crio", "podman", "openshift")


@click.command(epilog=EPILOG)
@policy_options(required=True)
@click.option(
    "--format",
    "engine",
    cls=NamedOption,
    type=click.Choice(["kubernetes", "kyverno", "gatekeeper", *NODE_FORMATS]),
    default="kubernetes",
    show_default=True,
    help="What evaluates the restriction: at admission, or on nodes when an image is pulled.",
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
    help="Form of the answer; json is one List, or one object with all node files.",
)
@click.option(
    "--mirror",
    "mirrors",
    cls=NamedOption,
    multiple=True,
    metavar="HOST=MIRROR",
    help="Node files: pull images of HOST from this source first; repeatable.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Node files: write them below DIR, laid out as below /etc.",
)
@click.option(
    "--archive",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Node files: write them into a tar archive; - is standard output.",
)
@click.option("--force", is_flag=True, help="Node files: write over files that portreeve did not write.")
@click.option("--allow-wider", is_flag=True, help="Node files: write them even where they allow more than the policy.")
@click.option(
    "--allow-incomplete", is_flag=True, help="Node files: exit 0 instead of 3 where they allow less than the policy."
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
    mirrors: tuple[str, ...],
    **nodes: Any,
) -> int:
    """Write a policy as the objects that enforce it in a cluster: a ValidatingAdmissionPolicy and its bindings.

    Needs Kubernetes 1.30; --format writes the same for other policy engines, or as files for what pulls images on
    nodes. A policy that would deny our agent, or an image in the manifests of --protect, is refused.
    """
    from portreeve.cli.policies import load
    from portreeve.core.engines import LIMITS, Engine, compile_for
    from portreeve.core.render import AGENT_IMAGE

    _check_version(kubernetes_version)
    terminal = current()
    chosen = load(policies, policy_name, terminal)
    protected = (AGENT_IMAGE, *_protected(protect, namespace))
    if engine in NODE_FORMATS:
        return _on_nodes(engine, chosen.sources, protected, mirrors, output, nodes)
    _refuse_node_options(mirrors, nodes)
    manifests = compile_for(Engine(engine), chosen.sources, protected=protected)
    _write(manifests, LIMITS[Engine(engine)] if manifests else (), output, terminal)
    if chosen.policy.stage == "off":
        terminal.note(f"policy {chosen.policy.name} is at stage off: there is nothing to apply")
    return 0


def _on_nodes(
    form: str,
    sources: ResolvedSources,
    protected: Sequence[ProtectedImage],
    mirrors: Sequence[str],
    output: str,
    options: Mapping[str, Any],
) -> int:
    from portreeve.cli.node_files import Target, deliver
    from portreeve.core.node_files import NodeForm, node_files, parse_mirror
    from portreeve.errors import Invalid

    if options["directory"] is not None and options["archive"] is not None:
        raise Invalid("usage", "--directory and --archive are both given", hint="choose one")
    read = [parse_mirror(text) for text in mirrors]
    made = node_files(NodeForm(form), sources, mirrors=read, protected=protected)
    return deliver(made, Target(form=output, **options), current())


def _refuse_node_options(mirrors: Sequence[str], options: Mapping[str, Any]) -> None:
    """What is meant for nodes would otherwise be passed over in silence."""
    from portreeve.errors import Invalid

    given = [name for name, value in {"mirror": mirrors, **options}.items() if value]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise Invalid("usage", f"{flags} is for node files", hint=f"--format {', '.join(NODE_FORMATS)}")


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
