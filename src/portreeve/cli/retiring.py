"""Taking old pull secrets away, once Portreeve delivers what they held: shown, confirmed, and done step by step.

What is decided on is read anew right before a Secret is deleted: pods come and go while a person reads a plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from portreeve.cli import changes, clock
from portreeve.core.retirement import REASONS, Kept, Removal, Retirement, lines, retirement, still_named
from portreeve.kube import found_secrets
from portreeve.kube.client import Client as Cluster
from portreeve.kube.retiring import Done, detach, remove

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent
    from portreeve.cli.surveying import Survey
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client
    from portreeve.core.adoption import Row


def retire(
    client: Client,
    survey: Survey,
    rows: Sequence[Row],
    environment: str,
    consent: Consent,
    terminal: Terminal,
    output: str,
    *,
    dry_run: str,
    named: bool,
) -> int:
    """Show what would go and what stays, ask, and take it away; the exit code.

    Raises:
        PortreeveError: the control plane or the cluster does not answer, or does not allow it.
    """
    path = f"/api/v1/environments/{quote(environment, safe='')}/agent"
    agent = client.get(path)["agent"]
    if not agent["connected"]:
        terminal.warn(
            f"warning: the agent of {environment} is not connected ({agent['state']}): what it has delivered is not"
            " kept up to date"
        )
    plan = retirement(survey.facts, rows, clock.now(), named=named)
    for line in lines(plan):
        terminal.warn(line)
    if not plan.detaches and not plan.removals:
        terminal.note("nothing to take away")
        return _answer([], plan, "unchanged", output, terminal)
    if dry_run == "client":
        return _answer(list(_planned(plan)), plan, "planned", output, terminal)
    if dry_run == "none":
        count = len(plan.detaches) + len(plan.removals)
        where = f"the cluster of context {survey.connection.context}"
        changes.ask(f"Make {count} {'change' if count == 1 else 'changes'} in {where}?", consent)
    done = asyncio.run(_carry_out(survey, plan, dry_run=dry_run == "server"))
    return _answer(done, plan, "checked" if dry_run == "server" else "done", output, terminal)


async def _carry_out(survey: Survey, plan: Retirement, *, dry_run: bool) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    async with Cluster(survey.connection) as cluster:
        for entry in plan.detaches:
            outcome = await detach(cluster, entry, dry_run=dry_run)
            done.append(_step("detach", entry.namespace, entry.secret, outcome.value, account=entry.account))
        for removal in plan.removals:
            reason = "" if dry_run else await _objection(cluster, removal)
            outcome = Done.CHANGED if reason else await remove(cluster, removal, dry_run=dry_run)
            done.append(_step("delete", removal.namespace, removal.name, outcome.value, reason=reason or None))
    return done


async def _objection(cluster: Cluster, removal: Removal) -> str:
    """What speaks against deleting a Secret now."""
    facts = await found_secrets.found(cluster, [removal.namespace])
    return still_named(facts, removal.namespace, removal.name)


def _planned(plan: Retirement) -> Iterator[dict[str, Any]]:
    for entry in plan.detaches:
        yield _step("detach", entry.namespace, entry.secret, "planned", account=entry.account)
    for removal in plan.removals:
        yield _step("delete", removal.namespace, removal.name, "planned")


def _step(action: str, namespace: str, name: str, outcome: str, **more: str | None) -> dict[str, Any]:
    return {"action": action, "namespace": namespace, "name": name, "outcome": outcome, **more}


def _answer(done: Sequence[dict[str, Any]], plan: Retirement, state: str, output: str, terminal: Terminal) -> int:
    """What was done, on standard output; the exit code: 3 if something was left as it had changed."""
    if output != "table":
        from portreeve.cli.output import write

        write({"state": state, "steps": list(done), "kept": [_kept(one) for one in plan.kept]}, output)
    else:
        from portreeve.cli.terminal import safe

        for one in done:
            account = f" from ServiceAccount/{one['account']}" if one.get("account") else ""
            why = f" ({one['reason']})" if one.get("reason") else ""
            terminal.data(safe(f"{one['action']} {one['namespace']}/{one['name']}{account}: {one['outcome']}{why}"))
    return 3 if any(one["outcome"] == Done.CHANGED.value for one in done) else 0


def _kept(one: Kept) -> dict[str, Any]:
    return {
        "namespace": one.namespace,
        "name": one.name,
        "reason": one.reason,
        "message": REASONS[one.reason],
        "about": one.about or None,
    }
