"""Who sees which events: the clauses of a scope as conditions on the columns of `audit_events`, written once.

An event lies in the environment and project that it names, and so in that environment's group as of now. It names no
namespaces: whoever holds a role in some namespaces only does not see events of the whole environment, and a project's
admins see the events that touch no environment. Environments and projects are named in events as in documents, as no
character of such a name needs `core.audit.escaped`.

Left out: the leaf itself, whose fields these columns copy (`walk` holds the two against each other).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, and_, false, or_, true

from portreeve.core.authorization import Clause, Resource, Scope, visible_scope
from portreeve.core.environments import Environment
from portreeve.core.permissions import Action, Kind
from portreeve.errors import Denied
from portreeve.server.database.tables import AUDIT_EVENTS
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import in_scope

_ENVIRONMENT = AUDIT_EVENTS.c.environment
_PROJECT = AUDIT_EVENTS.c.project

_EVERYTHING = Clause()


def scope_of(caller: Caller) -> Scope:
    """What the caller sees; their token may narrow it to nothing."""
    if not in_scope(caller, Action.READ_AUDIT, Kind.AUDIT):
        return Scope(Kind.AUDIT)
    return visible_scope(caller.principal, Kind.AUDIT)


def sees_all(caller: Caller) -> bool:
    """Whether the caller sees every event there is or will be."""
    return _EVERYTHING in scope_of(caller).clauses


def not_all() -> Denied:
    """What somebody hears who asks for the whole log and sees a part of it."""
    return Denied(
        "audit_not_all",
        "the whole log is for those who may read all of it",
        hint="ask for your own events at /api/v1/audit, or an auditor of everything for an export",
    )


def place(environment: str, project: str, environments: Iterable[Environment]) -> Resource:
    """An event as permissions see it."""
    group = next((one.group for one in environments if one.name == environment), "")
    return Resource(Kind.AUDIT, environment=environment, group=group, project=project)


def where(scope: Scope, environments: Collection[Environment]) -> ColumnElement[bool]:
    """The condition that selects exactly the events that the scope admits. `environments` are all there are."""
    assert scope.kind is Kind.AUDIT
    return or_(false(), *(_where(clause, environments) for clause in scope.clauses))


def _where(clause: Clause, environments: Collection[Environment]) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if clause.environments is not None or clause.groups is not None:
        inside = {one.name for one in environments if one.group in (clause.groups or ())}
        conditions.append(_ENVIRONMENT.in_(sorted(inside.union(clause.environments or ()))))
    if clause.bare is not None:
        conditions.append(_ENVIRONMENT == "" if clause.bare else _ENVIRONMENT != "")
    if clause.placed is not None:
        conditions.append(_ENVIRONMENT != "" if clause.placed else _ENVIRONMENT == "")
    if clause.projects is not None:
        conditions.append(_PROJECT.in_(sorted(clause.projects)))
    # An event names no namespaces, no owner and no subjects; a condition on subjects holds for what names none.
    if clause.namespaces is not None or clause.cells is not None or clause.whole is False or clause.owner:
        conditions.append(false())
    return and_(*conditions)
