"""`portreeve use`: what a developer puts into a manifest to pull from a registry, and what they need not."""

from __future__ import annotations

import shlex
from urllib.parse import quote

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve use harbor-prod -n shop --environment prod-eu
  portreeve use harbor-prod -n shop --repository shop/api --tag 1.4 -o yaml | kubectl apply -f -
  portreeve use harbor-prod -o annotation"""


@click.command(epilog=EPILOG)
@click.argument("registry")
@click.option("-n", "--namespace", cls=NamedOption, default="default", show_default=True, metavar="NS",
              help="The workload's namespace.")  # fmt: skip
@click.option("--environment", metavar="NAME", help="Say whether it is granted there.")
@click.option("--repository", metavar="PATH", help="Which repository, without the host.")
@click.option("--tag", default="latest", show_default=True, metavar="TAG", help="Which tag, or a digest.")
@output_option("text", "json", "yaml", "annotation", "command")
@server_options
@terminal_options
def command(
    registry: str, namespace: str, environment: str | None, repository: str | None, tag: str, output: str
) -> int:
    """Show how a workload uses a registry: the annotation, a pod, a command, and what is in its pull secret.

    Where the registry is granted, a manifest needs nothing of it. -o yaml writes the pod alone.
    """
    from portreeve.cli.output import write
    from portreeve.wire.text import as_json, as_yaml

    terminal = current()
    query = {"namespace": namespace, "environment": environment, "repository": repository, "tag": tag}
    with connected() as client:
        found = client.get(f"/api/v1/registries/{quote(registry, safe='')}/usage", query)
    annotation, line = found["annotation"], shlex.join(map(str, found["command"]))
    match output:
        case "json":
            write(found, output)
        case "yaml":
            write(found["pod"], output)
        case "annotation":
            terminal.data(f"{annotation['key']}: {annotation['value']}")
        case "command":
            terminal.data(line)
        case _:
            terminal.data(f"# {line}")
            terminal.data(as_yaml(found["pod"]).rstrip())
            terminal.data(f"# the Secret {found['pullSecret']['name']} holds:")
            for text in as_json(found["pullSecret"]["content"]).splitlines():
                terminal.data(f"#   {text}")
            for note in (*found["pullSecret"]["explained"], *found["notes"]):
                terminal.note(f"note: {note}")
            if environment is not None:
                terminal.note(_granted(found.get("granted"), registry, environment, namespace))
    return 0


def _granted(granted: bool | None, registry: str, environment: str, namespace: str) -> str:
    if granted is None:
        return f"there is no environment {environment} that you may see"
    if granted:
        return f"{registry} is granted in {environment}/{namespace}"
    return f"{registry} is not granted there: portreeve grant {registry} --environment {environment} -n {namespace}"
