"""How far grants go in an environment, by registry: kept with the snapshot while nothing changes behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from portreeve.core.desired import Grant, granted
from portreeve.core.environments import Environment
from portreeve.server.documents.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a registry's grants go in one environment."""

    grants: int
    namespaces: frozenset[str]


def reaches(snapshot: Snapshot, environment: Environment) -> Mapping[str, Reach]:
    """Registry → how far its grants go there. It follows from documents and from what the environment has told."""
    held = snapshot.reached.get(environment.name)
    if held is None:
        known = snapshot.estate.capabilities_of(environment).namespaces
        found: dict[str, list[Grant]] = defaultdict(list)
        for grant in granted(snapshot.estate, environment):
            found[grant.registry].append(grant)
        held = snapshot.reached[environment.name] = {
            registry: Reach(len(grants), frozenset(name for one in grants for name in one.selected(known)))
            for registry, grants in found.items()
        }
    return held  # type: ignore[return-value] # the memo holds what the lines above put there
