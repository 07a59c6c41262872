"""May this principal do this to that object, and which objects may it see: `permissions.TABLE` applied.

Theory of operation. Each line of the table that speaks of the action gives some `Clause`s for each place where the
principal holds its role: conditions on the columns of an object. `authorize` asks whether any admits one object;
`visible_scope` returns the clauses themselves, for a store to turn into a WHERE. Both come from the same function, so
that a list shows exactly what could be read one by one. No clause is a no: everything is denied that no line allows.

The caller hears the same of what is forbidden and what does not exist (`Decision.text`), and the same work is done for
both; `Decision.why` is for the audit log and never leaves it. Objects in several environments or groups are judged in
parts (`authorize_all`); a change of an object's place is judged before and after, as two parts.

Left out: proving who somebody is, reading anything from a store. Source: threats API-01, API-03, API-04, API-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from enum import StrEnum
from typing import Final

from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.people import EVERYWHERE, NOBODY, BindingScope, Project, Role, RoleBinding, Subjects, Team
from portreeve.core.permissions import NOT_BY_REQUESTER, PERSONAL, TABLE, Action, Kind, Line, Reach, listing


class Authentication(StrEnum):
    """How somebody proved who they are."""

    PASSWORD = "password"  # noqa: S105 - the name of a method
    OIDC = "oidc"
    LINK = "link"
    """A link that is good for one sign-in, from whoever administers the machine."""
    TOKEN = "token"  # noqa: S105 - the name of a method
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Holding:
    """A role and where it is held, resolved. `source` names the binding or project that it comes from, for the log.

    `around` holds the groups that the scope's environments belong to: seen, not held. `cells` are (environment,
    namespace) of a project, `project` its name; both are empty for every role but project-admin.
    """

    role: Role
    source: str
    scope: BindingScope = EVERYWHERE
    around: frozenset[str] = frozenset()
    project: str = ""
    cells: frozenset[tuple[str, str]] = frozenset()


_PROOF: Final = object()


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose identity is proven, with their teams and roles. Only `authenticated` makes one."""

    user: str
    teams: frozenset[str]
    holdings: tuple[Holding, ...]
    how: Authentication
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        if proof is not _PROOF:
            raise TypeError("a Principal is made by authenticated() alone")
        if not self.user:
            raise ValueError("an identity without a name is nobody's")


def authenticated(
    user: str,
    how: Authentication,
    *,
    teams: Iterable[Team] = (),
    oidc_groups: frozenset[str] = frozenset(),
    bindings: Iterable[RoleBinding] = (),
    projects: Iterable[Project] = (),
    environments: Iterable[Environment] = (),
) -> Principal:
    """The principal behind a proven identity. For authenticators: nothing else may call it.

    Args:
        oidc_groups: only those that a verified token of this very sign-in names.
        bindings, projects: all there are; those that name the user or a team of theirs count. A binding of
            project-admin counts for nothing: that role comes from `Project.admins`.
        environments: all there are; they tell in which groups the scope of a binding lies.
    Raises:
        ValueError: the name is empty.
    """
    own = frozenset(team.name for team in teams if team.has(user, oidc_groups))
    group_of = {environment.name: environment.group for environment in environments}
    holdings = [
        Holding(
            binding.role,
            binding.name,
            binding.scope,
            frozenset(group_of[name] for name in binding.scope.environments if name in group_of),
        )
        for binding in bindings
        if binding.role is not Role.PROJECT_ADMIN and binding.subjects.name(user, own)
    ]
    holdings += [_administers(project) for project in projects if project.admins.name(user, own)]
    return Principal(user, own, tuple(holdings), how, _PROOF)


def _administers(project: Project) -> Holding:
    cells = frozenset((part.environment, name) for part in project.namespaces for name in part.names)
    return Holding(Role.PROJECT_ADMIN, project.name, project=project.name, cells=cells)


GROUP_KINDS: Final = frozenset({Kind.ENVIRONMENT_GROUP, Kind.REGISTRY_POLICY, Kind.EXEMPTION})
"""Kinds that count for every environment of a group: who holds a role in one of them does not hold it for these."""


@dataclass(frozen=True, slots=True)
class Resource:
    """An object as far as permissions see it. Empty text means "none", and for `name` the collection.

    `environment` and `group` say where it lies; an environment's own group is always given with it. `namespaces`
    empty means the whole of that place. What is said of groups (policies, exemptions) lies in the group alone; a
    namespace or workload has no `project`, while a project has itself as its own. `owner` is the user who asked for
    it, and `subjects` are whom a grant on Docker or Swarm names.
    """

    kind: Kind
    name: str = ""
    environment: str = ""
    group: str = ""
    namespaces: tuple[str, ...] = ()
    project: str = ""
    owner: str = ""
    subjects: Subjects = NOBODY

    def __post_init__(self) -> None:
        if self.namespaces and not (self.environment or self.group):
            raise ValueError("namespaces lie in an environment or a group")
        if self.environment and self.kind in GROUP_KINDS:
            raise ValueError(f"a {self.kind} lies in its group, not in one environment of it")


@dataclass(frozen=True, slots=True)
class Clause:
    """Conditions on an object; each that is not None must hold. No condition admits everything.

    `environments` and `groups` are one condition, satisfied by either; both are None or neither is.
    """

    environments: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    bare: bool | None = None
    """True: the object lies in no environment. It may lie in a group."""
    whole: bool | None = None
    """True: the object names no namespaces."""
    namespaces: frozenset[str] | None = None
    """The object names namespaces, and none outside these."""
    cells: frozenset[tuple[str, str]] | None = None
    """The object names namespaces, and each with its environment is among these."""
    projects: frozenset[str] | None = None
    """The object's project is one of these; "" is none."""
    placed: bool | None = None
    """False: the object lies in no environment and no group."""
    owner: str | None = None
    subject: tuple[str, frozenset[str]] | None = None
    """User and teams: if the object names subjects, then one of these."""

    def admits(self, resource: Resource) -> bool:
        """Whether the object satisfies every condition."""
        names = resource.namespaces
        return (
            (self.environments is None or self._in_place(resource))
            and (self.bare is None or self.bare == (not resource.environment))
            and (self.whole is None or self.whole == (not names))
            and (self.namespaces is None or (bool(names) and self.namespaces.issuperset(names)))
            and (
                self.cells is None or (bool(names) and self.cells.issuperset((resource.environment, n) for n in names))
            )
            and (self.projects is None or resource.project in self.projects)
            and (self.placed is None or self.placed == bool(resource.environment or resource.group))
            and (self.owner is None or self.owner == resource.owner)
            and (self.subject is None or resource.subjects.nobody or resource.subjects.name(*self.subject))
        )

    def _in_place(self, resource: Resource) -> bool:
        return resource.environment in (self.environments or ()) or resource.group in (self.groups or ())


@dataclass(frozen=True, slots=True)
class Scope:
    """The objects of one kind that somebody may see: those that any clause admits. No clause means none."""

    kind: Kind
    clauses: tuple[Clause, ...] = ()
    themselves: str | None = None
    """The name of the one object that is seen besides: the user themselves."""

    def admits(self, resource: Resource) -> bool:
        """Whether the object is among them."""
        if resource.kind is not self.kind:
            return False
        own = self.themselves is not None and resource.name == self.themselves
        return own or any(clause.admits(resource) for clause in self.clauses)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed. `role` is the first one that allows it, None for a no or for the user themselves."""

    allowed: bool
    why: str
    """For the audit log alone: it tells apart what is missing and what is forbidden."""
    role: Role | None = None
    text: str = field(default="")
    """For the caller: the same for an object that is missing and for one that is forbidden."""


def authorize(principal: Principal, action: Action, resource: Resource, table: Sequence[Line] = TABLE) -> Decision:
    """Whether the principal may do this to the object, and why. Denied unless a line of the table allows it."""
    text = _text(action, resource.kind, resource.name)
    reasons = [*_reasons(principal, action, resource, table)]
    if not reasons:
        return Decision(False, _refusal(principal, action, resource, table), None, text)
    if (resource.kind, action) in NOT_BY_REQUESTER and resource.owner in ("", principal.user):
        who = "the requester is not known" if not resource.owner else f"{principal.user} asked for it"
        return Decision(False, f"{who}, and another person must {action} it", None, text)
    role, why = reasons[0]
    return Decision(True, why, role, text)


def authorize_missing(
    principal: Principal, action: Action, kind: Kind, name: str, table: Sequence[Line] = TABLE
) -> Decision:
    """The decision on an object that does not exist: never allowed, and to the caller like one that is forbidden."""
    decision = authorize(principal, action, Resource(kind, name), table)
    return Decision(False, f"there is no {kind} called {name}", None, decision.text)


def authorize_all(
    principal: Principal, action: Action, parts: Iterable[Resource], table: Sequence[Line] = TABLE
) -> Decision:
    """The decision on an object in several places, or on one that moves: allowed only if every part is.

    Raises:
        ValueError: there is no part; an object in no place is one Resource without a place.
    """
    decisions = [authorize(principal, action, part, table) for part in parts]
    if not decisions:
        raise ValueError("there is nothing to decide on")
    return next((decision for decision in decisions if not decision.allowed), decisions[0])


def visible_scope(principal: Principal, kind: Kind, table: Sequence[Line] = TABLE) -> Scope:
    """What of this kind the principal sees in lists: exactly the objects that `authorize` lets them list one by one."""
    action = listing(kind)
    if action is None:
        return Scope(kind)
    clauses = dict.fromkeys(clause for _, _, clause in _clauses(principal, action, kind, table))
    return Scope(kind, tuple(clauses), principal.user if kind is PERSONAL[0] else None)


def _text(action: Action, kind: Kind, name: str) -> str:
    what = f"there is no {kind} called {name}" if name else f"there are no objects of kind {kind}"
    return f"{what} that you may {action}"


def _reasons(
    principal: Principal, action: Action, resource: Resource, table: Sequence[Line]
) -> Iterator[tuple[Role | None, str]]:
    kind = resource.kind
    for line, holding, clause in _clauses(principal, action, kind, table):
        if clause.admits(resource):
            yield line.role, f"{line.role} ({holding.source}) may {action} each {kind} {line.reach}"
    if kind is PERSONAL[0] and action in (PERSONAL[1], listing(kind)) and resource.name == principal.user:
        yield None, "everybody may read who they are themselves"


def _refusal(principal: Principal, action: Action, resource: Resource, table: Sequence[Line]) -> str:
    kind = resource.kind
    near = dict.fromkeys(
        f"{line.role} ({h.source}) {line.reach}" for line, h, _ in _clauses(principal, action, kind, table)
    )
    if near:
        return f"the object is out of reach of {', '.join(near)}"
    held = dict.fromkeys(str(holding.role) for holding in principal.holdings)
    return f"{', '.join(held) or 'nobody without a role'} may not {action} any {kind}"


def _clauses(
    principal: Principal, action: Action, kind: Kind, table: Sequence[Line]
) -> Iterator[tuple[Line, Holding, Clause]]:
    for line in table:
        if kind in line.kinds and action in line.actions:
            for holding in principal.holdings:
                if holding.role is line.role:
                    for clause in _reached(line.reach, holding, principal):
                        yield line, holding, clause


def _reached(reach: Reach, holding: Holding, principal: Principal) -> Iterator[Clause]:
    """The conditions under which an object is within reach."""
    match reach:
        case Reach.WITHIN:
            yield _within(holding)
        case Reach.NEARBY:
            yield _within(holding)
            yield from _near(holding)
        case Reach.AROUND:
            yield from _around(holding)
        case Reach.GRANTED:
            yield _within(holding, subject=(principal.user, principal.teams))
        case Reach.NAMED:
            if holding.scope.namespaces:
                yield _within(holding)
        case Reach.OWN:
            yield _within(holding, owner=principal.user)
            yield from _near(holding, owner=principal.user)
        case Reach.SHARED:
            yield Clause(projects=frozenset({""}))
        case Reach.PROJECT:
            own = frozenset({holding.project})
            yield Clause(projects=own, placed=False)
            yield Clause(projects=own, cells=holding.cells)
        case Reach.INSIDE:
            yield Clause(projects=frozenset({""}), cells=holding.cells)


def _places(scope: BindingScope) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    if not scope.environments and not scope.groups:
        return None, None
    return frozenset(scope.environments), frozenset(scope.groups)


def _namespaces(scope: BindingScope) -> frozenset[str] | None:
    return frozenset(scope.namespaces) or None


def _within(holding: Holding, *, owner: str | None = None, subject: tuple[str, frozenset[str]] | None = None) -> Clause:
    environments, groups = _places(holding.scope)
    return Clause(environments, groups, namespaces=_namespaces(holding.scope), owner=owner, subject=subject)


def _near(holding: Holding, *, owner: str | None = None) -> Iterator[Clause]:
    if holding.around:
        names = _namespaces(holding.scope)
        yield Clause(frozenset(), holding.around, bare=True, namespaces=names, owner=owner)


def _around(holding: Holding) -> Iterator[Clause]:
    environments, groups = _places(holding.scope)
    yield Clause(environments, groups, whole=True)
    if holding.around:
        yield Clause(frozenset(), holding.around, bare=True, whole=True)


ENVIRONMENT_ROLES: Final = frozenset({Role.ENVIRONMENT_ADMIN, Role.OPERATOR, Role.DEVELOPER})
"""Roles that make somebody a user of an environment. Who only audits pulls nothing there."""


def selectable(environment: Environment, bindings: Iterable[RoleBinding], teams: Iterable[Team]) -> Subjects:
    """Whom a grant on this environment may name: teams and users with a role there, each sorted.

    A user counts by a binding of their own or of a team that they are a member of by name. That a team has a
    member with a role does not make the team selectable. Source: requirements B-10 and B-24.
    """
    there = [b.subjects for b in bindings if b.role in ENVIRONMENT_ROLES and covers(b.scope, environment)]
    named = {team for subjects in there for team in subjects.teams}
    known = {team.name: team for team in teams if team.name in named}
    users = {user for subjects in there for user in subjects.users}
    users |= {user for team in known.values() for user in team.members}
    return Subjects(tuple(sorted(known)), tuple(sorted(users)))


def covers(scope: BindingScope, environment: Environment) -> bool:
    """Whether the scope reaches the environment, if only one namespace of it; only Kubernetes has namespaces."""
    if scope.namespaces and environment.type is not EnvironmentType.KUBERNETES:
        return False
    anywhere = not scope.environments and not scope.groups
    return anywhere or environment.name in scope.environments or environment.group in scope.groups
