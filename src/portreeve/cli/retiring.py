"""Taking old pull secrets away, once Portreeve delivers what they held: shown, confirmed, and done step by step.

What is decided on is read anew right before a Secret is deleted: pods come and go while a person reads a plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from portreeve.cli import changes, clock
from portreeve.core.retirement import REASONS, Kept, Removal, Retirement, lines, retirement, still_named
from portreeve.errors import PortreeveError
from portreeve.kube import found_secrets
from portreeve.kube.client import Client as Cluster
from portreeve.kube.retiring import Done, detach, remove

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent
    from portreeve.cli.surveying import Asked, Survey
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client


def retire(client: Client, survey: Survey, asked: Asked, consent: Consent, terminal: Terminal, output: str) -> int:
    """Show what would go and what stays, ask, and take it away; the exit code.

    Raises:
        PortreeveError: the control plane or the cluster does not answer, or does not allow it.
    """
    environment = asked.environment
    path = f"/api/v1/environments/{quote(environment, safe='')}/agent"
    agent = client.get(path)["agent"]
    if not agent["connected"]:
        terminal.warn(
            f"warning: the agent of {environment} is not connected ({agent['state']}): what it has delivered is not"
            " kept up to date"
        )
    plan = retirement(survey.facts, asked.rows, clock.now(), named=asked.named)
    for line in lines(plan):
        terminal.warn(line)
    if not plan.detaches and not plan.removals:
        terminal.note("nothing to take away")
        return _answer([], plan, "unchanged", output, terminal)
    if asked.dry_run == "client":
        return _answer(list(_planned(plan)), plan, "planned", output, terminal)
    if asked.dry_run == "none":
        count = len(plan.detaches) + len(plan.removals)
        where = f"the cluster of context {survey.connection.context}"
        changes.ask(f"Make {count} {'change' if count == 1 else 'changes'} in {where}?", consent)
    done = asyncio.run(_carry_out(survey, plan, dry_run=asked.dry_run == "server"))
    return _answer(done, plan, "checked" if asked.dry_run == "server" else "done", output, terminal)


async def _carry_out(survey: Survey, plan: Retirement, *, dry_run: bool) -> list[dict[str, Any]]:
    """Every step, whatever became of those before it: each is safe by itself."""
    done: list[dict[str, Any]] = []
    async with Cluster(survey.connection) as cluster:
        for entry in plan.detaches:
            outcome, reason = await _tried(detach(cluster, entry, dry_run=dry_run))
            done.append(
                _step("detach", entry.namespace, entry.secret, outcome, account=entry.account, reason=reason or None)
            )
        for removal in plan.removals:
            outcome, reason = await _tried(removed(cluster, removal, dry_run=dry_run))
            done.append(_step("delete", removal.namespace, removal.name, outcome, reason=reason or None))
    return done


async def _tried(step: Awaitable[Done | str]) -> tuple[str, str]:
    """What became of a step, and why where it was not done."""
    try:
        outcome = await step
    except PortreeveError as error:
        return "failed", error.message
    return (outcome.value, "") if isinstance(outcome, Done) else (Done.CHANGED.value, outcome)


async def removed(cluster: Cluster, removal: Removal, *, dry_run: bool) -> Done | str:
    """Delete a Secret unless something speaks against it now; then that, as text."""
    # In a dry run its entries have not left their ServiceAccounts, so there is nothing new to see.
    objection = "" if dry_run else await _objection(cluster, removal)
    return objection or await remove(cluster, removal, dry_run=dry_run)


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
    """What was done, on standard output; the exit code: 3 if not all of it was."""
    if output != "table":
        from portreeve.cli.output import write

        write({"state": state, "steps": list(done), "kept": [_kept(one) for one in plan.kept]}, output)
    else:
        from portreeve.cli.terminal import safe

        for one in done:
            account = f" from ServiceAccount/{one['account']}" if one.get("account") else ""
            why = f" ({one['reason']})" if one.get("reason") else ""
            terminal.data(safe(f"{one['action']} {one['namespace']}/{one['name']}{account}: {one['outcome']}{why}"))
    return 3 if any(one["outcome"] in {Done.CHANGED.value, "failed"} for one in done) else 0


def _kept(one: Kept) -> dict[str, Any]:
    return {
        "namespace": one.namespace,
        "name": one.name,
        "reason": one.reason,
        "message": REASONS[one.reason],
        "about": one.about or None,
    }
