"""What is wrong with an estate: names that lead nowhere, types that differ, steps taken out of order.

Every problem names its document and field ("RegistryAccess/shop spec.registry"). Order of prerequisites (B-10): team
and environment first, then a role in that environment, then an access that names them.

What is wrong inside one document is named, too. Left out: what is wrong inside one policy (`core.policy.validate`) and
the rules of tiers (`core.tier_rules`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from portreeve.core.authorization import selectable
from portreeve.core.cluster import is_dns_label
from portreeve.core.environments import Environment, EnvironmentGroup, EnvironmentType, environment_problems
from portreeve.core.estate import Estate, Key, policy_type
from portreeve.core.people import Project, Subjects, binding_problems, project_problems
from portreeve.core.policy import Access, PolicyType, Registry, RegistryAccess, RegistryPolicy, access_problems
from portreeve.core.reference import shown
from portreeve.errors import Problem


def validate(estate: Estate) -> list[Problem]:
    """Everything that keeps the estate from meaning one thing; empty means valid. Independent of document order."""
    known = _Known(estate)
    found = [
        *_names(estate),
        *_environments(known),
        *_bindings(known),
        *_projects(known),
        *(problem for registry in estate.registries for problem in _registry(registry, known)),
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
    def selectable(self) -> Mapping[str, Subjects]:
        """Docker host or Swarm → whom an access may name there."""
        return {
            environment.name: selectable(environment, self.estate.bindings, self.estate.teams)
            for environment in self.estate.environments
            if environment.type is not EnvironmentType.KUBERNETES
        }


def _within(key: Key, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of one document, with the document in front of the field."""
    return [replace(problem, field=f"{key} {problem.field}") for problem in problems]


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
        yield from _within(key, environment_problems(environment))
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


def _bindings(known: _Known) -> Iterator[Problem]:
    for binding in known.estate.bindings:
        key = Key("RoleBinding", binding.name)
        yield from _within(key, binding_problems(binding))
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
        yield from _within(key, project_problems(project))
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


def _registry(registry: Registry, known: _Known) -> Iterator[Problem]:
    key = Key("Registry", registry.name)
    if registry.project and registry.project not in known.projects:
        yield _unknown(key, "spec.project", "Project", registry.project)
    if registry.prefix.wildcard:
        yield Problem("registry_wildcard", "a registry is one host", f"{key} spec.host", "register each host")


def _access(access: RegistryAccess, known: _Known) -> Iterator[Problem]:
    key = Key("RegistryAccess", access.name)
    if access.registry not in known.registries:
        yield _unknown(key, "spec.registry", "Registry", access.registry)
    own = _within(key, access_problems(access))
    yield from own
    if access.project and not access.environment:
        yield from _project_access(access, key, known)
    elif access.environment and not access.project:
        environment = known.environments.get(access.environment)
        if environment is None:
            yield _unknown(key, "spec.environment", "Environment", access.environment)
        elif not own:
            yield from _environment_access(access, environment, key, known)


def _project_access(access: RegistryAccess, key: Key, known: _Known) -> Iterator[Problem]:
    project = known.projects.get(access.project)
    if project is None:
        yield _unknown(key, "spec.project", "Project", access.project)
        return
    held = frozenset(namespace for part in project.namespaces for namespace in part.names)
    for index, namespace in enumerate(access.namespaces.names):
        if namespace not in held:
            yield Problem(
                "namespace_outside_project",
                f"namespace {shown(namespace, 63)} is not of project {project.name}",
                f"{key} spec.namespaces.names[{index}]",
                "add it to the project first",
            )


def _environment_access(access: RegistryAccess, environment: Environment, key: Key, known: _Known) -> Iterator[Problem]:
    """What does not fit the type of the environment; the access itself names either namespaces or subjects."""
    if environment.type is not EnvironmentType.KUBERNETES:
        yield from _docker_access(access, environment, key, known)
    elif not access.subjects.nobody:
        yield Problem(
            "access_subjects",
            f"{environment.name} is {environment.type}, where access is for namespaces",
            f"{key} spec.subjects",
            "name namespaces",
        )


def _docker_access(access: RegistryAccess, environment: Environment, key: Key, known: _Known) -> Iterator[Problem]:
    if access.subjects.nobody:
        yield _no_namespaces(key, "spec.namespaces", environment)
    yield from _missing(key, "spec.subjects.teams", "Team", access.subjects.teams, known.teams)
    held = known.selectable[environment.name]
    named = (("users", access.subjects.users, held.users), ("teams", access.subjects.teams, held.teams))
    for kind, names, holding in named:
        for index, name in enumerate(names):
            if name not in holding and (kind == "users" or name in known.teams):
                yield Problem(
                    "role_missing",
                    f"{shown(name, 63)} holds no role in {environment.name} that may pull there",
                    f"{key} spec.subjects.{kind}[{index}]",
                    "bind environment-admin, operator or developer there first",
                )


def _policy(policy: RegistryPolicy, known: _Known) -> Iterator[Problem]:
    key = Key("RegistryPolicy", policy.name)
    for index, name in enumerate(policy.groups):
        group = known.groups.get(name)
        if group is None:
            yield _unknown(key, f"spec.groups[{index}]", "EnvironmentGroup", name)
        elif policy_type(group.type) is not policy.type:
            yield Problem(
                "group_type",
                f"group {name} is for {group.type}, and the policy for {policy.type}",
                f"{key} spec.groups[{index}]",
                "choose groups of the policy's type",
            )
    for index, access in enumerate(policy.access):
        if access.registry not in known.registries:
            yield _unknown(key, f"spec.access[{index}].registry", "Registry", access.registry)
        if policy.type is PolicyType.DOCKER:
            yield from _policy_subjects(policy, access, f"spec.access[{index}].subjects", known)


def _policy_subjects(policy: RegistryPolicy, access: Access, path: str, known: _Known) -> Iterator[Problem]:
    """Whoever is named must hold a role in one environment of the policy's groups at least, if there is one."""
    key = Key("RegistryPolicy", policy.name)
    yield from _missing(key, f"{path}.teams", "Team", access.subjects.teams, known.teams)
    names = [
        one.name for one in known.estate.environments if one.group in policy.groups and one.name in known.selectable
    ]
    held = [known.selectable[name] for name in names]
    for kind, named in (("users", access.subjects.users), ("teams", access.subjects.teams)):
        holding = {name for one in held for name in (one.users if kind == "users" else one.teams)}
        for index, name in enumerate(named):
            if held and name not in holding and (kind == "users" or name in known.teams):
                yield Problem(
                    "role_missing",
                    f"{shown(name, 63)} holds no role in an environment of these groups that may pull there",
                    f"{key} {path}.{kind}[{index}]",
                    "bind environment-admin, operator or developer to the group first",
                )


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
