"""Who may do what, as one table; `portreeve.core.authorization` applies it.

Everything that can be done is an `Action` on a `Kind` in OPERATIONS; who may do it stands in TABLE, and what stands in
no line nobody may do. There are no wildcards and no line that takes something away. A credential's value cannot
be read because there is no such operation, for any role: `credential` is the one kind without `read` and `list`.

The table is held to tests/cases/authorization.yaml cell by cell. Decision record: docs/adr/0011.
Source: the design's mission, "Roles" and rules 5, 8 and 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portreeve.core.people import Role


class Kind(StrEnum):
    """What things are, as permissions see them."""

    REGISTRY = "registry"
    CREDENTIAL = "credential"
    REGISTRY_ACCESS = "registry-access"
    REGISTRY_POLICY = "registry-policy"
    EXEMPTION = "exemption"
    ENVIRONMENT = "environment"
    ENVIRONMENT_GROUP = "environment-group"
    NAMESPACE = "namespace"
    WORKLOAD = "workload"
    PROJECT = "project"
    TEAM = "team"
    ROLE_BINDING = "role-binding"
    USER = "user"
    AUDIT = "audit"
    SETTINGS = "settings"


class Action(StrEnum):
    """What can be done."""

    READ = "read"
    LIST = "list"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    PLAN = "plan"
    CONFIRM = "confirm"
    VALIDATE = "validate"
    ROTATE = "rotate"
    BROWSE = "browse"
    RETAG = "retag"
    DELETE_IMAGE = "delete-image"
    GRANT = "grant"
    APPROVE = "approve"
    REVOKE = "revoke"
    ENROL = "enrol"
    DEPLOY = "deploy"
    REDEPLOY = "redeploy"
    READ_AUDIT = "read-audit"


class Reach(StrEnum):
    """Which objects a line of the table is about, seen from where its role is held."""

    WITHIN = "within"
    """What lies in the place altogether: its environments or groups, and no namespace but its own."""
    NEARBY = "nearby"
    """As WITHIN, and what is said of a group that one of the environments belongs to."""
    AROUND = "around"
    """What the place lies in: the environments themselves, their groups, and what is said of those as a whole."""
    GRANTED = "granted"
    """As WITHIN; what names users or teams only if it names this user or one of their teams."""
    NAMED = "named"
    """As WITHIN, and only where the role is held in namespaces by name."""
    OWN = "own"
    """As NEARBY, and only what this user asked for."""
    SHARED = "shared"
    """What belongs to no project, wherever the role is held."""
    PROJECT = "project"
    """What belongs to the project and touches no namespace but the project's."""
    INSIDE = "inside"
    """What belongs to no project and lies in namespaces of this one altogether."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: who holds the role may do each of the actions on each of the kinds within reach."""

    role: Role
    reach: Reach
    kinds: tuple[Kind, ...]
    actions: tuple[Action, ...]


SEE: Final = (Action.READ, Action.LIST)
WRITE: Final = (Action.CREATE, Action.UPDATE, Action.DELETE)
PLANNED: Final = (*WRITE, Action.PLAN, Action.CONFIRM)
"""Changes that go through a plan (rule 9)."""
JUDGE: Final = (Action.APPROVE, Action.REVOKE)
KEEP: Final = (*WRITE, Action.ROTATE, Action.VALIDATE)
"""What is done with a credential. Reading it is not among it, and is nothing that could be done (rule 5)."""

OPERATIONS: Final[Mapping[Kind, tuple[Action, ...]]] = {
    Kind.REGISTRY: (
        *SEE,
        *PLANNED,
        Action.VALIDATE,
        Action.BROWSE,
        Action.GRANT,
        Action.RETAG,
        Action.DELETE_IMAGE,
    ),
    Kind.CREDENTIAL: KEEP,
    Kind.REGISTRY_ACCESS: (*SEE, *PLANNED, Action.BROWSE),
    Kind.REGISTRY_POLICY: (*SEE, *PLANNED),
    Kind.EXEMPTION: (*SEE, Action.CREATE, Action.DELETE, *JUDGE),
    Kind.ENVIRONMENT: (*SEE, *WRITE, Action.ENROL),
    Kind.ENVIRONMENT_GROUP: (*SEE, *WRITE),
    Kind.NAMESPACE: SEE,
    Kind.WORKLOAD: (*SEE, Action.DEPLOY, Action.REDEPLOY),
    Kind.PROJECT: (*SEE, *WRITE),
    Kind.TEAM: (*SEE, *WRITE),
    Kind.ROLE_BINDING: (*SEE, *WRITE),
    Kind.USER: (*SEE, *WRITE),
    Kind.AUDIT: (Action.READ_AUDIT,),
    Kind.SETTINGS: (Action.READ, Action.UPDATE),
}
"""Kind → everything that can be done with it."""

PERSONAL: Final = (Kind.USER, Action.READ)
"""The one thing that somebody without any role may do, and with themselves alone."""

NOT_BY_REQUESTER: Final = frozenset({(Kind.EXEMPTION, Action.APPROVE)})
"""What nobody may do with what they asked for themselves, whatever their roles."""

ADMIN, ENV, PROJECT = Role.PLATFORM_ADMIN, Role.ENVIRONMENT_ADMIN, Role.PROJECT_ADMIN
OPERATOR, DEVELOPER, AUDITOR = Role.OPERATOR, Role.DEVELOPER, Role.AUDITOR

_PLACES: Final = (Kind.ENVIRONMENT, Kind.ENVIRONMENT_GROUP, Kind.REGISTRY_POLICY)
_RUNNING: Final = (Kind.NAMESPACE, Kind.WORKLOAD)
_PEOPLE: Final = (Kind.PROJECT, Kind.TEAM, Kind.ROLE_BINDING, Kind.USER)

TABLE: Final[tuple[Line, ...]] = (
    # role, reach, kinds, actions
    Line(ADMIN, Reach.WITHIN, (Kind.REGISTRY,), OPERATIONS[Kind.REGISTRY]),
    Line(ADMIN, Reach.WITHIN, (Kind.CREDENTIAL,), KEEP),
    Line(ADMIN, Reach.WITHIN, (Kind.REGISTRY_ACCESS,), OPERATIONS[Kind.REGISTRY_ACCESS]),
    Line(ADMIN, Reach.WITHIN, (Kind.REGISTRY_POLICY,), OPERATIONS[Kind.REGISTRY_POLICY]),
    Line(ADMIN, Reach.WITHIN, (Kind.EXEMPTION,), OPERATIONS[Kind.EXEMPTION]),
    Line(ADMIN, Reach.WITHIN, (Kind.ENVIRONMENT,), OPERATIONS[Kind.ENVIRONMENT]),
    Line(ADMIN, Reach.WITHIN, (Kind.ENVIRONMENT_GROUP,), OPERATIONS[Kind.ENVIRONMENT_GROUP]),
    Line(ADMIN, Reach.WITHIN, _RUNNING, SEE),
    Line(ADMIN, Reach.WITHIN, (Kind.WORKLOAD,), (Action.DEPLOY, Action.REDEPLOY)),
    Line(ADMIN, Reach.WITHIN, _PEOPLE, (*SEE, *WRITE)),
    Line(ADMIN, Reach.WITHIN, (Kind.AUDIT,), (Action.READ_AUDIT,)),
    Line(ADMIN, Reach.WITHIN, (Kind.SETTINGS,), OPERATIONS[Kind.SETTINGS]),
    # Tier and group of an environment decide which policy covers it, so changing them is for platform-admin alone.
    Line(ENV, Reach.AROUND, _PLACES, SEE),
    Line(ENV, Reach.WITHIN, (Kind.ENVIRONMENT,), (Action.ENROL,)),
    Line(ENV, Reach.WITHIN, (Kind.REGISTRY_POLICY,), PLANNED),
    Line(ENV, Reach.SHARED, (Kind.REGISTRY,), (*SEE, Action.BROWSE, Action.GRANT)),
    Line(ENV, Reach.WITHIN, (Kind.REGISTRY_ACCESS,), (*SEE, *PLANNED, Action.BROWSE)),
    Line(ENV, Reach.NEARBY, (Kind.EXEMPTION,), (*SEE, Action.CREATE)),
    Line(ENV, Reach.WITHIN, (Kind.EXEMPTION,), (Action.DELETE, *JUDGE)),
    Line(ENV, Reach.WITHIN, _RUNNING, SEE),
    Line(ENV, Reach.WITHIN, (Kind.WORKLOAD,), (Action.DEPLOY, Action.REDEPLOY)),
    Line(ENV, Reach.WITHIN, (Kind.ROLE_BINDING,), SEE),
    Line(ENV, Reach.WITHIN, (Kind.AUDIT,), (Action.READ_AUDIT,)),
    # What belongs to the project its admins change; its namespaces and its admins they do not.
    Line(PROJECT, Reach.PROJECT, (Kind.REGISTRY,), OPERATIONS[Kind.REGISTRY]),
    Line(PROJECT, Reach.PROJECT, (Kind.CREDENTIAL,), KEEP),
    Line(PROJECT, Reach.PROJECT, (Kind.REGISTRY_ACCESS,), OPERATIONS[Kind.REGISTRY_ACCESS]),
    Line(PROJECT, Reach.INSIDE, (Kind.REGISTRY_ACCESS,), (*SEE, Action.BROWSE)),
    Line(PROJECT, Reach.PROJECT, (Kind.PROJECT,), SEE),
    Line(PROJECT, Reach.INSIDE, _RUNNING, SEE),
    Line(PROJECT, Reach.PROJECT, (Kind.AUDIT,), (Action.READ_AUDIT,)),
    # Registries are seen through what is granted, never as such: references and pointers only.
    Line(OPERATOR, Reach.AROUND, _PLACES, SEE),
    Line(OPERATOR, Reach.GRANTED, (Kind.REGISTRY_ACCESS,), (*SEE, Action.BROWSE)),
    Line(OPERATOR, Reach.NEARBY, (Kind.EXEMPTION,), SEE),
    Line(OPERATOR, Reach.WITHIN, _RUNNING, SEE),
    Line(OPERATOR, Reach.WITHIN, (Kind.WORKLOAD,), (Action.DEPLOY, Action.REDEPLOY)),
    Line(DEVELOPER, Reach.AROUND, _PLACES, SEE),
    Line(DEVELOPER, Reach.GRANTED, (Kind.REGISTRY_ACCESS,), (*SEE, Action.BROWSE)),
    Line(DEVELOPER, Reach.NEARBY, (Kind.EXEMPTION,), (*SEE, Action.CREATE)),
    Line(DEVELOPER, Reach.OWN, (Kind.EXEMPTION,), (Action.DELETE,)),
    Line(DEVELOPER, Reach.WITHIN, _RUNNING, SEE),
    Line(DEVELOPER, Reach.NAMED, (Kind.WORKLOAD,), (Action.DEPLOY,)),
    Line(AUDITOR, Reach.AROUND, _PLACES, SEE),
    Line(AUDITOR, Reach.WITHIN, (Kind.REGISTRY, Kind.REGISTRY_ACCESS), SEE),
    Line(AUDITOR, Reach.NEARBY, (Kind.EXEMPTION,), SEE),
    Line(AUDITOR, Reach.WITHIN, _RUNNING, SEE),
    Line(AUDITOR, Reach.WITHIN, _PEOPLE, SEE),
    Line(AUDITOR, Reach.WITHIN, (Kind.AUDIT,), (Action.READ_AUDIT,)),
    Line(AUDITOR, Reach.WITHIN, (Kind.SETTINGS,), (Action.READ,)),
)
"""Who may do what. Every line must be needed: a test takes each one, and each of its cells, away."""


def listing(kind: Kind) -> Action | None:
    """The action that shows objects of this kind in lists; None if nothing does."""
    return next((action for action in (Action.LIST, Action.READ_AUDIT) if action in OPERATIONS[kind]), None)


def roles_that_may(kind: Kind, action: Action) -> tuple[Role, ...]:
    """The roles that may do this with some object, in the order of the table: whom to ask."""
    found = (line.role for line in TABLE if kind in line.kinds and action in line.actions)
    return tuple(dict.fromkeys(found))
