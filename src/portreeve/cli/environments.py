"""Adding an environment: its document where there is none yet, and the one command that enrols its agent.

The command holds the join token, which is shown this once: it is the answer, so it goes to standard output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client


def document(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a new environment.

    Raises:
        Invalid: `usage`: its tier or its group was not given; `documents_invalid`.
    """
    from portreeve.cli.documents import canonical
    from portreeve.errors import Invalid

    missing = [f"--{field}" for field in ("tier", "group") if not options[field]]
    if missing:
        hint = "--tier development, staging or production; --group NAME"
        raise Invalid("usage", f"a new environment needs {' and '.join(missing)}", hint=hint)
    spec = {"type": options["type"], "tier": options["tier"], "group": options["group"]}
    spec |= {"title": options["title"]} if options["title"] else {}
    return canonical({"apiVersion": "portreeve.io/v1", "kind": "Environment", "metadata": {"name": name}, "spec": spec})


def add(
    client: Client, name: str, options: Mapping[str, Any], consent: Consent, terminal: Terminal, output: str
) -> int:
    """Store the environment if it is new, and show the command that enrols its agent; the exit code.

    Raises:
        PortreeveError: as `changes.made`; Conflict: `agents_need_tls`.
    """
    from portreeve.cli.changes import Proposal, made
    from portreeve.cli.output import write

    known = {row["metadata"]["name"]: row for row in client.listed("/api/v1/environments")[0]}.get(name)
    if known is None:
        made(client, Proposal([document(name, options)]), consent, terminal, question=f"Add {name}?")
        if output == "table":
            terminal.note(f"Environment/{name} created")
    # It answers a token, so it is sent once and stored nowhere.
    path = f"/api/v1/environments/{quote(name, safe='')}/enrolment"
    enrolment = client.change("POST", path, repeatable=False).body
    if output != "table":
        write(enrolment, output)
        return 0
    terminal.note(f"run this where the cluster is, once and before {enrolment['expiresAt']}:")
    terminal.data(enrolment["command"])
    if (known["spec"]["type"] if known else options["type"]) == "kubernetes":
        for line in in_cluster(name, enrolment["server"]):
            terminal.note(line)
    if known:
        terminal.note("the agent that is there now is shut out once another one has joined")
    return 0


def in_cluster(name: str, server: str) -> tuple[str, ...]:
    """How to install the agent in a cluster instead; the token stays in the one command that was shown."""
    secret = f"portreeve-agent-join --from-file=token=/dev/stdin --from-literal=server={server}"
    chart = f"portreeve-agent deploy/helm/agent -n portreeve-system --set server={server} --set cluster={name}"
    return (
        "or, to have it run in the cluster, give the same token to a Secret and install the agent:",
        "  kubectl create namespace portreeve-system",
        f"  printf %s prtj… | kubectl -n portreeve-system create secret generic {secret}",
        "  kubectl apply -f deploy/kustomize/agent/agent.yaml",
        f"or, in place of the last one: helm install {chart} --set join.existingSecret=portreeve-agent-join",
    )
