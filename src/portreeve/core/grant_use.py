"""Grants beside what is used: registries that workloads pull from and that nobody granted, and grants that nobody uses.

A registry is *used* in a namespace by an image at or below its prefix, running or in a template, or by an annotation
that names it. Where several registries cover an image, one that is granted is enough; if none is, the one with the
longest prefix is what is missing. A grant is called unused only where an environment has told what could run there: a
workload that is scaled to zero uses its registry.

Left out: whether an image may run (`core.verdict`), and namespaces of the cluster's own parts, which nothing reaches.

Source: requirements B-63; interfaces.md 6, number 33.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from portreeve.core.cluster import SYSTEM_NAMESPACES, Namespace
from portreeve.core.desired import Grant
from portreeve.core.policy import Registry
from portreeve.core.reference import UnsafeReference, keys, parse

EXAMPLES: Final = 5
"""Owners and images that one row names; the others are counted."""


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """An image of an owner in a namespace, running or in a template."""

    namespace: str
    owner: str
    image: str


@dataclass(frozen=True, slots=True, order=True)
class Needed:
    """A registry that is used in a namespace and not granted there. `owners` and `images` are the first few of `uses`.

    By an annotation alone there is no use to count.
    """

    environment: str
    namespace: str
    registry: str
    uses: int
    owners: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Unused:
    """A registry that is granted in a namespace where nothing uses it; `owner` is what grants it."""

    environment: str
    namespace: str
    registry: str
    owner: str


@dataclass(frozen=True)
class Registries:
    """Registries by their prefixes, with a memory: the same images run in many places."""

    all: Sequence[Registry]
    _covering: dict[str, tuple[Registry, ...]] = field(default_factory=dict)

    def covering(self, image: str) -> tuple[Registry, ...]:
        """Those whose prefix covers the image, the longest prefix first, then by name; none if it cannot be read."""
        found = self._covering.get(image)
        if found is None:
            found = self._covering[image] = self._found(image)
        return found

    def _found(self, image: str) -> tuple[Registry, ...]:
        try:
            below = {key: rank for rank, key in enumerate(keys(parse(image)))}
        except UnsafeReference:
            return ()
        covering = [one for one in self.all if one.prefix.key in below]
        return tuple(sorted(covering, key=lambda one: (below[one.prefix.key], one.name)))


@dataclass(frozen=True, slots=True)
class Told:
    """What one environment has told: its namespaces, what is used there, and namespace → registries by annotation."""

    environment: str
    namespaces: Sequence[Namespace] | None
    uses: Iterable[Use]
    annotated: Mapping[str, Iterable[str]]
    complete: bool
    """Whether templates are among the uses, and not only what runs."""


def compare(told: Told, grants: Sequence[Grant], registries: Registries) -> tuple[list[Needed], list[Unused]]:
    """What is needed and not granted in an environment, and what is granted and not used there; both sorted.

    Of an environment that is not completely told nothing is called unused.
    """
    granted: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for grant in grants:
        for namespace in grant.selected(told.namespaces):
            granted[namespace][grant.registry].append(grant.owner)
    used: dict[str, set[str]] = defaultdict(set)
    missing: dict[tuple[str, str], list[Use]] = defaultdict(list)
    for use in told.uses:
        covering = [one.name for one in registries.covering(use.image)]
        used[use.namespace].update(covering)
        if covering and not granted[use.namespace].keys() & covering:
            missing[use.namespace, covering[0]].append(use)
    known = {one.name for one in registries.all}
    for namespace, names in told.annotated.items():
        used[namespace].update(names)
        for name in known.intersection(names) - granted[namespace].keys():
            missing.setdefault((namespace, name), [])
    needed = [
        _needed(told.environment, *place, sorted(uses))
        for place, uses in missing.items()
        if place[0] not in SYSTEM_NAMESPACES
    ]
    unused = [
        Unused(told.environment, namespace, registry, owner)
        for namespace, held in granted.items()
        for registry, owners in held.items()
        for owner in owners
        if told.complete and namespace not in SYSTEM_NAMESPACES and registry not in used[namespace]
    ]
    return sorted(needed), sorted(unused)


def _needed(environment: str, namespace: str, registry: str, uses: Sequence[Use]) -> Needed:
    owners = tuple(dict.fromkeys(use.owner for use in uses))[:EXAMPLES]
    images = tuple(dict.fromkeys(use.image for use in uses))[:EXAMPLES]
    return Needed(environment, namespace, registry, len(uses), owners, images)
