"""Everything the control plane holds, as one value: environments, groups, projects, teams, roles, accesses, policies.

An `Estate` is all documents at their versions. It answers look-ups (which policy covers this environment, which
accesses reach it) and decides nothing; what is wrong with it says `portreeve.core.prerequisites`, what follows from
it for one environment `portreeve.core.desired`.

Left out: users as documents (an identity provider holds them) and every secret; of a credential only its id, version
and expiry are here. Shapes: documents.md in the design.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from portreeve.core.cluster import Namespace, NamespaceSelection, Tier
from portreeve.core.policy import Delivery, Exemption, PolicyType, Registry, RegistryPolicy
from portreeve.core.reference import DOCKER_HUB, SourcePrefix

DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"
"""The key of Docker Hub in a dockerconfigjson. Source: docker/cli, `configfile`, the address of the index."""


class EnvironmentType(StrEnum):
    """What an environment is. Only Kubernetes has an admission step."""

    KUBERNETES = "kubernetes"
    DOCKER = "docker"
    SWARM = "swarm"

    @property
    def policy_type(self) -> PolicyType:
        """The type of policy that is for it: Docker hosts and Swarms share one."""
        return PolicyType.KUBERNETES if self is EnvironmentType.KUBERNETES else PolicyType.DOCKER


class Role(StrEnum):
    """What a binding allows; `project-admin` is absent, because it comes from a project's admins alone."""

    PLATFORM_ADMIN = "platform-admin"
    ENVIRONMENT_ADMIN = "environment-admin"
    OPERATOR = "operator"
    DEVELOPER = "developer"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an environment last reported. None means not known, which is never read as good.

    `kubernetes` is `gitVersion`; `namespaces` are those that exist, in any order.
    """

    kubernetes: str | None = None
    namespaces: tuple[Namespace, ...] | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentGroup:
    """The unit that policies are attached to."""

    name: str
    type: EnvironmentType = EnvironmentType.KUBERNETES


@dataclass(frozen=True, slots=True)
class Environment:
    """One Kubernetes cluster, Docker host or Swarm; in exactly one group."""

    name: str
    type: EnvironmentType
    tier: Tier
    group: str
    capabilities: Capabilities = Capabilities()


@dataclass(frozen=True, slots=True)
class Subjects:
    """Users and teams by name."""

    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Team:
    """A named set of users. Members that only an identity provider knows are not here."""

    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a role counts: no environment and no group means everywhere; `namespaces` narrow Kubernetes ones."""

    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    def covers(self, environment: Environment) -> bool:
        """Whether the role counts in (some namespace of) the environment."""
        everywhere = not self.environments and not self.groups
        return everywhere or environment.name in self.environments or environment.group in self.groups


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """A role given to users and teams."""

    name: str
    role: Role
    subjects: Subjects
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class ProjectNamespaces:
    """The namespaces of a project in one environment."""

    environment: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """A named set of namespaces over environments, with its own admins."""

    name: str
    admins: Subjects = Subjects()
    namespaces: tuple[ProjectNamespaces, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """An environment-level access: exactly one of `environment` and `project` is set.

    In Kubernetes it is for namespaces, elsewhere for `subjects`. With a project, no names means all its namespaces.
    """

    name: str
    registry: str
    environment: str | None = None
    project: str | None = None
    namespaces: NamespaceSelection = field(default_factory=NamespaceSelection)
    subjects: Subjects = Subjects()
    delivery: Delivery = field(default_factory=Delivery)


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """What may be told of a registry's pull credential. `expires_at` (UTC, aware) None means that it never expires."""

    id: str
    version: int
    expires_at: datetime | None = None
    provider_supports_expiry: bool = True


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A document: its kind, as written, and its name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Estate:
    """All documents. The order within each kind has no meaning.

    `credentials`: registry → its pull credential; a registry without one is anonymous. `versions`: document →
    version, 1 where it is not given.
    """

    groups: tuple[EnvironmentGroup, ...] = ()
    environments: tuple[Environment, ...] = ()
    registries: tuple[Registry, ...] = ()
    projects: tuple[Project, ...] = ()
    teams: tuple[Team, ...] = ()
    role_bindings: tuple[RoleBinding, ...] = ()
    accesses: tuple[RegistryAccess, ...] = ()
    policies: tuple[RegistryPolicy, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    credentials: Mapping[str, CredentialFacts] = field(default_factory=dict)
    versions: Mapping[Key, int] = field(default_factory=dict)

    def documents(self) -> Iterator[tuple[Key, Any]]:
        """Every document with its key, kind by kind."""
        for kind, held in _kinds(self):
            for document in held:
                yield Key(kind, document.name), document

    @cached_property
    def by_key(self) -> Mapping[Key, Any]:
        """Every document by its key; of two with the same name the first."""
        found: dict[Key, Any] = {}
        for key, document in self.documents():
            found.setdefault(key, document)
        return found

    @cached_property
    def projects_by_name(self) -> Mapping[str, Project]:
        """Name → project."""
        return {project.name: project for project in self.projects}

    @cached_property
    def registries_by_name(self) -> Mapping[str, Registry]:
        """Name → registry."""
        return {registry.name: registry for registry in self.registries}

    @cached_property
    def accesses_by_environment(self) -> Mapping[str, tuple[RegistryAccess, ...]]:
        """Environment → the accesses that reach it, directly or through a project, sorted by name."""
        found: dict[str, list[RegistryAccess]] = {}
        for access in sorted(self.accesses, key=lambda access: access.name):
            for environment in _reached(access, self.projects_by_name):
                found.setdefault(environment, []).append(access)
        return {environment: tuple(held) for environment, held in found.items()}

    @cached_property
    def policies_by_group(self) -> Mapping[tuple[str, PolicyType], tuple[RegistryPolicy, ...]]:
        """(group, type) → the policies that name it, sorted by name; a valid estate has at most one."""
        found: dict[tuple[str, PolicyType], list[RegistryPolicy]] = {}
        for policy in sorted(self.policies, key=lambda policy: policy.name):
            for group in dict.fromkeys(policy.groups):
                found.setdefault((group, policy.type), []).append(policy)
        return {key: tuple(held) for key, held in found.items()}

    def policy_of(self, environment: Environment) -> RegistryPolicy | None:
        """The policy that covers the environment (rule 8)."""
        covering = self.policies_by_group.get((environment.group, environment.type.policy_type), ())
        return covering[0] if covering else None

    def version(self, key: Key) -> int | None:
        """The version of a document; None when there is no such document."""
        return self.versions.get(key, 1) if key in self.by_key else None


def _kinds(estate: Estate) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    return (
        ("EnvironmentGroup", estate.groups),
        ("Environment", estate.environments),
        ("Team", estate.teams),
        ("RoleBinding", estate.role_bindings),
        ("Project", estate.projects),
        ("Registry", estate.registries),
        ("RegistryAccess", estate.accesses),
        ("RegistryPolicy", estate.policies),
        ("Exemption", estate.exemptions),
    )


def _reached(access: RegistryAccess, projects: Mapping[str, Project]) -> tuple[str, ...]:
    if access.environment is not None:
        return (access.environment,)
    project = projects.get(access.project or "")
    return tuple(dict.fromkeys(part.environment for part in project.namespaces)) if project else ()


def pull_key(prefix: SourcePrefix) -> str:
    """The `auths` key of a registry: its prefix with a closing slash, except Docker Hub's."""
    return DOCKER_HUB_KEY if prefix.host == DOCKER_HUB else prefix.key


def identities(estate: Estate, environment: Environment) -> Subjects:
    """Who holds a role in the environment, sorted: only they may be named or shown (B-24)."""
    held = [binding.subjects for binding in estate.role_bindings if binding.scope.covers(environment)]
    teams = {team for subjects in held for team in subjects.teams}
    users = {user for subjects in held for user in subjects.users}
    users |= {member for team in estate.teams if team.name in teams for member in team.members}
    return Subjects(tuple(sorted(users)), tuple(sorted(teams)))
