"""Where an image would be admitted, by tier: what the one evaluation says of it in every environment that is seen.

Theory of operation. In an environment most namespaces are alike: only those for which a source, an exemption or an
unresolved grant is named can differ. So the image is judged in one of the namespaces that are alike and in each of
the others, by `core.verdict.judge`. A verdict hangs on the repository, and on the digest where an exemption names it;
all tags of a repository are therefore judged once.

Left out: the cluster's own namespaces, in which nobody deploys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from portreeve.core.authorization import Resource, Scope, visible_scope
from portreeve.core.cluster import SYSTEM_NAMESPACES, Tier
from portreeve.core.desired import restriction
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Stage
from portreeve.core.reference import Reference, UnsafeReference, keys, parse
from portreeve.core.sources import ResolvedSources
from portreeve.core.verdict import Decision, ImageVerdict, judge
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import in_scope

MOST_NAMED: Final = 20
"""Namespaces that an answer names of those in which the image is admitted; the others are counted."""

ANY_NAMESPACE: Final = "default"
"""The namespace in which is judged where an environment has told of none."""


class Admitted(StrEnum):
    """What is to be said of an environment, or of a tier, in one word."""

    YES = "yes"
    PARTLY = "partly"
    """In some of its namespaces, or in some of its environments."""
    NO = "no"
    UNKNOWN = "unknown"
    UNRESTRICTED = "unrestricted"
    """No policy restricts sources there."""


@dataclass(frozen=True, slots=True)
class Place:
    """An environment as far as the caller may see it. `namespaces` are all that are known; `open` is any besides."""

    environment: Environment
    sources: ResolvedSources | None
    namespaces: frozenset[str]
    open: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one image in one environment."""

    place: Place
    admitted: Admitted
    allowed: tuple[str, ...] = ()
    against: ImageVerdict | None = None
    """The verdict of a namespace in which it is not admitted."""


def admitted(caller: Caller, snapshot: Snapshot, images: Iterable[str], now: datetime) -> list[list[dict[str, Any]]]:
    """For each image, a row for each tier of which the caller sees an environment, from development to production."""
    places = list(_places(caller, snapshot, now))
    named = frozenset(one.digest for place in places for one in _exempting(place) if one.digest)
    memo: dict[object, list[dict[str, Any]]] = {}
    found = []
    for image in images:
        reference = _parsed(image)
        pinned = reference.digest if reference and reference.digest in named else ""
        key = (reference.repository, pinned) if reference else image
        if key not in memo:
            memo[key] = _tiers([_judged(place, image, reference, now) for place in places])
        found.append(memo[key])
    return found


def _parsed(image: str) -> Reference | None:
    try:
        return parse(image)
    except UnsafeReference:
        return None


def _exempting(place: Place) -> Sequence[Any]:
    return place.sources.exemptions if place.sources else ()


def _places(caller: Caller, snapshot: Snapshot, now: datetime) -> Iterator[Place]:
    if not in_scope(caller, Action.LIST, Kind.NAMESPACE):
        return
    scope = visible_scope(caller.principal, Kind.NAMESPACE)
    for environment in sorted(snapshot.estate.environments, key=lambda one: one.name):
        place = _place(scope, snapshot, environment, now)
        if place.namespaces or place.open:
            yield place


def _place(scope: Scope, snapshot: Snapshot, environment: Environment, now: datetime) -> Place:
    sources, where = _restriction(snapshot, environment, now), (environment.name, environment.group)
    whole = scope.admits(Resource(Kind.NAMESPACE, environment.name, *where))
    known = snapshot.estate.capabilities_of(environment).namespaces
    if environment.type is not EnvironmentType.KUBERNETES:
        return Place(environment, sources, frozenset(), whole)
    names = {one.name for one in known} if known is not None else set(sources.by_namespace if sources else ())
    seen = frozenset(
        name
        for name in names.difference(SYSTEM_NAMESPACES)
        if whole or scope.admits(Resource(Kind.NAMESPACE, f"{environment.name}/{name}", *where, (name,)))
    )
    return Place(environment, sources, seen, whole and known is None)


def _restriction(snapshot: Snapshot, environment: Environment, now: datetime) -> ResolvedSources | None:
    """What is allowed in the environment, worked out once for each revision; None if everything is."""
    if environment.name not in snapshot.restrictions:
        snapshot.restrictions[environment.name] = restriction(snapshot.estate, environment, now=now)
    found = snapshot.restrictions[environment.name]
    if not isinstance(found, ResolvedSources) or found.stage is Stage.OFF:
        return None
    return found


def _judged(place: Place, image: str, reference: Reference | None, now: datetime) -> Answer:
    sources = place.sources
    if sources is None:
        return Answer(place, Admitted.UNRESTRICTED)
    special = _special(sources, reference, place.namespaces)
    alike = sorted(place.namespaces - special)
    verdicts = {name: judge(image, name, sources, now=now) for name in sorted(special)}
    if alike or place.open or not verdicts:
        common = judge(image, alike[0] if alike else _other(special), sources, now=now)
        verdicts |= dict.fromkeys(alike or [""], common)
    decisions = {one.decision for one in verdicts.values()}
    allowed = tuple(sorted(name for name, one in verdicts.items() if one.decision is Decision.ALLOW and name))
    against = next((one for one in verdicts.values() if one.decision is not Decision.ALLOW), None)
    if decisions == {Decision.ALLOW}:
        word = Admitted.YES
    elif Decision.ALLOW in decisions:
        word = Admitted.PARTLY
    else:
        word = Admitted.UNKNOWN if Decision.UNKNOWN in decisions else Admitted.NO
    return Answer(place, word, allowed, against)


def _special(sources: ResolvedSources, reference: Reference | None, among: frozenset[str]) -> frozenset[str]:
    """The namespaces in which the verdict may differ from that in all others."""
    covering = keys(reference) if reference else ()
    found = {name for name, held in sources.by_namespace.items() if any(key in held for key in covering)}
    found.update(name for one in sources.exemptions for name in one.namespaces)
    found.update(name for one in sources.unresolved for name in one.access.namespaces.names)
    return frozenset(found & among)


def _other(special: frozenset[str]) -> str:
    """A namespace that is none of these."""
    name = ANY_NAMESPACE
    while name in special:
        name += "-x"
    return name


def _tiers(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    found = []
    for tier in (Tier.DEVELOPMENT, Tier.STAGING, Tier.PRODUCTION):
        held = [one for one in answers if one.place.environment.tier is tier]
        if held:
            found.append(_tier(tier, held))
    return found


def _tier(tier: Tier, held: Sequence[Answer]) -> dict[str, Any]:
    words = Counter(one.admitted for one in held)
    allowed = [f"{one.place.environment.name}/{name}" for one in held for name in one.allowed]
    against = next((one for one in held if one.against is not None and one.admitted is not Admitted.YES), None)
    stages = Counter(str(one.place.sources.stage) for one in held if one.place.sources is not None)
    return {
        "tier": str(tier),
        "admitted": str(_together(words)),
        "environments": {"total": len(held), **{str(word): words[word] for word in Admitted}},
        "stages": dict(sorted(stages.items())),
        "allowedIn": allowed[:MOST_NAMED],
        "allowedInTotal": len(allowed),
        "reason": None if against is None else _reason(against),
    }


def _together(words: Mapping[Admitted, int]) -> Admitted:
    there = {word for word, count in words.items() if count}
    if there == {Admitted.UNRESTRICTED}:
        return Admitted.UNRESTRICTED
    restricted = there - {Admitted.UNRESTRICTED}
    if len(there) == 1:
        return next(iter(there))
    if restricted == {Admitted.YES}:
        return Admitted.YES
    # What is known of some environments says nothing of those of which it is not known.
    return Admitted.PARTLY if there & {Admitted.YES, Admitted.PARTLY, Admitted.UNRESTRICTED} else Admitted.UNKNOWN


def _reason(answer: Answer) -> dict[str, Any]:
    verdict = answer.against
    assert verdict is not None
    first = verdict.reasons[0]
    return {
        "environment": answer.place.environment.name,
        "code": str(first.code),
        "message": first.message,
        "nearest": str(verdict.nearest.prefix) if verdict.nearest else None,
    }
