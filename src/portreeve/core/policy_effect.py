"""What a policy that is being written would do to what runs, and which of its rows does it.

Theory of operation. For each environment of the policy's groups the desired state is derived as for any plan
(`core.desired`), and what runs there is judged by the one evaluation as if the policy were at `deny`: whoever is still
to choose a stage wants to know what enforcing would mean. Nothing is refused in system namespaces; what is not allowed
there counts as reported. Environments share answers (`core.blast_radius`), and each image is read once.

A row counts what it covers, whether another row covers it, too: so a row that counts nothing can be taken away, and one
that counts something alone is found by taking it away.

Left out: objects, credentials and conflicts, which the plan shows (`core.plan`); what could run and does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from portreeve.core.blast_radius import Denial, Denials, RunningImage
from portreeve.core.cluster import Namespace
from portreeve.core.desired import DesiredState, Grant, desired, sources_document
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Estate
from portreeve.core.plan import lock_out
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage, prefilled_sources
from portreeve.core.reference import UnsafeReference, keys, parse
from portreeve.core.render import digest
from portreeve.core.sources import AGENT_SOURCE, ResolvedSources
from portreeve.core.tier_rules import public_sources
from portreeve.core.verdict import Decision, ImageVerdict, judge
from portreeve.errors import Problem


@dataclass(frozen=True, slots=True)
class Counts:
    """Images that run, by what becomes of them. `reported` are not allowed, in namespaces where nothing is refused."""

    running: int = 0
    allowed: int = 0
    blocked: int = 0
    unknown: int = 0
    reported: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.running + other.running,
            self.allowed + other.allowed,
            self.blocked + other.blocked,
            self.unknown + other.unknown,
            self.reported + other.reported,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """One environment under the policy."""

    environment: Environment
    state: DesiredState
    counts: Counts


@dataclass(frozen=True, slots=True)
class Effect:
    """The whole answer. `places` and `blocked` are sorted; `blocked` is cut, `workloads` counts the owners of all.

    `matches`: path of a source or an access in the document → images that run and that it covers. `prefilled`: the
    same for each source that every policy has. `refusals` is what a plan would refuse for the sources alone.
    """

    places: tuple[Place, ...]
    counts: Counts
    blocked: tuple[Denial, ...]
    workloads: int
    matches: Mapping[str, int]
    prefilled: tuple[tuple[AllowedSource, int], ...]
    refusals: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Matched:
    """What the policy says of one image. `rows` cover it, the most specific first; empty if none does.

    `refusal` is why it cannot be read, as a code, "" if it can.
    """

    verdict: ImageVerdict
    rows: tuple[AllowedSource, ...] = ()
    refusal: str = ""


def effect(
    estate: Estate,
    policy: RegistryPolicy,
    running: Mapping[str, Sequence[RunningImage]],
    *,
    now: datetime,
    most_blocked: int = 20,
) -> Effect:
    """What the policy does in the environments of `running`, which maps each to what runs there.

    The estate holds the policy, and no other covers these environments. `now` is UTC, aware.
    """
    rows, denials = _Rows(estate, policy), Denials(now)
    places: list[Place] = []
    blocked: list[Denial] = []
    owners: set[tuple[str, str, str]] = set()
    refusals: list[Problem] = []
    for name in sorted(running):
        environment, images = estate.environments_by_name[name], running[name]
        state = desired(estate, environment, now=now)
        found = _judged(state, images, denials)
        rows.count(environment, state, images)
        refused = [one for one in found if _refused(one)]
        owners.update((name, one.image.namespace, one.image.owner) for one in refused)
        blocked += sorted(refused)[: most_blocked - len(blocked)]
        places.append(Place(environment, state, _counts(len(images), found)))
        refusals += [*lock_out(state, images), *public_sources(policy, environment, estate.exemptions, now)]
    total = sum((one.counts for one in places), Counts())
    distinct = tuple(dict.fromkeys(refusals))
    return Effect(tuple(places), total, tuple(blocked), len(owners), *rows.found(), distinct)


def matched(image: str, namespace: str, sources: ResolvedSources, now: datetime) -> Matched:
    """What the sources say of one image in a namespace, and by which rows."""
    verdict = judge(image, namespace, sources, now=now)
    try:
        reference = parse(image)
    except UnsafeReference as error:
        return Matched(verdict, (), str(error.reason))
    return Matched(verdict, sources.covering(reference, namespace))


def _denying(sources: ResolvedSources) -> ResolvedSources:
    return replace(sources, stage=Stage.DENY)


def _judged(state: DesiredState, images: Iterable[RunningImage], denials: Denials) -> list[Denial]:
    if state.sources is None:
        return []
    sources = _denying(state.sources)
    fingerprint = digest(sources_document(sources))
    found = (denials.of(image, sources, fingerprint) for image in images)
    return [one for one in found if one is not None]


def _refused(denial: Denial) -> bool:
    return denial.decision is Decision.DENY and denial.stage is Stage.DENY


def _counts(running: int, found: Sequence[Denial]) -> Counts:
    reported = sum(one.stage is not Stage.DENY for one in found)
    unknown = sum(one.decision is Decision.UNKNOWN and one.stage is Stage.DENY for one in found)
    return Counts(running, running - len(found), len(found) - reported - unknown, unknown, reported)


class _Rows:
    """How many images each row of a policy covers. Each image is read once, each place of it looked up once."""

    def __init__(self, estate: Estate, policy: RegistryPolicy) -> None:
        self._estate, self._policy = estate, policy
        self._prefilled = prefilled_sources(AGENT_SOURCE)
        self._named: dict[str, list[tuple[AllowedSource, object]]] = {}
        for source in policy.sources:
            self._named.setdefault(source.prefix.key, []).append((source, source.field))
        for number, source in enumerate(self._prefilled):
            self._named.setdefault(source.prefix.key, []).append((source, number))
        self._references: dict[str, tuple[str, ...]] = {}
        self._counted: Counter[object] = Counter()

    def count(self, environment: Environment, state: DesiredState, images: Iterable[RunningImage]) -> None:
        """Count what runs in one environment."""
        known = {one.name: one for one in self._estate.capabilities_of(environment).namespaces or ()}
        grants = self._grants(state)
        for (namespace, image), number in Counter((one.namespace, one.image) for one in images).items():
            for key in self._keys(image):
                for source, row in self._named.get(key, ()):
                    if source.counts_in(namespace):
                        self._counted[row] += number
                for grant in grants.get(key, ()):
                    if _selects(grant, environment, namespace, known):
                        self._counted[grant.field] += number

    def found(self) -> tuple[dict[str, int], tuple[tuple[AllowedSource, int], ...]]:
        """Row of the document → count, and the count of each pre-filled source."""
        written = [*(one.field for one in self._policy.sources), *(one.field for one in self._policy.access)]
        matches = {field: self._counted[field] for field in written}
        return matches, tuple((one, self._counted[number]) for number, one in enumerate(self._prefilled))

    def _grants(self, state: DesiredState) -> dict[str, list[Grant]]:
        """Key of a registry → the policy's own grants of it."""
        found: dict[str, list[Grant]] = {}
        for grant in state.grants:
            registry = self._estate.registries_by_name.get(grant.registry)
            if registry is not None and grant.owner == f"policy {self._policy.name}":
                found.setdefault(registry.prefix.key, []).append(grant)
        return found

    def _keys(self, image: str) -> tuple[str, ...]:
        if image not in self._references:
            try:
                self._references[image] = keys(parse(image))
            except UnsafeReference:
                self._references[image] = ()
        return self._references[image]


def _selects(grant: Grant, environment: Environment, namespace: str, known: Mapping[str, Namespace]) -> bool:
    if environment.type is not EnvironmentType.KUBERNETES:
        return True
    there = known.get(namespace)
    return grant.namespaces.selects(namespace, there.labels if there else None) is True
