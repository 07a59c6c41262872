"""What `promote` and `rollback` share: asking where a policy stands, showing what holds it, moving it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from portreeve.cli import changes
from portreeve.cli.listing import NOTHING
from portreeve.errors import Conflict, Outdated, Problem

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client

STAGES: Final = ("off", "audit", "warn", "deny")
TRIES: Final = 3
"""How often a rollback reads again, where somebody changes the policy meanwhile."""

SHOWN: Final = 20
"""Workloads that are shown beside the plan of a promotion that is forced; `promote` without --force lists them."""

_HOLDS: Final = (("ENVIRONMENT", "environment"), ("HOLD", "code"), ("UNTIL", "until"), ("WHY", "message"))
_DENIED: Final = (("ENVIRONMENT", "environment"), ("NAMESPACE", "namespace"), ("OWNER", "owner"), ("IMAGE", "image"))


def promoted(
    client: Client,
    policy: str,
    stage: str | None,
    wanted: Mapping[str, Any],
    consent: Consent,
    output: str,
    terminal: Terminal,
) -> int:
    """Move a policy forward; the exit code.

    Raises:
        Conflict: `stage_held`, `stage_last`. Also what asking and the control plane raise.
    """
    path = f"/api/v1/policies/{quote(policy, safe='')}"
    now = client.get(f"{path}/rollout")
    to = stage or now["next"]
    if to is None or STAGES.index(to) <= STAGES.index(now["stage"]):
        hint = f"portreeve rollback {policy} goes back"
        raise Conflict("stage_last", f"{policy} is at {now['stage']} already", hint=hint)
    body = {"stage": to, **wanted}
    plan = client.change("POST", f"{path}/stage", body, query={"dryRun": "All"}).body
    forced = bool(wanted.get("force"))
    if plan["held"] and not forced:
        _refuse(plan, policy, to, output, terminal)
    changes.show(plan, terminal, must_be_seen=not consent.yes)
    for one in plan["holds"]:
        terminal.warn(f"forced: {one['environment'] or policy}: {one['message']}")
    for one in plan["violations"][:SHOWN]:
        terminal.warn("would be denied: " + " ".join(str(one[field]) for _, field in _DENIED))
    if plan["violationsTotal"] > SHOWN:
        terminal.warn(f"would be denied: {plan['violationsTotal'] - SHOWN:,} more")
    changes.refuse_blocked(plan, force=False)
    changes.ask(f"Move {policy} from {now['stage']} to {to}?", consent)
    done = client.change("POST", f"{path}/stage", body, headers={"Portreeve-Plan": plan["digest"]}).body
    _told(done, now["stage"], output, terminal)
    return 0


def rolled_back(client: Client, policy: str, stage: str, output: str, terminal: Terminal) -> int:
    """Move a policy back; the exit code.

    Raises:
        Conflict: `stage_last`: it is not beyond that stage. Outdated: somebody changes it all the time.
    """
    path = f"/api/v1/policies/{quote(policy, safe='')}"
    for left in reversed(range(TRIES)):
        now = client.get(path)
        before = str(now["spec"].get("restrict", {}).get("stage", "off"))
        if STAGES.index(stage) >= STAGES.index(before):
            raise Conflict("stage_last", f"{policy} is at {before} already, and not beyond {stage}")
        try:
            version = {"If-Match": now["status"]["etag"]}
            done = client.change("POST", f"{path}/stage", {"stage": stage}, headers=version).body
        except Outdated:
            if not left:
                raise
            continue
        _told(done, before, output, terminal)
        return 0
    raise AssertionError("the last try has answered or raised")


def _refuse(plan: Mapping[str, Any], policy: str, stage: str, output: str, terminal: Terminal) -> None:
    """Show everything that holds it, and end.

    Raises:
        Conflict: `stage_held`; with the problems where no table has shown them.
    """
    holds = plan["holds"]
    hidden = plan["hiddenEnvironments"]
    hint = "wait until these are gone; --force --reason TEXT goes there all the same"
    if hidden:
        hint += f"; {hidden} environments are not shown to you"
    message = f"{len(holds)} {'condition holds' if len(holds) == 1 else 'conditions hold'} {policy} back from {stage}"
    if output != "table":
        problems = tuple(Problem(one["code"], one["message"], _where(one)) for one in holds)
        raise Conflict("stage_held", message, hint=hint, problems=problems)
    if holds:
        _table(_HOLDS, holds, terminal)
    if plan["violations"]:
        terminal.data()
        terminal.data(f"{plan['violationsTotal']:,} would be denied:")
        _table(_DENIED, plan["violations"], terminal)
    raise Conflict("stage_held", message, hint=hint)


def _where(hold: Mapping[str, Any]) -> str:
    return f"Environment/{hold['environment']}" if hold["environment"] else ""


def _table(columns: tuple[tuple[str, str], ...], rows: list[Mapping[str, Any]], terminal: Terminal) -> None:
    cells = [[str(one[field] or NOTHING) for _, field in columns] for one in rows]
    terminal.table([title for title, _ in columns], cells)


def _told(done: Mapping[str, Any], before: str, output: str, terminal: Terminal) -> None:
    if output != "table":
        from portreeve.cli.output import write

        write(done, output)
        return
    terminal.data(f"RegistryPolicy/{done['metadata']['name']} {before} -> {done['spec']['restrict']['stage']}")
