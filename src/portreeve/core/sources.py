"""What a policy allows once its grants, its pre-filled sources and its exemptions are put together.

Theory of operation: every source becomes one key that ends in "/" (`SourcePrefix.key`), in one map for all namespaces
and one map per named namespace. A repository is allowed if one of its own keys (`reference.keys`) is in either
map. The compiled policy holds the same two maps, so the verdict here and there is one look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from portreeve.core.cluster import SYSTEM_NAMESPACES, Namespace
from portreeve.core.policy import (
    DEFAULT_AGENT_REPOSITORY,
    Access,
    AllowedSource,
    Exemption,
    Origin,
    Registry,
    RegistryPolicy,
    Stage,
    prefilled_sources,
)
from portreeve.core.reference import Reference, SourcePrefix, keys, parse_prefix

AGENT_SOURCE = parse_prefix(DEFAULT_AGENT_REPOSITORY)


@dataclass(frozen=True, slots=True)
class UnresolvedGrant:
    """An access whose registry is not known here, or whose selector cannot be answered; `why` is a sentence.

    `prefix` is what the registry stands for, None where the registry is not known.
    """

    access: Access
    why: str
    prefix: SourcePrefix | None = None

    def may_cover(self, reference: Reference, namespace: str) -> bool:
        """Whether the grant, once resolved, could allow this repository in this namespace."""
        could_hold = self.prefix is None or self.prefix.covers(reference)
        return could_hold and self.access.namespaces.selects(namespace, None) is not False


@dataclass(frozen=True, slots=True)
class ResolvedSources:
    """The sources of one policy in one environment.

    `everywhere`: key → source. `by_namespace`: namespace → key → source. `exemptions` are in force, by name.
    `why_url` is the page that explains a refusal, up to where the namespace follows; "" where nobody is to be asked.
    """

    policy: str
    generation: int
    stage: Stage
    everywhere: Mapping[str, AllowedSource]
    by_namespace: Mapping[str, Mapping[str, AllowedSource]]
    exemptions: tuple[Exemption, ...] = ()
    unresolved: tuple[UnresolvedGrant, ...] = ()
    why_url: str = ""

    def covering(self, reference: Reference, namespace: str) -> tuple[AllowedSource, ...]:
        """Every source in scope that covers the repository, the most specific first."""
        here = self.by_namespace.get(namespace, {})
        return tuple(maps[key] for key in keys(reference) for maps in (self.everywhere, here) if key in maps)

    def in_scope(self, namespace: str) -> tuple[AllowedSource, ...]:
        """Every source that counts in the namespace, sorted by key."""
        found = {**self.everywhere, **self.by_namespace.get(namespace, {})}
        return tuple(found[key] for key in sorted(found))

    def exempting(self, reference: Reference, namespace: str, created_at: datetime) -> tuple[Exemption, ...]:
        """Exemptions in force for an object created at `created_at` (UTC, aware) in the namespace."""
        covering = frozenset(keys(reference))
        return tuple(
            exemption
            for exemption in self.exemptions
            if created_at < exemption.expires_at.replace(microsecond=0)  # admission compares whole seconds
            and (not exemption.namespaces or namespace in exemption.namespaces)
            and (exemption.digest == reference.digest if exemption.prefix is None else exemption.prefix.key in covering)
        )


def stage_in(stage: Stage, namespace: str) -> Stage:
    """How far a policy of `stage` is enforced there: system namespaces are audited, never refused."""
    if namespace in SYSTEM_NAMESPACES and stage is not Stage.OFF:
        return Stage.AUDIT
    return stage


def resolve(
    policy: RegistryPolicy,
    *,
    registries: Iterable[Registry] = (),
    exemptions: Iterable[Exemption] = (),
    namespaces: Sequence[Namespace] | None = None,
    group: str | None = None,
    agent: SourcePrefix = AGENT_SOURCE,
) -> ResolvedSources:
    """Put together what the policy allows.

    `registries` are those known here; `namespaces` those of the environment, None when they are not known (then a
    selector that is not `{}` stays unresolved). Exemptions that are not in force or belong elsewhere are left out;
    `group` is the environment's, and where it is not known an exemption must cover every group of the policy.
    """
    known = {registry.name: registry for registry in registries}
    granted: list[AllowedSource] = []
    unresolved: list[UnresolvedGrant] = []
    for access in policy.access if policy.include_granted_registries else ():
        registry = known.get(access.registry)
        if registry is None:
            unresolved.append(UnresolvedGrant(access, f"registry {access.registry} is not known here"))
            continue
        scope, complete = _scope(access, namespaces)
        if scope is None or scope:
            granted.append(
                AllowedSource(
                    registry.prefix, scope, "granted", access.field, Origin.GRANT, f"registry {registry.name}"
                )
            )
        if not complete:
            why = f"the namespaces that {access.field}.namespaces.selector selects are not known here"
            unresolved.append(UnresolvedGrant(access, why, registry.prefix))
    everywhere, by_namespace = _index((*policy.sources, *granted, *prefilled_sources(agent)))
    groups = policy.groups if group is None else (group,)
    in_force = sorted(
        (e for e in exemptions if e.in_force and e.policy == policy.name and _covers(e, groups)), key=lambda e: e.name
    )
    return ResolvedSources(
        policy.name, policy.generation, policy.stage, everywhere, by_namespace, tuple(in_force), tuple(unresolved)
    )


def _covers(exemption: Exemption, groups: Sequence[str]) -> bool:
    return not exemption.groups or (bool(groups) and set(groups) <= set(exemption.groups))


def _scope(access: Access, namespaces: Sequence[Namespace] | None) -> tuple[tuple[str, ...] | None, bool]:
    """The namespaces of a grant (None for all), and whether nothing is left unknown."""
    selector = access.namespaces.selector
    if selector is not None and selector.everything:
        return None, True
    if selector is None:
        return access.namespaces.names, True
    if namespaces is None:
        return access.namespaces.names, False
    selected = {namespace.name for namespace in namespaces if selector.matches(namespace.labels)}
    return tuple(sorted(selected | set(access.namespaces.names))), True


def _index(
    sources: Iterable[AllowedSource],
) -> tuple[dict[str, AllowedSource], dict[str, dict[str, AllowedSource]]]:
    everywhere: dict[str, AllowedSource] = {}
    by_namespace: dict[str, dict[str, AllowedSource]] = {}
    for source in sources:
        if source.namespaces is None:
            everywhere.setdefault(source.prefix.key, source)
        for namespace in source.namespaces or ():
            by_namespace.setdefault(namespace, {}).setdefault(source.prefix.key, source)
    return everywhere, by_namespace
