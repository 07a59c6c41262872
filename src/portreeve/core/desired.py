"""What one environment should hold: its policy, its sources, its grants, numbered and hashed.

Theory of operation
-------------------
`desired` takes the estate and one environment. The policy of the environment's group, if there is one, brings its
accesses; they replace the environment-level ones unless it says `allowOverride` (rule 8). What is replaced is masked:
kept, listed, in force again as soon as the policy goes. The accesses in force feed `core.sources.resolve`, so that a
granted registry is a source exactly where it is granted.

A grant keeps its selector: a namespace made tomorrow is granted by the agent without asking. The sources hold names,
because a constant map in the cluster can hold nothing else; hence a new namespace that a selector selects makes a new
generation where a policy restricts sources.

`hash` is over `document(state)`: everything but generation and hash, in one order whatever the order of the documents.
Left out: sealed credentials and the signature (the channel adds them) and the rendered objects (`core.plan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from portreeve.core.access_requests import Refusal
from portreeve.core.authorization import selectable
from portreeve.core.cluster import (
    LabelSelector,
    Namespace,
    NamespaceSelection,
    Operator,
    Requirement,
    restriction_problem,
)
from portreeve.core.credential import CredentialRef, auth_key
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Capabilities, CredentialFacts, Estate
from portreeve.core.people import NOBODY, Subjects
from portreeve.core.policy import (
    NO_NAMESPACES,
    Access,
    AllowedSource,
    Delivery,
    RegistryAccess,
    RegistryPolicy,
    ServiceAccountSelection,
    Stage,
)
from portreeve.core.reference import SourcePrefix
from portreeve.core.render import digest
from portreeve.core.sources import AGENT_SOURCE, ResolvedSources, resolve

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label that holds the name of every namespace. Source: Kubernetes, "Well-Known Labels"."""


class Plane(StrEnum):
    """Which plane enforces a policy; the second is never called enforced."""

    ADMISSION = "admission"
    DEPLOYMENT = "deployment time only"


@dataclass(frozen=True, slots=True)
class Grant:
    """An access in force. `owner` says where it stands: "policy prod-sources" or "access shop-harbor".

    `namespaces` is as written, so that it includes those to come; outside Kubernetes it is empty and `subjects` says
    who may use the registry. `key` is the entry of the pull secret; `credential` is what is stored, None means
    anonymous. `delivered` is what the environment gets of it: that, or a token minted from it, or nothing yet.
    `older` is the version before, which a rotation still delivers beside it.
    """

    owner: str
    registry: str
    key: str
    namespaces: NamespaceSelection
    subjects: Subjects
    delivery: Delivery
    credential: CredentialFacts | None = None
    field: str = ""
    delivered: CredentialRef | None = None
    older: CredentialRef | None = None

    def selected(self, known: Iterable[Namespace] | None) -> tuple[str, ...]:
        """The namespaces granted among those that exist, sorted; where these are not known, those that it names."""
        if known is None:
            return tuple(sorted(set(self.namespaces.names)))
        return tuple(sorted({one.name for one in known if self.namespaces.selects(one.name, one.labels)}))


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy of an environment and the plane that enforces it."""

    name: str
    version: int
    stage: Stage
    plane: Plane


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What one environment should hold. `grants` and `masked` are sorted.

    `sources` is None without a policy: nothing is restricted. `masked` names the accesses that the policy replaces.
    `refusals` answer requests of namespaces; that one is granted, the grants say.
    `generation` is handed in by `next_generation` and is 0 until then; `not_after` (UTC, aware) ends its validity.
    """

    environment: str
    type: EnvironmentType
    policy: PolicyInForce | None
    sources: ResolvedSources | None
    grants: tuple[Grant, ...]
    masked: tuple[str, ...]
    not_after: datetime | None = None
    generation: int = 0
    hash: str = ""
    refusals: tuple[Refusal, ...] = ()


def plane(environment: Environment, capabilities: Capabilities) -> Plane:
    """Which plane can enforce a policy there: admission only in a cluster that is known to be new enough (rule 15)."""
    version = capabilities.kubernetes
    if environment.type is not EnvironmentType.KUBERNETES or version is None:
        return Plane.DEPLOYMENT
    return Plane.DEPLOYMENT if restriction_problem(version) else Plane.ADMISSION


def desired(
    estate: Estate,
    environment: Environment,
    *,
    now: datetime,
    not_after: datetime | None = None,
    agent: SourcePrefix = AGENT_SOURCE,
    why_url: str = "",
) -> DesiredState:
    """What the environment should hold at `now` (UTC, aware), which only ends exemptions.

    `why_url` is the page that explains a refusal, as `ResolvedSources` has it.

    The estate is valid; of two policies for one group the first by name counts, and a grant of a registry that does not
    exist is left out of the grants and leaves its sources unresolved. So is the grant of one with a wildcard.
    """
    policy = estate.policy_of(environment)
    accesses, masked = _accesses(estate, environment, policy)
    in_force = tuple(
        replace(one, delivered=estate.delivered(one.registry, now), older=estate.overlapping(one.registry, now))
        for one in accesses
    )
    grants = tuple(sorted((grant for grant in in_force if grant.key), key=_grant_order))
    sources = _sources(estate, environment, policy, in_force, now, agent)
    state = DesiredState(
        environment.name,
        environment.type,
        _in_force(estate, environment, policy),
        None if sources is None else replace(sources, why_url=why_url),
        grants,
        tuple(sorted(grant.owner.removeprefix("access ") for grant in masked)),
        not_after,
        refusals=estate.refusals.get(environment.name, ()),
    )
    return replace(state, hash=digest(document(state)))


def emptied(environment: Environment, *, not_after: datetime | None = None) -> DesiredState:
    """What an environment should hold that is leaving: nothing of ours."""
    state = DesiredState(environment.name, environment.type, None, None, (), (), not_after)
    return replace(state, hash=digest(document(state)))


def granted(estate: Estate, environment: Environment) -> tuple[Grant, ...]:
    """The accesses in force in the environment, in no order: what `desired` says, for who needs nothing else of it."""
    return accesses(estate, environment)[0]


def accesses(estate: Estate, environment: Environment) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
    """The accesses in force, and those that the environment's policy masks; each in no order."""
    return _accesses(estate, environment, estate.policy_of(environment))


def restriction(estate: Estate, environment: Environment, *, now: datetime) -> ResolvedSources | None:
    """The sources of the environment: what `desired` says, for who needs nothing else of it.

    They judge at any later time, too: what ends meanwhile, judging leaves out by itself.
    """
    policy = estate.policy_of(environment)
    in_force = () if policy is None else _accesses(estate, environment, policy)[0]
    return _sources(estate, environment, policy, in_force, now, AGENT_SOURCE)


def _accesses(
    estate: Estate, environment: Environment, policy: RegistryPolicy | None
) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
    """The accesses in force, and those that the policy masks."""
    own = _own_accesses(estate, environment)
    if policy is not None and not policy.allow_override:
        return _policy_accesses(estate, environment, policy), own
    return (*_policy_accesses(estate, environment, policy), *own), ()


def next_generation(previous: DesiredState | None, state: DesiredState) -> DesiredState:
    """The state with its number: the previous one's, or one more if anything changed. It never decreases."""
    if previous is None:
        return replace(state, generation=1)
    return replace(state, generation=previous.generation + (previous.hash != state.hash))


def _in_force(estate: Estate, environment: Environment, policy: RegistryPolicy | None) -> PolicyInForce | None:
    if policy is None:
        return None
    enforcing = plane(environment, estate.capabilities_of(environment))
    return PolicyInForce(policy.name, policy.generation, policy.stage, enforcing)


def _policy_accesses(estate: Estate, environment: Environment, policy: RegistryPolicy | None) -> tuple[Grant, ...]:
    """A policy's accesses name namespaces; outside Kubernetes, those of their subjects that an access may name."""
    if policy is None or not policy.access:
        return ()
    kubernetes = environment.type is EnvironmentType.KUBERNETES
    there = NOBODY if kubernetes else selectable(environment, estate.bindings, estate.teams)
    return tuple(
        _grant(
            estate,
            f"policy {policy.name}",
            access.registry,
            access.namespaces if kubernetes else NO_NAMESPACES,
            there if access.subjects.nobody else _both(access.subjects, there),
            access.delivery,
            access.field,
        )
        for access in policy.access
    )


def _both(named: Subjects, there: Subjects) -> Subjects:
    """Those of the named who hold a role there: a grant is no way around that (requirement B-24)."""
    return Subjects(
        tuple(sorted(set(named.teams) & set(there.teams))), tuple(sorted(set(named.users) & set(there.users)))
    )


def _own_accesses(estate: Estate, environment: Environment) -> tuple[Grant, ...]:
    found = []
    for access in estate.accesses_by_environment.get(environment.name, ()):
        namespaces = _namespaces(estate, environment, access)
        if namespaces is not None:
            owner = f"access {access.name}"
            field = f"RegistryAccess/{access.name} spec"
            found.append(_grant(estate, owner, access.registry, namespaces, access.subjects, access.delivery, field))
    return tuple(found)


def _namespaces(estate: Estate, environment: Environment, access: RegistryAccess) -> NamespaceSelection | None:
    """The selection as it counts here; None when a project's access names nothing in this environment."""
    if not access.project:
        return access.namespaces
    project = estate.projects_by_name[access.project]
    held = {name for part in project.namespaces if part.environment == environment.name for name in part.names}
    selector = access.namespaces.selector
    if selector is not None and selector.everything:
        return NamespaceSelection(tuple(sorted(held))) if held else None
    names = held & set(access.namespaces.names)
    if selector is not None and held:
        within = Requirement(NAME_LABEL, Operator.IN, tuple(sorted(held)))
        selector = replace(selector, match_expressions=(*selector.match_expressions, within))
        return NamespaceSelection(tuple(sorted(names)), selector)
    return NamespaceSelection(tuple(sorted(names))) if names else None


def _grant(
    estate: Estate,
    owner: str,
    registry: str,
    namespaces: NamespaceSelection,
    subjects: Subjects,
    delivery: Delivery,
    field: str,
) -> Grant:
    known = estate.registries_by_name.get(registry)
    key = auth_key(known.prefix) if known and not known.prefix.wildcard else ""
    credential = estate.credentials.get(registry)
    return Grant(owner, registry, key, namespaces, subjects, delivery, credential, field)


def _grant_order(grant: Grant) -> tuple[str, ...]:
    selection = grant.namespaces
    return (grant.registry, grant.owner, grant.field, *selection.names)


def _sources(
    estate: Estate,
    environment: Environment,
    policy: RegistryPolicy | None,
    grants: Iterable[Grant],
    now: datetime,
    agent: SourcePrefix,
) -> ResolvedSources | None:
    if policy is None:
        return None
    everywhere = environment.type is not EnvironmentType.KUBERNETES
    accesses = sorted(
        (
            Access(
                grant.registry,
                NamespaceSelection((), LabelSelector()) if everywhere else grant.namespaces,
                grant.delivery,
                grant.field,
            )
            for grant in grants
        ),
        key=lambda access: (access.registry, access.field),
    )
    return resolve(
        replace(policy, access=tuple(accesses)),
        registries=estate.registries,
        exemptions=[exemption for exemption in estate.exemptions if now < exemption.expires_at],
        namespaces=estate.capabilities_of(environment).namespaces,
        group=environment.group,
        agent=agent,
    )


def document(state: DesiredState) -> dict[str, Any]:
    """The state as plain values, without generation and hash: what the hash is over. It never holds a secret."""
    found = {
        "environment": state.environment,
        "type": str(state.type),
        "policy": _policy_document(state.policy),
        "sources": None if state.sources is None else sources_document(state.sources),
        "grants": [
            _grant_document(grant, version)
            for grant in state.grants
            for version in (grant.delivered, *([grant.older] if grant.older else []))
        ],
        "masked": list(state.masked),
        "notAfter": _time(state.not_after),
    }
    # Only where there are any: what says the same as ever has the hash that it ever had.
    return found | ({"requests": [_refusal_document(one) for one in state.refusals]} if state.refusals else {})


def _refusal_document(one: Refusal) -> dict[str, Any]:
    return {
        "namespace": one.namespace,
        "name": one.name,
        "uid": one.uid,
        "generation": one.generation,
        "state": "Refused",
        "why": one.why,
    }


def _policy_document(policy: PolicyInForce | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    stage = str(policy.stage)
    return {"name": policy.name, "version": policy.version, "stage": stage, "enforcedBy": str(policy.plane)}


def sources_document(sources: ResolvedSources) -> dict[str, Any]:
    """Resolved sources as plain values; equal ones render and judge alike."""
    found = {
        "policy": sources.policy,
        "generation": sources.generation,
        "stage": str(sources.stage),
        "everywhere": _owners(sources.everywhere),
        "byNamespace": {name: _owners(held) for name, held in sources.by_namespace.items()},
        "exemptions": [
            [one.name, str(one.prefix or one.digest), sorted(one.namespaces), _time(one.expires_at)]
            for one in sources.exemptions
        ],
        "unresolved": sorted(f"{one.access.registry}: {one.why}" for one in sources.unresolved),
    }
    # Left out where there is none, as above.
    return found | ({"whyUrl": sources.why_url} if sources.why_url else {})


def _owners(held: Mapping[str, AllowedSource]) -> dict[str, str]:
    return {key: source.owner or str(source.origin) for key, source in held.items()}


def _grant_document(grant: Grant, credential: CredentialRef | None) -> dict[str, Any]:
    """A grant with one version of its credential; an older one makes a grant of its own, which agents put beside it."""
    return {
        "owner": grant.owner,
        "registry": grant.registry,
        "keys": [grant.key],
        "namespaces": {"names": sorted(grant.namespaces.names), "selector": _selector(grant.namespaces.selector)},
        "subjects": {"users": sorted(grant.subjects.users), "teams": sorted(grant.subjects.teams)},
        "delivery": {"mode": str(grant.delivery.mode), "serviceAccounts": service_accounts(grant.delivery)},
        "credential": None
        if credential is None
        else {"id": credential.id, "version": credential.version, "expiresAt": _time(credential.expires_at)},
    }


def service_accounts(delivery: Delivery) -> Any:
    """Which ServiceAccounts get the pull secret, as plain values: a word, or names and a selector."""
    chosen = delivery.service_accounts
    if isinstance(chosen, ServiceAccountSelection):
        return {"names": sorted(chosen.names), "selector": _selector(chosen.selector)}
    return str(chosen)


def _selector(selector: LabelSelector | None) -> dict[str, Any] | None:
    if selector is None:
        return None
    expressions = [[one.key, str(one.operator), sorted(one.values)] for one in selector.match_expressions]
    return {"matchLabels": dict(selector.match_labels), "matchExpressions": sorted(expressions)}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
