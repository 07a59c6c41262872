"""A plan as lines of text: what the command line prints, and what a comment on a change request shows as Markdown.

The API and the console show the same object; nothing is decided here. What came from outside is escaped, and there is
no secret to hide, because no plan holds one: of a credential only its id and versions are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from portreeve.core.blast_radius import Denial
from portreeve.core.our_objects import Create, Delete, ManagedObject, ObjectChange, ObjectKind, Update
from portreeve.core.plan import EnvironmentPlan, Plan
from portreeve.core.takeover import Takeover
from portreeve.errors import Problem

MOST_LISTED: Final = 20
"""Lines of one list; the rest is counted. A person reads no more, and a comment holds no more."""

_PUNCTUATION: Final = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>()#!|~&@"})


def lines(plan: Plan) -> tuple[str, ...]:
    """The plan for a terminal: what blocks it first, then what it takes over, denies and changes."""
    return tuple(_safe(line) for line in _lines(plan))


def markdown(plan: Plan) -> str:
    """The same lines as a Markdown list; every character that Markdown reads is escaped."""
    return "\n".join(_markdown_line(line) for line in lines(plan))


def _markdown_line(line: str) -> str:
    text = line.lstrip(" ")
    return f"{line[: len(line) - len(text)]}- {text.translate(_PUNCTUATION)}"


def _lines(plan: Plan) -> Iterator[str]:
    yield _summary(plan)
    yield from _section("Cannot be confirmed", [_problem(one) for one in (*plan.conflicts, *plan.refusals)])
    yield from _section("Needs force", [_problem(one) for one in plan.valve])
    yield from _section("Policies", [_takeover(one) for one in plan.takeovers])
    radius = plan.radius
    yield from _section("Would newly be denied", [_denial(one) for one in radius.newly_denied])
    yield from _section("Would newly be reported, not denied", [_denial(one) for one in radius.newly_reported])
    allowed = [f"{one.image} ({one.owner} in {one.environment}/{one.namespace})" for one in radius.newly_allowed]
    yield from _section("Would newly be allowed", allowed)
    for environment in plan.environments:
        yield from _environment(environment)


def _safe(text: str, limit: int = 400) -> str:
    """Text on one line of a terminal: no control character, nothing that turns its direction, not too long."""
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    return cut if cut.isascii() and cut.isprintable() else ascii(cut)[1:-1]


def _summary(plan: Plan) -> str:
    if plan.empty and not plan.blocked():
        return "Nothing changes."
    made = Counter(type(change) for environment in plan.environments for change in environment.changes)
    return (
        f"{len(plan.environments)} environments: {made[Create]:,} objects to create, {made[Update]:,} to change, "
        f"{made[Delete]:,} to delete; {len(plan.radius.newly_denied):,} running images would newly be denied."
    )


def _section(title: str, entries: list[str]) -> Iterator[str]:
    if not entries:
        return
    yield f"{title} ({len(entries):,}):"
    yield from (f"  {entry}" for entry in entries[:MOST_LISTED])
    if len(entries) > MOST_LISTED:
        yield f"  and {len(entries) - MOST_LISTED:,} more"


def _problem(problem: Problem) -> str:
    return _safe(f"{problem.code}: {problem}")


def _takeover(takeover: Takeover) -> str:
    rest = ", which then covers nothing" if takeover.emptied else ""
    return f"group {takeover.group} goes from policy {takeover.taken_from} to {takeover.taken_by}{rest}"


def _denial(denial: Denial) -> str:
    image = denial.image
    told = f"stage {denial.stage} [{denial.decision}]: {denial.reason}"
    return f"{image.image} ({image.owner} in {image.environment}/{image.namespace}), {told}"


def _environment(planned: EnvironmentPlan) -> Iterator[str]:
    yield f"{planned.environment} (enforced by: {planned.plane}), policy {_policies(planned)}"
    if planned.masked:
        yield f"  masked by the policy: {_listed(planned.masked)}"
    if planned.unmasked:
        yield f"  in force again: {_listed(planned.unmasked)}"
    yield from (f"  note: {_problem(one)}" for one in planned.notes[:MOST_LISTED])
    yield from (f"  {_change(one)}" for one in planned.changes[:MOST_LISTED])
    if len(planned.changes) > MOST_LISTED:
        yield f"  and {len(planned.changes) - MOST_LISTED:,} more changes"


def _policies(planned: EnvironmentPlan) -> str:
    before, after = planned.policy_before or "none", planned.policy_after or "none"
    return after if before == after else f"{before} -> {after}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def _change(change: ObjectChange) -> str:
    match change:
        case Create(new):
            return f"+ {_object(new)}"
        case Delete(old):
            return f"- {_object(old)}"
        case Update(old, new):
            before = dict(old.facts)
            after = dict(new.facts)
            names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            told = (f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}" for name in names)
            return f"~ {_object(new)}: {', '.join(told)}"


def _object(managed: ManagedObject) -> str:
    identity = managed.identity
    where = f" in {identity.namespace}" if identity.namespace else ""
    facts = dict(managed.facts)
    why = f" ({facts['owners']})" if identity.kind is ObjectKind.ENTRY and "owners" in facts else ""
    return f"{identity.kind} {identity.name}{where}{why}"
