"""Registries, accesses, registry policies and exemptions as values, and what is wrong with them.

Shapes are those of documents.md in the design, read by `portreeve.wire.documents`; here is what their fields
mean together. Validation returns every problem it finds, each with the path of its field, and never raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from portreeve.core.cluster import (
    AGENT_NAMESPACE,
    SYSTEM_NAMESPACES,
    LabelSelector,
    NamespaceSelection,
    Tier,
    indexed,
    is_dns_label,
    label_problems,
)
from portreeve.core.environments import Environment, EnvironmentGroup
from portreeve.core.people import NOBODY, Project, RoleBinding, Subjects, Team, User
from portreeve.core.reference import DOCKER_HUB, SourcePrefix, shown
from portreeve.errors import Problem

API_VERSION: Final = "portreeve.io/v1"

PUBLIC_HOSTS: Final = frozenset(
    {DOCKER_HUB, "ghcr.io", "mcr.microsoft.com", "public.ecr.aws", "quay.io", "registry.k8s.io", "registry.gitlab.com"}
)
"""Hosts on which anybody can publish, or whose content nobody here has approved (rule 11). A whole one is never a
good source; an organisation's own path on one may be."""

PUBLIC_CONTENT: Final = frozenset(
    {SourcePrefix(DOCKER_HUB, "library"), SourcePrefix("public.ecr.aws", "docker/library")}
)
"""Paths of public hosts that are public content themselves."""

NO_NAMESPACES: Final = NamespaceSelection()

DEFAULT_AGENT_REPOSITORY: Final = "ghcr.io/portreeve/agent"


class Stage(StrEnum):
    """How far a policy is enforced, from not at all to refusal."""

    OFF = "off"
    AUDIT = "audit"
    WARN = "warn"
    DENY = "deny"


class PolicyType(StrEnum):
    """The kind of environment a policy is for. Docker hosts and Swarms have no admission step."""

    KUBERNETES = "kubernetes"
    DOCKER = "docker"


class DeliveryMode(StrEnum):
    """How a granted credential reaches a pull (rule 2)."""

    STANDING = "standing"
    WORKLOAD = "workload"
    LEASE = "lease"
    NODE = "node"
    CLUSTER_IDENTITY = "cluster-identity"


class Origin(StrEnum):
    """Why a source is allowed."""

    POLICY = "policy"
    GRANT = "grant"
    PREFILLED = "prefilled"


@dataclass(frozen=True, slots=True)
class AllowedSource:
    """A prefix and where it counts: `namespaces` None means Global, else those names and no other.

    `field` is the path of the entry in its document; `owner` names the policy, grant or rule it came from.
    """

    prefix: SourcePrefix
    namespaces: tuple[str, ...] | None = None
    note: str = ""
    field: str = ""
    origin: Origin = Origin.POLICY
    owner: str = ""

    def counts_in(self, namespace: str) -> bool:
        """Whether this source is in scope there."""
        return self.namespaces is None or namespace in self.namespaces


class ServiceAccounts(StrEnum):
    """Which ServiceAccounts of a namespace get the pull secret, where they are not named or selected."""

    DEFAULT = "default"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ServiceAccountSelection:
    """ServiceAccounts by name, by label, or both; both means union."""

    names: tuple[str, ...] = ()
    selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery mode and the ServiceAccounts that get the pull secret."""

    mode: DeliveryMode = DeliveryMode.STANDING
    service_accounts: ServiceAccounts | ServiceAccountSelection = ServiceAccounts.DEFAULT


@dataclass(frozen=True, slots=True)
class Access:
    """A registry granted to namespaces; on Docker and Swarm to `subjects`, where nobody means everybody there."""

    registry: str
    namespaces: NamespaceSelection
    delivery: Delivery = Delivery()
    field: str = ""
    subjects: Subjects = NOBODY


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """A grant outside any policy: in one environment or for one project; the other of the two is "".

    On Kubernetes it names `namespaces`, on Docker and Swarm `subjects`; never both, and never neither.
    """

    name: str
    registry: str
    environment: str = ""
    project: str = ""
    namespaces: NamespaceSelection = NO_NAMESPACES
    subjects: Subjects = NOBODY
    delivery: Delivery = Delivery()


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry as far as decisions need it: its name, the prefix that it stands for, and whose it is.

    `project` "" is nobody's in particular. How it is reached, and with what, no decision needs to know.
    """

    name: str
    provider: str
    prefix: SourcePrefix
    project: str = ""


@dataclass(frozen=True, slots=True)
class RegistryPolicy:
    """A registry policy. `generation` numbers the revision that is shown in admission messages."""

    name: str
    type: PolicyType = PolicyType.KUBERNETES
    groups: tuple[str, ...] = ()
    access: tuple[Access, ...] = ()
    stage: Stage = Stage.OFF
    include_granted_registries: bool = True
    sources: tuple[AllowedSource, ...] = ()
    allow_override: bool = False
    generation: int = 1
    title: str = ""


class ExemptionState(StrEnum):
    """States of an exemption; only APPROVED, ACTIVE and EXPIRING count at admission."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DENIED = "denied"
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"


IN_FORCE: Final = frozenset({ExemptionState.APPROVED, ExemptionState.ACTIVE, ExemptionState.EXPIRING})
LONGEST_EXEMPTION: Final = timedelta(days=90)
"""From when it is asked for, approved or renewed: what is to last longer belongs in the policy itself."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """A scoped, owned, expiring exception. Exactly one of `prefix` and `digest` is set.

    `namespaces` empty means every namespace of the groups. `expires_at` is UTC, aware, whole seconds.
    """

    name: str
    policy: str
    expires_at: datetime
    prefix: SourcePrefix | None = None
    digest: str | None = None
    namespaces: tuple[str, ...] = ()
    state: ExemptionState = ExemptionState.REQUESTED
    reason: str = ""
    ticket: str = ""
    owner: str = ""
    groups: tuple[str, ...] = ()

    @property
    def in_force(self) -> bool:
        """Whether it was approved and not ended; its expiry is compared where it is used."""
        return self.state in IN_FORCE


def too_long(expires_at: datetime, now: datetime) -> Problem | None:
    """What is wrong with an exemption's end that is further away than `LONGEST_EXEMPTION`; None if it is not."""
    latest = now + LONGEST_EXEMPTION
    if expires_at <= latest:
        return None
    hint = f"ask for {latest:%Y-%m-%d} at the latest and renew it later, or add the source to the policy"
    message = f"is more than {LONGEST_EXEMPTION.days} days away"
    return Problem("exemption_expiry", message, "spec.expiresAt", hint)


@dataclass(frozen=True, slots=True)
class Documents:
    """What a set of files held. Names are unique per kind."""

    policies: tuple[RegistryPolicy, ...] = ()
    registries: tuple[Registry, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    warnings: tuple[Problem, ...] = field(default=())
    groups: tuple[EnvironmentGroup, ...] = ()
    environments: tuple[Environment, ...] = ()
    projects: tuple[Project, ...] = ()
    accesses: tuple[RegistryAccess, ...] = ()
    teams: tuple[Team, ...] = ()
    bindings: tuple[RoleBinding, ...] = ()
    users: tuple[User, ...] = ()


def prefilled_sources(agent_repository: SourcePrefix) -> tuple[AllowedSource, ...]:
    """What a cluster and our agent need to heal; part of every restriction and never removable (rule 10).

    The list is repository-exact and scoped to system namespaces, so it opens nothing to tenants.
    Source: images of kubeadm's default ClusterConfiguration (`kubeadm config images list`).
    """
    system = (
        "coredns/coredns",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "pause",
    )
    agent = AllowedSource(
        agent_repository, (AGENT_NAMESPACE,), "Portreeve's agent", "", Origin.PREFILLED, "what the agent needs"
    )
    return (
        agent,
        *(
            AllowedSource(
                SourcePrefix("registry.k8s.io", path),
                ("kube-system",),
                "system image, to mirror",
                "",
                Origin.PREFILLED,
                "what a cluster needs",
            )
            for path in system
        ),
    )


def is_public(prefix: SourcePrefix) -> bool:
    """Whether the prefix approves a whole public host or public content (rule 11)."""
    host = prefix.host.removeprefix("*.")
    whole = not prefix.path and (host in PUBLIC_HOSTS or (prefix.wildcard and host in {"gcr.io", "pkg.dev"}))
    return whole or any(prefix == content or prefix.key.startswith(content.key) for content in PUBLIC_CONTENT)


def validate(policy: RegistryPolicy) -> list[Problem]:
    """Everything that makes the policy unusable, in the order of its fields. Empty means valid."""
    return [
        *_name_problems(policy.name),
        *_access_problems(policy.access, policy.type),
        *_source_problems(policy.sources),
        *_kind_problems(policy),
    ]


def lint(policy: RegistryPolicy, tier: Tier | None = None) -> list[Problem]:
    """What is legal and unwise. With a `tier` of staging or production the caller treats `public_source` as refusal."""
    found = [
        Problem(
            "public_source",
            f"{source.prefix} approves public content{f' in {tier}' if tier else ''}",
            f"{source.field}.prefix",
            "approve a mirror, or your organisation's own path on that host",
        )
        for source in policy.sources
        if is_public(source.prefix) and not _system_only(source)
    ]
    if policy.sources and policy.stage is Stage.OFF:
        hint = "write stage: audit to see what it would deny"
        found.append(Problem("stage_off", "sources are listed and nothing is enforced", "spec.restrict.stage", hint))
    return found


def access_problems(access: RegistryAccess) -> Iterator[Problem]:
    """What makes a RegistryAccess unusable, its own name aside, in the order of its fields."""
    yield from label_problems({"spec.registry": access.registry}, "a Registry")
    if bool(access.environment) == bool(access.project):
        what = "names an environment and a project" if access.project else "names neither an environment nor a project"
        yield Problem("access_place", what, "spec", "write one of environment and project")
    places = {"spec.environment": access.environment} if access.environment else {}
    yield from label_problems(places, "an Environment")
    yield from label_problems({"spec.project": access.project} if access.project else {}, "a Project")
    named = bool(access.namespaces.names) or access.namespaces.selector is not None
    if not named and access.subjects.nobody:
        hint = "namespaces: {selector: {}} grants every namespace"
        yield Problem("namespaces_missing", "neither namespaces nor subjects are given", "spec.namespaces", hint)
    if not access.subjects.nobody and (named or access.project):
        hint = "subjects are for Docker and Swarm, namespaces and projects for Kubernetes"
        yield Problem("access_subjects", "stand beside namespaces or a project", "spec.subjects", hint)
    yield from _namespace_problems(access.namespaces.names, "spec.namespaces.names")
    yield from label_problems(indexed("spec.subjects.teams", access.subjects.teams), "a Team")


def _system_only(source: AllowedSource) -> bool:
    """Repository-exact sources of system namespaces are outside rule 11: a cluster needs them to start."""
    return (
        source.namespaces is not None and bool(source.prefix.path) and set(source.namespaces) <= set(SYSTEM_NAMESPACES)
    )


def _name_problems(name: str) -> Iterator[Problem]:
    if not is_dns_label(name):
        yield Problem(
            "name",
            f"{shown(name, 63)} is not a DNS label",
            "metadata.name",
            "lower-case letters, digits and dashes, up to 63",
        )


def _namespace_problems(names: Iterable[str], path: str) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if not is_dns_label(name):
            yield Problem(
                "namespace",
                f"{shown(name, 63)} is not the name of a namespace",
                f"{path}[{index}]",
                "a DNS label, no pattern",
            )


def _access_problems(accesses: Sequence[Access], type_: PolicyType) -> Iterator[Problem]:
    for access in accesses:
        if not is_dns_label(access.registry):
            yield Problem(
                "registry", f"{shown(access.registry, 63)} is not the name of a Registry", f"{access.field}.registry"
            )
        nowhere = not access.namespaces.names and access.namespaces.selector is None
        if nowhere and type_ is PolicyType.KUBERNETES:
            yield Problem(
                "namespaces_missing",
                "neither names nor selector is given",
                f"{access.field}.namespaces",
                "selector: {} grants every namespace",
            )
        yield from _namespace_problems(access.namespaces.names, f"{access.field}.namespaces.names")
        if not access.subjects.nobody and type_ is PolicyType.KUBERNETES:
            hint = "name namespaces; subjects are for Docker and Swarm"
            yield Problem("access_subjects", "stand in a policy for Kubernetes", f"{access.field}.subjects", hint)
        yield from label_problems(indexed(f"{access.field}.subjects.teams", access.subjects.teams), "a Team")


def _source_problems(sources: Sequence[AllowedSource]) -> Iterator[Problem]:
    seen: dict[tuple[SourcePrefix, str | None], str] = {}
    for source in sources:
        if source.namespaces is not None and not source.namespaces:
            yield Problem(
                "scope_empty",
                "the list of namespaces is empty",
                f"{source.field}.scope.namespaces",
                "name one, or write scope: Global",
            )
        yield from _namespace_problems(source.namespaces or (), f"{source.field}.scope.namespaces")
        for namespace in source.namespaces if source.namespaces is not None else (None,):
            first = seen.setdefault((source.prefix, namespace), source.field)
            if first != source.field:
                where = f" in {namespace}" if namespace else ""
                yield Problem(
                    "source_twice", f"{source.prefix} is allowed{where} already by {first}", source.field, "remove one"
                )


def _kind_problems(policy: RegistryPolicy) -> Iterator[Problem]:
    if policy.type is PolicyType.DOCKER:
        for source in policy.sources:
            if source.namespaces is not None:
                yield Problem(
                    "scope_without_namespaces",
                    "Docker hosts have no namespaces",
                    f"{source.field}.scope",
                    "write scope: Global",
                )
