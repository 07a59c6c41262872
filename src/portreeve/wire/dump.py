"""Core values into documents: the canonical form, as plain mappings for a YAML or JSON writer.

Keys stand in the order of the pages docs/spec/*.md; what is empty and means nothing is left out. Reading what was
written gives the same value. A `Registry` value holds only what judging images needs, so its document does too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import singledispatch
from typing import Any, Final

from portreeve.core.cluster import LabelSelector, NamespaceSelection
from portreeve.core.environments import Environment, EnvironmentGroup
from portreeve.core.people import Project, RoleBinding, Subjects, Team, User
from portreeve.core.platform import PlatformSettings
from portreeve.core.policy import (
    API_VERSION,
    Access,
    AllowedSource,
    Delivery,
    Exemption,
    ExemptionState,
    Registry,
    RegistryAccess,
    RegistryPolicy,
    ServiceAccounts,
)

GENERATION_ANNOTATION: Final = "portreeve.io/generation"
"""Numbers the revision of a policy that lives in a file; without it the revision is 1."""

Document = dict[str, Any]
Tenancy = EnvironmentGroup | Environment | Project | RegistryAccess | Team | RoleBinding | User | PlatformSettings


@singledispatch
def dump(value: RegistryPolicy | Registry | Exemption | Tenancy) -> Document:
    """The document of a value."""
    raise TypeError(f"no document holds a {type(value).__name__}")


@dump.register
def _policy(policy: RegistryPolicy) -> Document:
    annotations = {GENERATION_ANNOTATION: str(policy.generation)} if policy.generation != 1 else {}
    spec = {
        "type": str(policy.type),
        "groups": list(policy.groups),
        "access": [_access(access) for access in policy.access],
        "restrict": {
            "stage": str(policy.stage),
            "includeGrantedRegistries": policy.include_granted_registries,
            "allowedSources": [_source(source) for source in policy.sources],
        },
        "allowOverride": policy.allow_override,
        "title": policy.title,
    }
    return _envelope("RegistryPolicy", policy.name, _filled(spec), annotations)


@dump.register
def _registry(registry: Registry) -> Document:
    spec = {
        "provider": registry.provider,
        "host": registry.prefix.host,
        "path": registry.prefix.path,
        "project": registry.project,
    }
    return _envelope("Registry", registry.name, _filled(spec))


@dump.register
def _exemption(exemption: Exemption) -> Document:
    scope = {
        "groups": list(exemption.groups),
        "namespaces": list(exemption.namespaces),
        "image": exemption.digest if exemption.prefix is None else str(exemption.prefix),
    }
    spec = {
        "policy": exemption.policy,
        "scope": _filled(scope),
        "reason": exemption.reason,
        "ticket": exemption.ticket,
        "owner": exemption.owner,
        "expiresAt": time_text(exemption.expires_at),
    }
    document = _envelope("Exemption", exemption.name, _filled(spec))
    if exemption.state is not ExemptionState.REQUESTED:
        document["status"] = {"state": str(exemption.state)}
    return document


@dump.register
def _environment_group(group: EnvironmentGroup) -> Document:
    return _envelope("EnvironmentGroup", group.name, _filled({"type": str(group.type), "title": group.title}))


@dump.register
def _environment(environment: Environment) -> Document:
    spec = {
        "type": str(environment.type),
        "tier": str(environment.tier),
        "group": environment.group,
        "title": environment.title,
    }
    return _envelope("Environment", environment.name, _filled(spec))


@dump.register
def _project(project: Project) -> Document:
    spec = {
        "admins": _subjects(project.admins),
        "namespaces": [{"environment": part.environment, "names": list(part.names)} for part in project.namespaces],
        "title": project.title,
    }
    return _envelope("Project", project.name, _filled(spec))


@dump.register
def _registry_access(access: RegistryAccess) -> Document:
    spec = {
        "registry": access.registry,
        "environment": access.environment,
        "project": access.project,
        "namespaces": _namespaces(access.namespaces),
        "subjects": _subjects(access.subjects),
        "delivery": _delivery(access.delivery),
    }
    return _envelope("RegistryAccess", access.name, _filled(spec))


@dump.register
def _team(team: Team) -> Document:
    spec = {"title": team.title, "members": list(team.members), "oidcGroups": list(team.oidc_groups)}
    return _envelope("Team", team.name, _filled(spec))


@dump.register
def _user(user: User) -> Document:
    return _envelope("User", user.name, _filled({"title": user.title, "disabled": user.disabled or None}))


@dump.register
def _settings(settings: PlatformSettings) -> Document:
    spec = {
        "selectorLabels": list(settings.selector_labels),
        "hideAnonymousDockerHub": settings.hide_anonymous_docker_hub or None,
    }
    return _envelope("Settings", settings.name, _filled(spec))


@dump.register
def _role_binding(binding: RoleBinding) -> Document:
    scope = {
        "environments": list(binding.scope.environments),
        "groups": list(binding.scope.groups),
        "namespaces": list(binding.scope.namespaces),
    }
    spec = {"role": str(binding.role), "subjects": _subjects(binding.subjects), "scope": _filled(scope)}
    return _envelope("RoleBinding", binding.name, _filled(spec))


def _subjects(subjects: Subjects) -> Document:
    return _filled({"teams": list(subjects.teams), "users": list(subjects.users)})


def _envelope(kind: str, name: str, spec: Document, annotations: dict[str, str] | None = None) -> Document:
    metadata = _filled({"name": name, "annotations": annotations})
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _filled(fields: Document) -> Document:
    """Without the entries that are empty; False is a value."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _source(source: AllowedSource) -> Document:
    scope: object = "Global" if source.namespaces is None else {"namespaces": list(source.namespaces)}
    return _filled({"prefix": str(source.prefix), "scope": scope, "note": source.note})


def _access(access: Access) -> Document:
    subjects = {} if access.subjects.nobody else {"subjects": _subjects(access.subjects)}
    return {
        "registry": access.registry,
        "namespaces": _namespaces(access.namespaces),
        **subjects,
        "delivery": _delivery(access.delivery),
    }


def _namespaces(selection: NamespaceSelection) -> Document:
    document = _filled({"names": list(selection.names)})
    if selection.selector is not None:
        document["selector"] = _selector(selection.selector)
    return document


def _selector(selector: LabelSelector) -> Document:
    expressions = [
        _filled({"key": line.key, "operator": str(line.operator), "values": list(line.values)})
        for line in selector.match_expressions
    ]
    return _filled({"matchLabels": dict(selector.match_labels), "matchExpressions": expressions})


def _delivery(delivery: Delivery) -> Document:
    chosen = delivery.service_accounts
    if isinstance(chosen, ServiceAccounts):
        return {"mode": str(delivery.mode), "serviceAccounts": str(chosen)}
    accounts = _filled({"names": list(chosen.names)})
    if chosen.selector is not None:
        accounts["selector"] = _selector(chosen.selector)
    return {"mode": str(delivery.mode), "serviceAccounts": accounts}


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: how documents write a time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
