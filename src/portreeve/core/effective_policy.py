"""Why the policy of an environment is what it is, in sentences: the group's policy, what it masks, who enforces it.

`explain` says step by step what rule 8 decides: the group, the policy that covers it, which accesses are in force and
which are masked, then whether the cluster itself can refuse. It decides nothing anew: everything is asked of the same
functions that make the desired state.

Source: mission rules 8 and 15.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from portreeve.core.cluster import restriction_problem
from portreeve.core.desired import Grant, Plane, accesses, plane
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Capabilities, Estate
from portreeve.core.policy import RegistryPolicy, Stage


class Step(StrEnum):
    """What a sentence is about."""

    GROUP = "group"
    POLICY = "policy"
    ACCESS = "access"
    STAGE = "stage"
    PLANE = "plane"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One step. `warns` where somebody may expect more than there is."""

    step: Step
    text: str
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Effective:
    """What counts in an environment. `masked` are environment-level accesses that the policy replaces."""

    policy: RegistryPolicy | None
    in_force: tuple[Grant, ...]
    masked: tuple[Grant, ...]
    plane: Plane
    sentences: tuple[Sentence, ...]


def explain(estate: Estate, environment: Environment) -> Effective:
    """What counts in the environment, and why."""
    policy = estate.policy_of(environment)
    in_force, masked = accesses(estate, environment)
    capabilities = estate.capabilities_of(environment)
    sentences = (
        Sentence(Step.GROUP, f"{environment.name} belongs to the group {environment.group}, and to no other."),
        _covered(environment, policy),
        _counting(policy, in_force, masked),
        *_enforced(environment, policy, capabilities),
    )
    return Effective(policy, in_force, masked, plane(environment, capabilities), sentences)


def too_old(environment: Environment, capabilities: Capabilities) -> str | None:
    """Why the cluster cannot restrict sources; None if it can, or if its version is not known."""
    if environment.type is not EnvironmentType.KUBERNETES or capabilities.kubernetes is None:
        return None
    problem = restriction_problem(capabilities.kubernetes)
    return None if problem is None else f"{problem.message}: {problem.hint}"


def _covered(environment: Environment, policy: RegistryPolicy | None) -> Sentence:
    kind = "Kubernetes" if environment.type is EnvironmentType.KUBERNETES else "Docker and Swarm"
    if policy is None:
        text = f"No registry policy for {kind} covers {environment.group}: any image may run."
        return Sentence(Step.POLICY, text, warns=True)
    return Sentence(Step.POLICY, f"The policy {policy.name} covers {environment.group} for {kind}.")


def _counting(policy: RegistryPolicy | None, in_force: tuple[Grant, ...], masked: tuple[Grant, ...]) -> Sentence:
    if policy is None:
        return Sentence(Step.ACCESS, f"{_accesses(len(in_force))} of the environment itself {_count(len(in_force))}.")
    own = sum(grant.owner.startswith("access ") for grant in in_force)
    brought = len(in_force) - own
    if policy.allow_override:
        text = (
            f"It says allowOverride: {_accesses(brought)} of the policy and {_accesses(own)} of the environment "
            f"{_count(len(in_force))}."
        )
        return Sentence(Step.ACCESS, text)
    if not masked:
        text = f"It does not say allowOverride: only {_accesses(brought)} of the policy {_count(brought)}."
        return Sentence(Step.ACCESS, text)
    are = "is" if len(masked) == 1 else "are"
    text = (
        f"It does not say allowOverride: {_accesses(brought)} of the policy {_count(brought)}, and "
        f"{_accesses(len(masked))} of the environment {are} masked. Masked accesses are kept, and count again as soon "
        "as the policy goes."
    )
    return Sentence(Step.ACCESS, text, warns=True)


def _enforced(
    environment: Environment, policy: RegistryPolicy | None, capabilities: Capabilities
) -> Iterator[Sentence]:
    if policy is None:
        return
    yield _STAGES[policy.stage]
    if environment.type is not EnvironmentType.KUBERNETES:
        text = "Docker and Swarm have no admission step: the policy counts at deployment time only."
        yield Sentence(Step.PLANE, text, warns=True)
    elif capabilities.kubernetes is None:
        text = "The cluster has not told its Kubernetes version: whether it can restrict sources is not known."
        yield Sentence(Step.PLANE, text, warns=True)
    elif problem := too_old(environment, capabilities):
        yield Sentence(Step.PLANE, f"{problem}. Until then the policy counts at deployment time only.", warns=True)
    else:
        text = f"Kubernetes {capabilities.kubernetes} can restrict sources: the cluster itself judges each image."
        yield Sentence(Step.PLANE, text)


_STAGES = {
    Stage.OFF: Sentence(Step.STAGE, "Its stage is off: sources are not restricted.", warns=True),
    Stage.AUDIT: Sentence(Step.STAGE, "Its stage is audit: images from elsewhere run, and are reported."),
    Stage.WARN: Sentence(Step.STAGE, "Its stage is warn: images from elsewhere run, and whoever deploys is warned."),
    Stage.DENY: Sentence(Step.STAGE, "Its stage is deny: images from elsewhere are refused."),
}


def _accesses(number: int) -> str:
    return f"{number or 'no'} access{'' if number == 1 else 'es'}"


def _count(number: int) -> str:
    return "counts" if number == 1 else "count"
