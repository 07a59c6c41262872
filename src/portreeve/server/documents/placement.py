"""Where a document lies, as permissions see it: its parts, one for each place (`core.authorization`).

A document in several places may be seen or changed only by who may do so in each of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from portreeve.core.authorization import Resource
from portreeve.core.environments import Environment, EnvironmentGroup
from portreeve.core.estate import Estate
from portreeve.core.people import Project, RoleBinding, Team, User
from portreeve.core.permissions import Kind
from portreeve.core.platform import PlatformSettings
from portreeve.core.policy import Exemption, Registry, RegistryAccess, RegistryPolicy
from portreeve.wire.documents import Value


def parts(value: Value, estate: Estate, state: Mapping[str, object]) -> tuple[Resource, ...]:
    """The parts of a document, at least one. `state` is what the control plane knows besides."""
    match value:
        case Registry(name=name, project=project):
            return (Resource(Kind.REGISTRY, name, project=project),)
        case RegistryAccess():
            return _access(value, estate)
        case RegistryPolicy(name=name, groups=groups):
            return _in_groups(Kind.REGISTRY_POLICY, name, groups)
        case Exemption():
            return _exemption(value, estate, str(state.get("requestedBy", "")))
        case Environment(name=name, group=group):
            return (Resource(Kind.ENVIRONMENT, name, name, group),)
        case EnvironmentGroup(name=name):
            return (Resource(Kind.ENVIRONMENT_GROUP, name, group=name),)
        case Project(name=name):
            return (Resource(Kind.PROJECT, name, project=name),)
        case RoleBinding():
            return _binding(value, estate)
        case Team(name=name):
            return (Resource(Kind.TEAM, name),)
        case User(name=name):
            return (Resource(Kind.USER, name),)
        case PlatformSettings(name=name):
            return (Resource(Kind.SETTINGS, name),)
        case _:
            raise TypeError(f"a {type(value).__name__} lies nowhere")


def group_of(environment: str, estate: Estate) -> str:
    """The group of an environment, "" if there is no such environment."""
    found = estate.environments_by_name.get(environment)
    return found.group if found else ""


def _access(access: RegistryAccess, estate: Estate) -> tuple[Resource, ...]:
    """An access belongs to the project that it is for, else to the one that owns its registry."""
    registry = estate.registries_by_name.get(access.registry)
    project = access.project or (registry.project if registry else "")
    # A selector reaches namespaces that nobody has named yet: it is a grant in the whole environment.
    names = () if access.namespaces.selector is not None else access.namespaces.names
    if not access.project:
        group = group_of(access.environment, estate)
        place = (access.environment, group) if access.environment else ("", "")
        named = names if any(place) else ()
        return (Resource(Kind.REGISTRY_ACCESS, access.name, *place, named, project, subjects=access.subjects),)
    found = estate.projects_by_name.get(access.project)
    held = [
        Resource(
            Kind.REGISTRY_ACCESS,
            access.name,
            part.environment,
            group_of(part.environment, estate),
            tuple(name for name in part.names if not names or name in names),
            project,
        )
        for part in (found.namespaces if found else ())
        if not names or set(names) & set(part.names)
    ]
    return tuple(held) or (Resource(Kind.REGISTRY_ACCESS, access.name, project=project),)


def _in_groups(kind: Kind, name: str, groups: tuple[str, ...]) -> tuple[Resource, ...]:
    return tuple(Resource(kind, name, group=group) for group in dict.fromkeys(groups)) or (Resource(kind, name),)


def _exemption(exemption: Exemption, estate: Estate, requester: str) -> tuple[Resource, ...]:
    policy = estate.policies_by_name.get(exemption.policy)
    groups = exemption.groups or (policy.groups if policy else ())
    if not groups:
        return (Resource(Kind.EXEMPTION, exemption.name, owner=requester),)
    return tuple(
        Resource(Kind.EXEMPTION, exemption.name, group=group, namespaces=exemption.namespaces, owner=requester)
        for group in dict.fromkeys(groups)
    )


def _binding(binding: RoleBinding, estate: Estate) -> tuple[Resource, ...]:
    scope = binding.scope
    if not scope.environments and not scope.groups:
        return (Resource(Kind.ROLE_BINDING, binding.name),)
    within = [
        Resource(Kind.ROLE_BINDING, binding.name, name, group_of(name, estate), scope.namespaces)
        for name in scope.environments
    ]
    return (*within, *(Resource(Kind.ROLE_BINDING, binding.name, "", name, scope.namespaces) for name in scope.groups))
