"""Environments and their groups as documents name them: no more than what a person wrote.

What an environment holds and should hold is not here. Shapes: docs/spec/environment.md, environment-group.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from portreeve.core.cluster import Tier, label_problems
from portreeve.errors import Problem


class EnvironmentType(StrEnum):
    """What an environment is. Only Kubernetes has namespaces and an admission step."""

    KUBERNETES = "kubernetes"
    DOCKER = "docker"
    SWARM = "swarm"


@dataclass(frozen=True, slots=True)
class EnvironmentGroup:
    """The unit that policies are attached to."""

    name: str
    type: EnvironmentType = EnvironmentType.KUBERNETES
    title: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """One cluster, Docker host or Swarm, in exactly one group."""

    name: str
    tier: Tier
    group: str
    type: EnvironmentType = EnvironmentType.KUBERNETES
    title: str = ""


def environment_problems(environment: Environment) -> Iterator[Problem]:
    """What makes an environment unusable, its own name aside."""
    yield from label_problems({"spec.group": environment.group}, "an EnvironmentGroup")
