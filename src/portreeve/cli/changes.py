"""A change from proposal to done: plan it, show the plan, ask, confirm exactly that plan.

The plan is progress and goes to standard error; what was done is the answer and goes to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from portreeve.errors import Conflict, Invalid, Problem, Unconfirmed

if TYPE_CHECKING:
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client

Plan = Mapping[str, Any]

DONE: Final = {"create": "created", "update": "changed", "delete": "deleted", "leave": "leaving"}


@dataclass(frozen=True, slots=True)
class Consent:
    """What the caller agreed to before anything was shown."""

    yes: bool = False
    no_input: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to store and what to delete, as `POST /api/v1/plans` takes it."""

    documents: Sequence[Mapping[str, Any]] = ()
    delete: Sequence[Mapping[str, Any]] = ()
    replace: bool = False
    force: bool = False

    def planned(self, client: Client) -> Plan:
        """The plan of it; what it is about stays as it is."""
        body = {
            "documents": list(self.documents),
            "delete": list(self.delete),
            "replace": self.replace,
            "force": self.force,
        }
        plan: Plan = client.change("POST", "/api/v1/plans", body).body
        return plan


def removal(document: Mapping[str, Any]) -> dict[str, Any]:
    """A deletion of a document at the version that was read."""
    from portreeve.cli.kinds import at, name_of

    return {"kind": document["kind"], "name": name_of(document), "etag": at(document, "status.etag")}


def lines(plan: Plan) -> list[str]:
    """The plan as a person reads it: each document, then what that does."""
    from portreeve.cli.terminal import safe

    found = [f"{one['change']} {one['kind']}/{one['name']}" for one in plan.get("documents", ())]
    found += [str(line) for line in plan.get("text", ())]
    found += [f"warning: {_problem(one)}" for one in plan.get("warnings", ())]
    return list(map(safe, found))


def show(plan: Plan, terminal: Terminal, *, must_be_seen: bool) -> None:
    """Write the plan to standard error; -q keeps it back only where nobody will be asked about it."""
    for line in lines(plan):
        (terminal.warn if must_be_seen else terminal.note)(line)


def refuse_blocked(plan: Plan, *, force: bool) -> None:
    """See that the plan can be confirmed at all, before anybody is asked.

    Raises:
        Invalid, Conflict: as the control plane would, with the flag that consents.
    """
    refusals, conflicts, valve = (
        tuple(map(_problem, plan.get(part, ()))) for part in ("refusals", "conflicts", "valve")
    )
    if refusals:
        raise Invalid("plan_refused", "rules refuse the change", problems=refusals)
    if conflicts:
        covered = any(one.code == "group_covered" for one in conflicts)
        hint = "--replace takes the groups out of the other policy" if covered else ""
        raise Conflict("plan_blocked", "the change conflicts with what is there", hint=hint, problems=conflicts)
    if valve and not force:
        hint = "--force, if that is meant"
        raise Conflict("plan_needs_force", "more would be deleted than is usual", hint=hint, problems=valve)


def _problem(entry: Mapping[str, Any]) -> Problem:
    return Problem(*(str(entry.get(name) or "") for name in ("code", "message", "field", "hint")))


def ask(question: str, consent: Consent) -> None:
    """Go on only if a person says so.

    Raises:
        Invalid: `answer_needed`: there is nobody to ask. Unconfirmed: `declined`.
    """
    if consent.yes:
        return
    if consent.no_input or not sys.stdin.isatty():
        hint = "-y confirms it without a question, once you have looked at the plan above"
        raise Invalid("answer_needed", f"there is no terminal to ask: {question}", hint=hint)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Unconfirmed("declined", "nothing was changed")


def confirmed(client: Client, plan: Plan) -> Mapping[str, Any]:
    """Run exactly this plan."""
    done: Mapping[str, Any] = client.change("POST", f"/api/v1/plans/{plan['id']}/confirm").body
    return done


def made(client: Client, proposal: Proposal, consent: Consent, terminal: Terminal, *, question: str) -> Plan:
    """The whole way for a change without secrets; the plan that ran, or that had nothing to do."""
    plan = proposal.planned(client)
    if not plan["documents"]:
        return plan
    show(plan, terminal, must_be_seen=not consent.yes)
    refuse_blocked(plan, force=proposal.force)
    ask(question, consent)
    confirmed(client, plan)
    return plan


def answer(plan: Plan, output: str, terminal: Terminal, *, state: str | None = None, **more: Any) -> None:
    """What was done, on standard output."""
    documents = [{"kind": one["kind"], "name": one["name"], "change": one["change"]} for one in plan["documents"]]
    if output != "table":
        from portreeve.cli.output import write

        state = state or ("confirmed" if documents else "unchanged")
        write({"state": state, "plan": plan["id"], "documents": documents, **more}, output)
        return
    if not documents and not any(more.values()):
        terminal.note("nothing to change")
    for one in documents if state != "planned" else ():
        terminal.data(f"{one['kind']}/{one['name']} {DONE[one['change']]}")
