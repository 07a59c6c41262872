"""The difference between two estates, as a person confirms it: objects, policies, accesses, and what would be denied.

Theory of operation
-------------------
`plan` settles which policy takes which group over, derives the desired state of every environment before and after, and
looks closer at those that differ: their objects (`core.our_objects`), the images that run there (`core.blast_radius`),
and every rule that the change would break. Only what the change adds refuses: an exemption that expired yesterday does
not stop today's rotation of a credential.

The plan is one object for the command line, the API and the console; it never holds a secret. Whether one that was
confirmed may still run says `core.confirmation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from portreeve.core import policy as policies
from portreeve.core.blast_radius import BlastRadius, Denials, Inventory, RunningImage, blast_radius
from portreeve.core.cluster import AGENT_NAMESPACE, SYSTEM_NAMESPACES, restriction_problem
from portreeve.core.desired import DesiredState, Plane, desired, plane, sources_document
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Capabilities, CredentialFacts, Estate, Key
from portreeve.core.our_objects import (
    Delete,
    Identity,
    ManagedObject,
    ObjectChange,
    changes,
    granted_objects,
    key_problems,
    policy_objects,
)
from portreeve.core.policy import RegistryPolicy, Stage
from portreeve.core.prerequisites import validate
from portreeve.core.reached import Reached
from portreeve.core.reference import SourcePrefix
from portreeve.core.render import Manifest, ProtectedImage, check_protected, compile_policy, digest
from portreeve.core.sources import AGENT_SOURCE, ResolvedSources
from portreeve.core.takeover import Takeover, replace_problems, settle
from portreeve.core.tier_rules import flagged_credentials, public_sources, refused_credentials
from portreeve.errors import Invalid, Problem

MOST_DELETED: Final = 0.3
"""Share of an environment's objects beyond which deleting them needs force.
Source: octoDNS, `Plan.MAX_SAFE_DELETE_PCENT`."""

FEWEST_DELETED: Final = 10
"""Below this many deletions the share says nothing. octoDNS has the same number, of existing records."""


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """What a plan does in one environment.

    `policy_before` and `policy_after` are names, None without one. `masked` and `unmasked` name accesses that begin and
    cease to be replaced by a policy. `existing` counts the objects before. `notes` refuse nothing.
    """

    environment: str
    plane: Plane
    policy_before: str | None
    policy_after: str | None
    changes: tuple[ObjectChange, ...]
    masked: tuple[str, ...]
    unmasked: tuple[str, ...]
    existing: int
    notes: tuple[Problem, ...]
    hash_before: str | None
    hash_after: str | None
    objects_digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change would do. Environments that it does not touch are absent; all sorted.

    `conflicts` need `replacing`, or a change of what is in the way first; `refusals` need another proposal; `valve`
    needs force. `proposal` is the estate to store: the one given, with groups taken out of the policies that lost them.
    """

    environments: tuple[EnvironmentPlan, ...]
    takeovers: tuple[Takeover, ...]
    conflicts: tuple[Problem, ...]
    refusals: tuple[Problem, ...]
    valve: tuple[Problem, ...]
    radius: BlastRadius
    proposal: Estate = field(compare=False, repr=False)
    before: Estate = field(compare=False, repr=False)

    @property
    def empty(self) -> bool:
        """Whether nothing would happen in any environment."""
        return not self.environments

    def blocked(self, *, force: bool = False) -> tuple[Problem, ...]:
        """Everything that keeps this plan from being confirmed; `force` opens the safety valve and nothing else."""
        return (*self.conflicts, *self.refusals, *(() if force else self.valve))


@dataclass(frozen=True)
class _Context:
    """What all environments of one plan share."""

    inventory: Inventory
    now: datetime
    agent: SourcePrefix
    denials: Denials
    compiled: dict[str, tuple[tuple[Manifest, ...], tuple[Problem, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Side:
    """One environment before or after; everything empty where the environment does not exist."""

    plane: Plane | None = None
    state: DesiredState | None = None
    objects: dict[Identity, ManagedObject] = field(default_factory=dict)
    refusals: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    fingerprint: str = ""

    @property
    def sources(self) -> ResolvedSources | None:
        return self.state.sources if self.state else None

    @property
    def policy(self) -> str | None:
        return self.state.policy.name if self.state and self.state.policy else None

    @property
    def masked(self) -> frozenset[str]:
        return frozenset(self.state.masked if self.state else ())


def plan(
    before: Estate,
    after: Estate,
    inventory: Inventory,
    *,
    now: datetime,
    replacing: bool = False,
    agent: SourcePrefix = AGENT_SOURCE,
) -> Plan:
    """What changes when `after` takes the place of `before`.

    `replacing` consents to taking groups out of the policies that cover them; without it each is a conflict, and the
    plan shows the effect all the same. `now` is UTC, aware.
    """
    settled = settle(before, after)
    context = _Context(inventory, now, agent, Denials(now))
    old = {one.name: one for one in before.environments}
    new = {one.name: one for one in settled.estate.environments}
    reached = Reached(before, settled.estate)
    touched = []
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        if one is not None and other is not None and not reached.environment(one, other):
            continue
        pair = _touched(before, settled.estate, one, other, context)
        if pair is not None:
            touched.append((name, *pair))
    environments = tuple(_environment_plan(*sides) for sides in touched)
    refusals = [*_estate_refusals(before, settled.estate)]
    refusals += (problem for _, was, is_ in touched for problem in is_.refusals if problem not in was.refusals)
    conflicts = settled.conflicts if replacing else (*settled.conflicts, *replace_problems(after, settled.takeovers))
    return Plan(
        environments,
        settled.takeovers,
        conflicts,
        tuple(sorted(set(refusals), key=lambda problem: (problem.field, problem.code, problem.message))),
        tuple(problem for one in environments for problem in safety_valve(one)),
        _radius(touched, context),
        settled.estate,
        before,
    )


def safety_valve(planned: EnvironmentPlan) -> list[Problem]:
    """Why deleting this much in one environment needs force. Empty means that it does not."""
    deleted = sum(isinstance(change, Delete) for change in planned.changes)
    if deleted < FEWEST_DELETED or deleted <= MOST_DELETED * planned.existing:
        return []
    share = 100 * deleted // planned.existing
    return [
        Problem(
            "too_many_deletions",
            f"{deleted:,} of {planned.existing:,} objects ({share} %) in {planned.environment} would be deleted",
            f"Environment/{planned.environment}",
            "confirm with force if that is meant",
        )
    ]


def _touched(
    before: Estate, after: Estate, old: Environment | None, new: Environment | None, context: _Context
) -> tuple[_Side, _Side] | None:
    """Both sides of an environment, None if the change does not reach it."""
    states = tuple(
        desired(estate, environment, now=context.now, agent=context.agent) if environment else None
        for estate, environment in ((before, old), (after, new))
    )
    if old is not None and new is not None and states[0] is not None and states[1] is not None:
        reported = before.capabilities_of(old) == after.capabilities_of(new)
        if reported and old.tier is new.tier and states[0].hash == states[1].hash:
            return None
    return _side(before, old, states[0], context), _side(after, new, states[1], context)


def _side(estate: Estate, environment: Environment | None, state: DesiredState | None, context: _Context) -> _Side:
    if environment is None or state is None:
        return _Side()
    fingerprint = "" if state.sources is None else digest(sources_document(state.sources))
    manifests, problems = _compiled(state, fingerprint, context)
    capabilities = estate.capabilities_of(environment)
    namespaces = capabilities.namespaces
    objects = granted_objects(state, namespaces) | policy_objects(environment.name, manifests)
    policy = estate.policy_of(environment)
    credentials = [(grant.registry, grant.credential) for grant in state.grants if grant.credential]
    refusals = (
        *(problem for problem in problems if problem.code != "grant_unresolved"),
        *lock_out(state, context.inventory.by_environment.get(state.environment, ())),
        *(
            ()
            if policy is None
            else _named(policy, public_sources(policy, environment, estate.exemptions, context.now))
        ),
        *refused_credentials(environment, credentials),
        *key_problems(state, namespaces),
    )
    unresolved = tuple(problem for problem in problems if problem.code == "grant_unresolved")
    notes = (*_capability(capabilities, state), *unresolved, *_notes(estate, environment, credentials, context))
    return _Side(plane(environment, capabilities), state, objects, refusals, notes, fingerprint)


def _compiled(
    state: DesiredState, fingerprint: str, context: _Context
) -> tuple[tuple[Manifest, ...], tuple[Problem, ...]]:
    """The policy objects of a cluster that can hold them, or why there are none."""
    if state.sources is None or state.policy is None or state.policy.plane is not Plane.ADMISSION:
        return (), ()
    if fingerprint not in context.compiled:
        try:
            answer = compile_policy(state.sources, protected=[ProtectedImage(AGENT_NAMESPACE, str(context.agent))]), ()
        except Invalid as error:
            problems = error.problems or (Problem(error.code, error.message, hint=error.hint),)
            context.compiled[fingerprint] = (), problems
        else:
            context.compiled[fingerprint] = answer
    return context.compiled[fingerprint]


def lock_out(state: DesiredState, running: Iterable[RunningImage]) -> list[Problem]:
    """System images and our agent that run there and that the policy would deny (rule 10)."""
    if state.sources is None or state.sources.stage is Stage.OFF or state.type is not EnvironmentType.KUBERNETES:
        return []
    own = {*SYSTEM_NAMESPACES, AGENT_NAMESPACE}
    images = {ProtectedImage(one.namespace, one.image) for one in running if one.namespace in own}
    return check_protected(state.sources, sorted(images, key=lambda one: (one.namespace, one.image)))


def _capability(capabilities: Capabilities, state: DesiredState) -> list[Problem]:
    """Why this cluster cannot restrict sources though its policy says so (rule 15)."""
    if state.policy is None or state.policy.stage is Stage.OFF or state.type is not EnvironmentType.KUBERNETES:
        return []
    version = capabilities.kubernetes
    found = (
        Problem("kubernetes_version", "its Kubernetes version is not known", hint="wait until its agent has reported")
        if version is None
        else restriction_problem(version)
    )
    return [] if found is None else [replace(found, field=f"Environment/{state.environment}")]


def _notes(
    estate: Estate,
    environment: Environment,
    credentials: Iterable[tuple[str, CredentialFacts]],
    context: _Context,
) -> list[Problem]:
    found = list(flagged_credentials(environment, credentials))
    policy = estate.policy_of(environment)
    where = f"Environment/{environment.name}"
    known = estate.capabilities_of(environment).namespaces is not None
    if environment.type is EnvironmentType.KUBERNETES and not known:
        found.append(Problem("namespaces_unknown", "its namespaces are not known: only named ones are counted", where))
    if not context.inventory.knows(environment.name):
        found.append(Problem("inventory_unknown", "what runs there is not known: nothing is shown as denied", where))
    return found + (_named(policy, policies.lint(policy)) if policy is not None else [])


def _named(policy: RegistryPolicy, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of one document, with the document in front of the field."""
    key = Key("RegistryPolicy", policy.name)
    return [replace(problem, field=f"{key} {problem.field}") for problem in problems]


def _estate_refusals(before: Estate, after: Estate) -> list[Problem]:
    """What is wrong with the estate after the change and was not before."""
    known = frozenset(_problems(before))
    found = [problem for problem in _problems(after) if problem not in known and problem.code != "group_covered"]
    for policy in after.policies:
        if before.by_key.get(Key("RegistryPolicy", policy.name)) != policy:
            found += _named(policy, policies.validate(policy))
    return found


def _problems(estate: Estate) -> Sequence[Problem]:
    """What is wrong with the estate; an estate that plans begin at is asked time and again."""
    found = estate.problems.get("prerequisites")
    if found is None:
        found = estate.problems["prerequisites"] = tuple(validate(estate))
    return found


def _environment_plan(name: str, old: _Side, new: _Side) -> EnvironmentPlan:
    enforcing = new.plane or old.plane
    assert enforcing is not None  # one of the two sides exists
    made = changes(old.objects, new.objects)
    return EnvironmentPlan(
        name,
        enforcing,
        old.policy,
        new.policy,
        made,
        tuple(sorted(new.masked - old.masked)),
        tuple(sorted(old.masked - new.masked)),
        len(old.objects),
        tuple(dict.fromkeys(new.notes)),
        old.state.hash if old.state else None,
        new.state.hash if new.state else None,
        digest([_rows(old.objects), _rows(new.objects)]),
    )


def _rows(objects: dict[Identity, ManagedObject]) -> list[list[object]]:
    return [[one.kind, one.namespace, one.name, objects[one].facts] for one in sorted(objects)]


def _radius(touched: Iterable[tuple[str, _Side, _Side]], context: _Context) -> BlastRadius:
    return blast_radius(
        (
            image,
            context.denials.of(image, old.sources, old.fingerprint),
            context.denials.of(image, new.sources, new.fingerprint),
        )
        for name, old, new in touched
        if new.state is not None and old.fingerprint != new.fingerprint
        for image in context.inventory.by_environment.get(name, ())
    )
