"""`portreeve grant`: let namespaces, or users and teams, pull from a registry."""

from __future__ import annotations

from typing import Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import NamedOption, consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve grant harbor-prod --environment prod-eu -n shop -n shop-jobs
  portreeve grant harbor-prod --project shop-team --selector team=shop --mode workload
  portreeve grant harbor-prod --environment build-host --team builders"""


@click.command(epilog=EPILOG)
@click.argument("registry")
@click.option("--environment", metavar="NAME", help="The environment that may pull.")
@click.option("--project", metavar="NAME", help="The project that may pull, instead of an environment.")
@click.option("-n", "--namespace", "namespaces", cls=NamedOption, multiple=True, metavar="NS",
              help="A namespace; repeatable.")  # fmt: skip
@click.option("--selector", "selectors", cls=NamedOption, multiple=True, metavar="KEY=VALUE",
              help="Namespaces with this label; repeatable, all must hold.")  # fmt: skip
@click.option("--user", "users", cls=NamedOption, multiple=True, metavar="NAME",
              help="A user, on Docker and Swarm; repeatable.")  # fmt: skip
@click.option("--team", "teams", cls=NamedOption, multiple=True, metavar="NAME",
              help="A team, on Docker and Swarm; repeatable.")  # fmt: skip
@click.option("--mode", type=click.Choice(["standing", "workload", "lease", "node", "cluster-identity"]),
              default="standing", show_default=True, help="How the credential reaches a pull.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the access; REGISTRY-PLACE without it.")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(registry: str, output: str, yes: bool, no_input: bool, **options: Any) -> int:
    """Grant a registry to namespaces, users or teams: shows the plan, asks, and makes a RegistryAccess."""
    from portreeve.cli.changes import Consent, Proposal, answer, made
    from portreeve.errors import Conflict

    document = access(registry, **options)
    name = document["metadata"]["name"]
    terminal = current()
    with connected() as client:
        if any(row["metadata"]["name"] == name for row in client.listed("/api/v1/access")[0]):
            hint = f"--name gives it another; portreeve edit access {name} changes that one"
            raise Conflict("name_taken", f"there is a RegistryAccess/{name} already", hint=hint)
        plan = made(client, Proposal([document]), Consent(yes, no_input), terminal, question=f"Grant {registry}?")
    answer(plan, output, terminal)
    return 0


def access(registry: str, **options: Any) -> dict[str, Any]:
    """The document of a grant.

    Raises:
        Invalid: `usage`: it says not where, or not to whom; `documents_invalid`.
    """
    from portreeve.cli.documents import canonical, labels_checked
    from portreeve.errors import Invalid

    places = {name: options[name] for name in ("environment", "project") if options[name]}
    if len(places) != 1:
        raise Invalid("usage", "a grant is for one environment or one project", hint="--environment E or --project P")
    kubernetes, docker = options["namespaces"] or options["selectors"], options["users"] or options["teams"]
    if bool(kubernetes) == bool(docker):
        hint = "-n or --selector on Kubernetes, --user or --team on Docker and Swarm"
        raise Invalid("usage", "a grant names namespaces, or users and teams", hint=hint)
    namespaces: dict[str, Any] = {"names": list(options["namespaces"])} if options["namespaces"] else {}
    if options["selectors"]:
        pairs = (one.split("=", 1) for one in labels_checked(options["selectors"]))
        namespaces["selector"] = {"matchLabels": dict(pairs)}
    spec = {"registry": registry, **places, "delivery": {"mode": options["mode"]}}
    spec |= {"namespaces": namespaces} if namespaces else {}
    spec |= {"subjects": {"users": list(options["users"]), "teams": list(options["teams"])}} if docker else {}
    name = options["name"] or f"{registry}-{next(iter(places.values()))}"
    return canonical(
        {"apiVersion": "portreeve.io/v1", "kind": "RegistryAccess", "metadata": {"name": name}, "spec": spec}
    )
