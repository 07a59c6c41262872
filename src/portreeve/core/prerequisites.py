"""What is wrong with an estate: names that lead nowhere, types that differ, steps taken out of order.

Every problem names its document and field ("RegistryAccess/shop spec.registry"). Order of prerequisites (B-10): team
and environment first, then a role in that environment, then an access that names them.

Left out: what is wrong inside one policy (`core.policy.validate`) and the rules of tiers (`core.tier_rules`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from portreeve.core.cluster import is_dns_label
from portreeve.core.estate import (
    Environment,
    EnvironmentGroup,
    EnvironmentType,
    Estate,
    Key,
    Project,
    RegistryAccess,
    Subjects,
    identities,
)
from portreeve.core.policy import RegistryPolicy
from portreeve.core.reference import shown
from portreeve.errors import Problem


def validate(estate: Estate) -> list[Problem]:
    """Everything that keeps the estate from meaning one thing; empty means valid. Independent of document order."""
    known = _Known(estate)
    found = [
        *_names(estate),
        *_environments(known),
        *_role_bindings(known),
        *_projects(known),
        *(problem for access in estate.accesses for problem in _access(access, known)),
        *(problem for policy in estate.policies for problem in _policy(policy, known)),
        *_covered_twice(estate),
        *_exemptions(known),
    ]
    return sorted(found, key=lambda problem: (problem.field, problem.code, problem.message))


@dataclass(frozen=True)
class _Known:
    """The estate by name, so that validation is one pass."""

    estate: Estate

    @cached_property
    def groups(self) -> Mapping[str, EnvironmentGroup]:
        return {group.name: group for group in self.estate.groups}

    @cached_property
    def environments(self) -> Mapping[str, Environment]:
        return {environment.name: environment for environment in self.estate.environments}

    @cached_property
    def projects(self) -> Mapping[str, Project]:
        return {project.name: project for project in self.estate.projects}

    @cached_property
    def registries(self) -> frozenset[str]:
        return frozenset(registry.name for registry in self.estate.registries)

    @cached_property
    def teams(self) -> frozenset[str]:
        return frozenset(team.name for team in self.estate.teams)

    @cached_property
    def identities(self) -> Mapping[str, Subjects]:
        """Docker host or Swarm → who holds a role there."""
        return {
            environment.name: identities(self.estate, environment)
            for environment in self.estate.environments
            if environment.type is not EnvironmentType.KUBERNETES
        }


def _unknown(key: Key, path: str, kind: str, name: str) -> Problem:
    return Problem("not_known", f"there is no {kind} {shown(name, 63)}", f"{key} {path}", f"create the {kind} first")


def _names(estate: Estate) -> Iterator[Problem]:
    for key, count in Counter(key for key, _ in estate.documents()).items():
        if not is_dns_label(key.name):
            yield Problem("name", f"{shown(key.name, 63)} is not a DNS label", f"{key} metadata.name")
        if count > 1:
            yield Problem("name_twice", f"{count} documents are named {key}", f"{key} metadata.name", "keep one")


def _environments(known: _Known) -> Iterator[Problem]:
    for environment in known.estate.environments:
        key = Key("Environment", environment.name)
        group = known.groups.get(environment.group)
        if group is None:
            yield _unknown(key, "spec.group", "EnvironmentGroup", environment.group)
        elif group.type is not environment.type:
            yield Problem(
                "group_type",
                f"group {group.name} is for {group.type}, and {environment.name} is {environment.type}",
                f"{key} spec.group",
                f"choose a group of type {environment.type}",
            )


def _role_bindings(known: _Known) -> Iterator[Problem]:
    for binding in known.estate.role_bindings:
        key = Key("RoleBinding", binding.name)
        yield from _missing(key, "spec.subjects.teams", "Team", binding.subjects.teams, known.teams)
        yield from _missing(
            key, "spec.scope.environments", "Environment", binding.scope.environments, known.environments
        )
        yield from _missing(key, "spec.scope.groups", "EnvironmentGroup", binding.scope.groups, known.groups)


def _missing(
    key: Key, path: str, kind: str, names: Iterable[str], known: frozenset[str] | Mapping[str, object]
) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name not in known:
            yield _unknown(key, f"{path}[{index}]", kind, name)


def _projects(known: _Known) -> Iterator[Problem]:
    for project in known.estate.projects:
        key = Key("Project", project.name)
        yield from _missing(key, "spec.admins.teams", "Team", project.admins.teams, known.teams)
        for index, part in enumerate(project.namespaces):
            path = f"spec.namespaces[{index}].environment"
            environment = known.environments.get(part.environment)
            if environment is None:
                yield _unknown(key, path, "Environment", part.environment)
            elif environment.type is not EnvironmentType.KUBERNETES:
                yield _no_namespaces(key, path, environment)


def _no_namespaces(key: Key, path: str, environment: Environment) -> Problem:
    return Problem(
        "namespaces_without_kubernetes",
        f"{environment.name} is {environment.type} and has no namespaces",
        f"{key} {path}",
        "name users and teams there",
    )


def _access(access: RegistryAccess, known: _Known) -> Iterator[Problem]:
    key = Key("RegistryAccess", access.name)
    if access.registry not in known.registries:
        yield _unknown(key, "spec.registry", "Registry", access.registry)
    if (access.environment is None) == (access.project is None):
        yield Problem("access_target", "exactly one of environment and project is needed", f"{key} spec.environment")
    elif access.project is not None:
        yield from _project_access(access, access.project, key, known)
    else:
        environment = known.environments.get(access.environment or "")
        if environment is None:
            yield _unknown(key, "spec.environment", "Environment", access.environment or "")
        elif environment.type is EnvironmentType.KUBERNETES:
            yield from _kubernetes_access(access, key)
        else:
            yield from _docker_access(access, environment, key, known)


def _project_access(access: RegistryAccess, name: str, key: Key, known: _Known) -> Iterator[Problem]:
    project = known.projects.get(name)
    if project is None:
        yield _unknown(key, "spec.project", "Project", name)
        return
    if access.namespaces.selector is not None:
        yield Problem(
            "selector_with_project",
            "a project's namespaces are named, so an access of it selects none by label",
            f"{key} spec.namespaces.selector",
            "name namespaces of the project, or none for all",
        )
    held = frozenset(namespace for part in project.namespaces for namespace in part.names)
    for index, namespace in enumerate(access.namespaces.names):
        if namespace not in held:
            yield Problem(
                "namespace_outside_project",
                f"namespace {shown(namespace, 63)} is not of project {name}",
                f"{key} spec.namespaces.names[{index}]",
                "add it to the project first",
            )


def _kubernetes_access(access: RegistryAccess, key: Key) -> Iterator[Problem]:
    if not access.namespaces.names and access.namespaces.selector is None:
        yield Problem(
            "namespaces_missing",
            "neither names nor selector is given",
            f"{key} spec.namespaces",
            "selector: {} grants every namespace",
        )
    if access.subjects != Subjects():
        yield Problem(
            "subjects_with_kubernetes",
            "access in Kubernetes is for namespaces, not for users and teams",
            f"{key} spec.subjects",
            "name namespaces",
        )


def _docker_access(access: RegistryAccess, environment: Environment, key: Key, known: _Known) -> Iterator[Problem]:
    if access.namespaces.names or access.namespaces.selector is not None:
        yield _no_namespaces(key, "spec.namespaces", environment)
    if access.subjects == Subjects():
        yield Problem("subjects_missing", "neither a user nor a team is named", f"{key} spec.subjects")
    yield from _missing(key, "spec.subjects.teams", "Team", access.subjects.teams, known.teams)
    held = known.identities[environment.name]
    named = (("users", access.subjects.users, held.users), ("teams", access.subjects.teams, held.teams))
    for kind, names, holding in named:
        for index, name in enumerate(names):
            if name not in holding and (kind == "users" or name in known.teams):
                yield Problem(
                    "role_missing",
                    f"{shown(name, 63)} holds no role in {environment.name}",
                    f"{key} spec.subjects.{kind}[{index}]",
                    "bind a role in that environment first",
                )


def _policy(policy: RegistryPolicy, known: _Known) -> Iterator[Problem]:
    key = Key("RegistryPolicy", policy.name)
    for index, name in enumerate(policy.groups):
        group = known.groups.get(name)
        if group is None:
            yield _unknown(key, f"spec.groups[{index}]", "EnvironmentGroup", name)
        elif group.type.policy_type is not policy.type:
            yield Problem(
                "group_type",
                f"group {name} is for {group.type}, and the policy for {policy.type}",
                f"{key} spec.groups[{index}]",
                "choose groups of the policy's type",
            )
    for index, access in enumerate(policy.access):
        if access.registry not in known.registries:
            yield _unknown(key, f"spec.access[{index}].registry", "Registry", access.registry)


def _covered_twice(estate: Estate) -> Iterator[Problem]:
    for (group, _), policies in estate.policies_by_group.items():
        for other in policies[1:]:
            yield Problem(
                "group_covered",
                f"group {group} is covered by policy {policies[0].name} already",
                f"RegistryPolicy/{other.name} spec.groups[{other.groups.index(group)}]",
                "take it out of one of them, or replace",
            )


def _exemptions(known: _Known) -> Iterator[Problem]:
    policies = frozenset(policy.name for policy in known.estate.policies)
    for exemption in known.estate.exemptions:
        key = Key("Exemption", exemption.name)
        if exemption.policy not in policies:
            yield _unknown(key, "spec.policy", "RegistryPolicy", exemption.policy)
        yield from _missing(key, "spec.scope.groups", "EnvironmentGroup", exemption.groups, known.groups)
