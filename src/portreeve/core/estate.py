"""Everything the control plane holds, as one value: environments, groups, projects, teams, roles, accesses, policies.

An `Estate` is all documents at their versions. It answers look-ups (which policy covers this environment, which
accesses reach it) and decides nothing; what is wrong with it says `portreeve.core.prerequisites`, what follows from
it for one environment `portreeve.core.desired`.

Left out: users as documents (an identity provider holds them) and every secret; of a credential only its id, version
and expiry are here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from portreeve.core.access_requests import Refusal
from portreeve.core.cluster import Namespace
from portreeve.core.credential import CredentialRef
from portreeve.core.environments import Environment, EnvironmentGroup, EnvironmentType
from portreeve.core.people import Project, RoleBinding, Team
from portreeve.core.policy import Exemption, PolicyType, Registry, RegistryAccess, RegistryPolicy
from portreeve.errors import Problem


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an environment last reported. None means not known, which is never read as good.

    `kubernetes` is `gitVersion`; `namespaces` are those that exist, in any order.
    """

    kubernetes: str | None = None
    namespaces: tuple[Namespace, ...] | None = None


NOT_REPORTED: Final = Capabilities()


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

    `credentials`: registry → its stored pull credential; a registry without one is anonymous. `minted`: registry → the
    token that is delivered in its place, None where nothing can be delivered. `older`: registry → the
    version before, while a rotation still delivers it, too. `capabilities`: environment → what it last reported.
    `refusals`: environment → requests of its namespaces that are refused, sorted.
    `versions`: document → version, 1 where it is not given.
    """

    groups: tuple[EnvironmentGroup, ...] = ()
    environments: tuple[Environment, ...] = ()
    registries: tuple[Registry, ...] = ()
    projects: tuple[Project, ...] = ()
    teams: tuple[Team, ...] = ()
    bindings: tuple[RoleBinding, ...] = ()
    accesses: tuple[RegistryAccess, ...] = ()
    policies: tuple[RegistryPolicy, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    credentials: Mapping[str, CredentialFacts] = field(default_factory=dict)
    minted: Mapping[str, CredentialRef | None] = field(default_factory=dict)
    older: Mapping[str, CredentialRef] = field(default_factory=dict)
    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    refusals: Mapping[str, tuple[Refusal, ...]] = field(default_factory=dict)
    versions: Mapping[Key, int] = field(default_factory=dict)

    def documents(self) -> Iterator[tuple[Key, Any]]:
        """Every document with its key, kind by kind."""
        for kind, held in _kinds(self):
            for document in held:
                yield Key(kind, document.name), document

    @cached_property
    def problems(self) -> dict[str, tuple[Problem, ...]]:
        """Check → what it found, for checks that are asked for more than once. An estate does not change."""
        return {}

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
    def environments_by_name(self) -> Mapping[str, Environment]:
        """Name → environment."""
        return {environment.name: environment for environment in self.environments}

    @cached_property
    def policies_by_name(self) -> Mapping[str, RegistryPolicy]:
        """Name → policy."""
        return {policy.name: policy for policy in self.policies}

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
        covering = self.policies_by_group.get((environment.group, policy_type(environment.type)), ())
        return covering[0] if covering else None

    def capabilities_of(self, environment: Environment) -> Capabilities:
        """What the environment last reported."""
        return self.capabilities.get(environment.name, NOT_REPORTED)

    def delivered(self, registry: str, now: datetime) -> CredentialRef | None:
        """What environments get of a registry's credential at `now`: never a token that has ended."""
        facts = self.credentials.get(registry)
        if facts is None:
            return None
        if registry not in self.minted:
            return CredentialRef(facts.id, facts.version, facts.expires_at)
        token = self.minted[registry]
        if token is None or (token.expires_at is not None and token.expires_at <= now):
            return None
        return token

    def overlapping(self, registry: str, now: datetime) -> CredentialRef | None:
        """The version before, as long as a rotation delivers it, too; never one that has ended."""
        found = self.older.get(registry)
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            return None
        return found

    def version(self, key: Key) -> int | None:
        """The version of a document; None when there is no such document."""
        return self.versions.get(key, 1) if key in self.by_key else None


def _kinds(estate: Estate) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    return (
        ("EnvironmentGroup", estate.groups),
        ("Environment", estate.environments),
        ("Team", estate.teams),
        ("RoleBinding", estate.bindings),
        ("Project", estate.projects),
        ("Registry", estate.registries),
        ("RegistryAccess", estate.accesses),
        ("RegistryPolicy", estate.policies),
        ("Exemption", estate.exemptions),
    )


def _reached(access: RegistryAccess, projects: Mapping[str, Project]) -> tuple[str, ...]:
    if access.environment:
        return (access.environment,)
    project = projects.get(access.project)
    return tuple(dict.fromkeys(part.environment for part in project.namespaces)) if project else ()


def policy_type(environment: EnvironmentType) -> PolicyType:
    """The type of policy for environments of this type: Docker hosts and Swarms share one."""
    return PolicyType.KUBERNETES if environment is EnvironmentType.KUBERNETES else PolicyType.DOCKER
