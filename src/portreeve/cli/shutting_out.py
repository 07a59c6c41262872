"""Shutting agents out: who is meant, what ends and what stays, and only then it is done.

It is no plan of the control plane's: no document changes, so there is nothing that could be masked or outdated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from portreeve.cli import changes

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client


def shut_out(client: Client, environments: Sequence[str], consent: Consent, terminal: Terminal, output: str) -> int:
    """Show who is shut out and what stays, ask, and do it; the exit code.

    Raises:
        NotFound: there is no such environment, or it may not be seen; nothing was done. PortreeveError: as `client`.
    """
    found = {name: client.get(_path(name))["agent"] for name in environments}
    for name, agent in found.items():
        for line in lines(name, agent):
            (terminal.note if consent.yes else terminal.warn)(line)
    whose = f"the agent of {environments[0]}" if len(environments) == 1 else f"{len(environments)} agents"
    changes.ask(f"Shut out {whose}?", consent)
    agents: list[dict[str, Any]] = []
    for name in environments:
        client.change("DELETE", _path(name))
        agents.append(
            {"environment": name, "was": found[name]["state"], "state": client.get(_path(name))["agent"]["state"]}
        )
        if output == "table":
            terminal.data(f"agent of {name} shut out")
    if output != "table":
        from portreeve.cli.output import write

        write({"state": "confirmed", "agents": agents}, output)
    return 0


def lines(environment: str, agent: Mapping[str, Any]) -> Iterator[str]:
    """What ends and what stays, as a person reads it."""
    seen = f", last seen {agent['lastSeen']}" if agent.get("lastSeen") else ""
    yield f"shut out the agent of {environment} ({agent['state']}{seen})"
    yield "ends at once: its certificate, and every token that could enrol an agent there"
    yield "stays in the cluster: pull secrets, the entries in ServiceAccounts, the admission policy; nobody renews them"
    yield "stays valid: the logins in those pull secrets; if the agent is not trusted, rotate them at their registries"
    yield f"enrols another one: portreeve add environment {environment}"


def _path(environment: str) -> str:
    return f"/api/v1/environments/{quote(environment, safe='')}/agent"
