"""The kinds that the control plane keeps: their names in URLs, their permissions, what the audit log calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from portreeve.core import permissions
from portreeve.core.audit import Action, ObjectKind


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `columns` are what tables and CSV show beside the name: title → path in the answered document.

    `planned` kinds change through a plan alone (rule 9). `single` kinds have one document, with routes of its own.
    `filters` are the closed list of what lists may be asked for: parameter → path in the answered document; `sorts` are
    the one of orders, besides that by name: word → path.
    """

    name: str
    plural: str
    permission: permissions.Kind
    target: ObjectKind
    created: Action
    updated: Action
    deleted: Action
    planned: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    filters: tuple[tuple[str, str], ...] = ()
    sorts: tuple[tuple[str, str], ...] = ()
    single: bool = False


_ALL: Final = (
    Kind(
        "Registry", "registries", permissions.Kind.REGISTRY, ObjectKind.REGISTRY,
        Action.REGISTRY_CREATE, Action.REGISTRY_UPDATE, Action.REGISTRY_DELETE, planned=True,
        columns=(
            ("PROVIDER", "spec.provider"), ("HOST", "spec.host"), ("PATH", "spec.path"), ("PROJECT", "spec.project"),
            ("AUTH", "status.auth"), ("READY", "status.ready"), ("EXPIRES", "status.expiresAt"),
            ("GRANTS", "status.grants"),
        ),
        filters=(("provider", "spec.provider"), ("host", "spec.host"), ("project", "spec.project")),
        sorts=(
            ("title", "spec.title"), ("provider", "spec.provider"), ("host", "spec.host"), ("project", "spec.project"),
            ("expires", "status.expiresAt"), ("updated", "status.updatedAt"),
        ),
    ),
    Kind(
        "RegistryAccess", "access", permissions.Kind.REGISTRY_ACCESS, ObjectKind.ACCESS,
        Action.ACCESS_GRANT, Action.ACCESS_GRANT, Action.ACCESS_REVOKE, planned=True,
        columns=(
            ("REGISTRY", "spec.registry"), ("ENVIRONMENT", "spec.environment"), ("PROJECT", "spec.project"),
            ("NAMESPACES", "spec.namespaces.names"), ("MODE", "spec.delivery.mode"), ("MASKED", "status.maskedBy"),
        ),
        filters=(("registry", "spec.registry"), ("environment", "spec.environment"), ("project", "spec.project"),
                 ("namespace", "spec.namespaces.names")),
        sorts=(
            ("registry", "spec.registry"), ("environment", "spec.environment"), ("project", "spec.project"),
            ("mode", "spec.delivery.mode"), ("updated", "status.updatedAt"),
        ),
    ),
    Kind(
        "RegistryPolicy", "policies", permissions.Kind.REGISTRY_POLICY, ObjectKind.POLICY,
        Action.POLICY_CREATE, Action.POLICY_UPDATE, Action.POLICY_DELETE, planned=True,
        columns=(
            ("TYPE", "spec.type"), ("GROUPS", "spec.groups"), ("STAGE", "spec.restrict.stage"),
            ("SOURCES", "status.sources"), ("ENVIRONMENTS", "status.environments"),
        ),
        filters=(("type", "spec.type"), ("group", "spec.groups"), ("stage", "spec.restrict.stage")),
        sorts=(
            ("type", "spec.type"), ("stage", "spec.restrict.stage"), ("updated", "status.updatedAt"),
        ),
    ),
    Kind(
        "Exemption", "exemptions", permissions.Kind.EXEMPTION, ObjectKind.EXEMPTION,
        Action.EXEMPTION_REQUEST, Action.EXEMPTION_REQUEST, Action.EXEMPTION_REVOKE,
        columns=(
            ("POLICY", "spec.policy"), ("IMAGE", "spec.scope.image"), ("NAMESPACES", "spec.scope.namespaces"),
            ("OWNER", "spec.owner"), ("REQUESTER", "status.requestedBy"), ("APPROVER", "status.decidedBy"),
            ("STATE", "status.state"), ("EXPIRES", "spec.expiresAt"),
        ),
        filters=(("policy", "spec.policy"), ("state", "status.state"), ("owner", "spec.owner")),
        sorts=(
            ("policy", "spec.policy"), ("state", "status.state"), ("owner", "spec.owner"),
            ("expires", "spec.expiresAt"), ("created", "status.createdAt"),
        ),
    ),
    Kind(
        "Environment", "environments", permissions.Kind.ENVIRONMENT, ObjectKind.ENVIRONMENT,
        Action.ENVIRONMENT_CREATE, Action.ENVIRONMENT_UPDATE, Action.ENVIRONMENT_DELETE,
        columns=(
            ("TYPE", "spec.type"), ("TIER", "spec.tier"), ("GROUP", "spec.group"), ("VERSION", "status.kubernetes"),
            ("POLICY", "status.policy"), ("GENERATION", "status.generation"),
        ),
        filters=(
            ("type", "spec.type"), ("tier", "spec.tier"), ("group", "spec.group"), ("policy", "status.policy"),
            ("enforcement", "status.enforcement"), ("health", "status.health"), ("agent", "status.agent.state"),
        ),
        sorts=(
            ("title", "spec.title"), ("type", "spec.type"), ("tier", "spec.tier"), ("group", "spec.group"),
            ("policy", "status.policy"), ("updated", "status.updatedAt"),
        ),
    ),
    Kind(
        "EnvironmentGroup", "groups", permissions.Kind.ENVIRONMENT_GROUP, ObjectKind.GROUP,
        Action.GROUP_CREATE, Action.GROUP_UPDATE, Action.GROUP_DELETE,
        columns=(("TYPE", "spec.type"), ("ENVIRONMENTS", "status.environments"), ("POLICY", "status.coveredBy")),
        filters=(("type", "spec.type"),),
        sorts=(("title", "spec.title"), ("type", "spec.type"), ("policy", "status.coveredBy")),
    ),
    Kind(
        "Project", "projects", permissions.Kind.PROJECT, ObjectKind.PROJECT,
        Action.PROJECT_CREATE, Action.PROJECT_UPDATE, Action.PROJECT_DELETE,
        columns=(("TITLE", "spec.title"), ("ADMINS", "spec.admins.teams")),
        sorts=(("title", "spec.title"), ("updated", "status.updatedAt")),
    ),
    Kind(
        "Team", "teams", permissions.Kind.TEAM, ObjectKind.ROLE,
        Action.ROLE_GRANT, Action.ROLE_GRANT, Action.ROLE_REVOKE,
        columns=(("TITLE", "spec.title"), ("MEMBERS", "spec.members")),
        filters=(("member", "spec.members"),),
        sorts=(("title", "spec.title"), ("updated", "status.updatedAt")),
    ),
    Kind(
        "RoleBinding", "rolebindings", permissions.Kind.ROLE_BINDING, ObjectKind.ROLE,
        Action.ROLE_GRANT, Action.ROLE_GRANT, Action.ROLE_REVOKE,
        columns=(
            ("ROLE", "spec.role"), ("TEAMS", "spec.subjects.teams"), ("USERS", "spec.subjects.users"),
            ("ENVIRONMENTS", "spec.scope.environments"), ("GROUPS", "spec.scope.groups"),
        ),
        filters=(("role", "spec.role"),),
        sorts=(("role", "spec.role"), ("updated", "status.updatedAt")),
    ),
    Kind(
        "User", "users", permissions.Kind.USER, ObjectKind.USER,
        Action.USER_CREATE, Action.USER_UPDATE, Action.USER_DELETE,
        columns=(("TITLE", "spec.title"), ("DISABLED", "spec.disabled")),
        sorts=(("title", "spec.title"), ("updated", "status.updatedAt")),
    ),
    Kind(
        "Settings", "settings", permissions.Kind.SETTINGS, ObjectKind.SETTINGS,
        Action.SETTINGS_UPDATE, Action.SETTINGS_UPDATE, Action.SETTINGS_UPDATE, single=True,
    ),
)  # fmt: skip

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}
"""Name → kind, in the order in which lists of kinds are shown."""

BY_PLURAL: Final[Mapping[str, Kind]] = {kind.plural: kind for kind in _ALL if not kind.single}
"""What stands in URLs → kind."""

APPLY_ORDER: Final = (
    "Settings", "User", "EnvironmentGroup", "Environment", "Team", "RoleBinding", "Project", "Registry",
    "RegistryAccess", "RegistryPolicy", "Exemption",
)  # fmt: skip
"""What is named stands before what names it; deletions go the other way round."""
