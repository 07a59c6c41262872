"""The figures of a snapshot: plain functions of it and of the time.

What an agent has said is read by a closed list of words: whatever else one may say counts as `other`, so that no agent
makes series. What nobody has said has no series, and is not 0.

Left out: whatever only this process knows (see `service`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from portreeve.core.blast_radius import RunningImage
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Key
from portreeve.core.policy import Exemption, ExemptionState, Registry, RegistryPolicy, Stage
from portreeve.core.refresh import Why
from portreeve.core.sources import ResolvedSources, stage_in
from portreeve.core.verdict import judge
from portreeve.server.documents.snapshot import PULL, Reported, Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import answered
from portreeve.server.images.verdicts import governed
from portreeve.server.metrics import catalogue
from portreeve.wire.exposition import Metric, Series

Found = tuple[Metric, Series]


class Mode(StrEnum):
    """How much is told apart: what grows with namespaces and exemptions is summed up, or not."""

    SUMMARY = "summary"
    DETAILED = "detailed"


class Enforcement(StrEnum):
    """States of `portreeve_enforcement_state`."""

    ENFORCED = "enforced"
    GAP = "gap"
    UNKNOWN = "unknown"
    NOT_WANTED = "not_wanted"


PHASES: Final[Mapping[str, str]] = {
    "Delivered": "in_sync",
    # Nothing could be delivered, as for a registry that is used without a credential: it is as it should be.
    "NothingToDeliver": "in_sync",
    "Pending": "pending",
    "Kept": "kept",
    "GrantsDisagree": "grants_disagree",
    "NameTaken": "name_taken",
    "Immutable": "immutable",
    "Forbidden": "forbidden",
    "Refused": "refused",
}
"""Phase of a pull secret, as agents word it → state."""

OTHER: Final = "other"

DRIFTED: Final = frozenset({"name_taken", "immutable", "forbidden", "refused"})
"""States in which somebody has changed the pull secret, or keeps the agent from setting it back."""

POLICY_DRIFTED: Final = frozenset({"Drifted", "NotApplied", "NameTaken"})
"""Reasons of the condition `Enforced` that say the same of the policy and its bindings."""

NOT_JUDGED: Final = "not_judged"


def environments(snapshot: Snapshot, now: datetime) -> Iterator[Found]:
    """How each environment stands."""
    connected: dict[tuple[str, ...], float] = {}
    seen: dict[tuple[str, ...], float] = {}
    enforcement: dict[tuple[str, ...], float] = {}
    secrets: dict[tuple[str, ...], float] = {}
    drift: dict[tuple[str, ...], float] = {}
    for name, stored in snapshot.of_kind("Environment").items():
        status = answered(stored, snapshot, now)["status"]
        row, said = snapshot.agents.get(name), snapshot.reports.get(name)
        if row is not None:
            # One that never had an agent is not disconnected.
            connected[name,] = float(status["agent"]["connected"])
            if row.seen_at is not None:
                seen[name,] = row.seen_at.timestamp()
        if isinstance(stored.value, Environment) and stored.value.type is EnvironmentType.KUBERNETES:
            state = enforcement_of(status, snapshot)
            enforcement.update({(name, str(one)): float(one is state) for one in Enforcement})
        if said is not None:
            states = _states(said)
            secrets.update({(name, one): states[one] for one in (*dict.fromkeys(PHASES.values()), OTHER)})
            drift[name,] = sum(states[one] for one in DRIFTED) + _policy_drifted(said)
    yield catalogue.CONNECTED, connected
    yield catalogue.LAST_SEEN, seen
    yield catalogue.ENFORCEMENT, enforcement
    yield catalogue.PULL_SECRETS, secrets
    yield catalogue.DRIFT, drift


def enforcement_of(status: Mapping[str, Any], snapshot: Snapshot) -> Enforcement:
    """The state of an environment, out of its status: only a policy at deny is to be enforced."""
    stored = snapshot.documents.get(Key("RegistryPolicy", status.get("policy") or ""))
    policy = stored.value if stored else None
    if not isinstance(policy, RegistryPolicy) or policy.stage is not Stage.DENY:
        return Enforcement.NOT_WANTED
    words = {"Enforced": Enforcement.ENFORCED, "Gap": Enforcement.GAP}
    return words.get(status["enforcement"], Enforcement.UNKNOWN)


def _states(said: Reported) -> Counter[str]:
    found: Counter[str] = Counter()
    for phase, count in said.phases.items():
        found[PHASES.get(phase, OTHER)] += count
    return found


def _policy_drifted(said: Reported) -> int:
    return sum(one["type"] == "Enforced" and one["reason"] in POLICY_DRIFTED for one in said.conditions)


def registries(snapshot: Snapshot) -> Iterator[Found]:
    """What registries are, and whether they answer."""
    info: dict[tuple[str, ...], float] = {}
    up: dict[tuple[str, ...], float] = {}
    probe: dict[tuple[str, ...], float] = {}
    for name, stored in snapshot.of_kind("Registry").items():
        assert isinstance(stored.value, Registry)
        info[name, stored.value.provider, stored.value.prefix.host] = 1
        if (answers := _answers(name, snapshot)) is not None:
            up[name,] = float(answers)
        if (checked := snapshot.checks.get(name)) is not None:
            probe[name,] = checked.ms / 1000
    yield catalogue.REGISTRY, info
    yield catalogue.REGISTRY_UP, up
    yield catalogue.PROBE, probe


def _answers(name: str, snapshot: Snapshot) -> bool | None:
    """Whether the registry, or whoever mints for it, answered at the last contact; None: there was none."""
    checked, row = snapshot.checks.get(name), snapshot.credentials.get((name, PULL))
    token = snapshot.tokens.get(row.id) if row else None
    if token is not None and token.why is not None:
        # It is tried again and again, so that is the last contact.
        return token.why is not Why.UNREACHABLE
    minted_at = token.held.issued_at if token is not None and token.held is not None else None
    if checked is None:
        return None if minted_at is None else True
    return checked.answered or (minted_at is not None and minted_at > checked.at)


def credentials(snapshot: Snapshot) -> Iterator[Found]:
    """When stored credentials end."""
    ends: Series = {
        (registry, purpose): row.expires_at.timestamp()
        for (registry, purpose), row in sorted(snapshot.credentials.items())
        if row.expires_at is not None
    }
    yield catalogue.CREDENTIAL_EXPIRY, ends


def exemptions(snapshot: Snapshot, now: datetime, mode: Mode) -> Iterator[Found]:
    """How many there are, and when they end."""
    states: dict[tuple[str, ...], float] = {(str(state),): 0.0 for state in ExemptionState}
    ends: dict[tuple[str, ...], float] = {}
    for name, stored in snapshot.of_kind("Exemption").items():
        state = _exemption_state(stored, now)
        states[str(state),] += 1
        assert isinstance(stored.value, Exemption)
        if stored.value.in_force and state is not ExemptionState.EXPIRED:
            ends[name,] = stored.value.expires_at.timestamp()
    yield catalogue.EXEMPTIONS, states
    if mode is Mode.DETAILED:
        yield catalogue.EXEMPTION_EXPIRY_DETAILED, ends
    else:
        first: Series = {(): min(ends.values())} if ends else {}
        yield catalogue.EXEMPTION_EXPIRY, first


def _exemption_state(stored: Stored, now: datetime) -> ExemptionState:
    assert isinstance(stored.value, Exemption)
    ended = stored.value.in_force and stored.value.expires_at <= now
    return ExemptionState.EXPIRED if ended else stored.value.state


_Place = tuple[str, str]
"""Namespace and image."""

_Key = tuple[str, ...]
"""Mode and verdict."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was worked out of these images and these sources. Both are held, so that they can be compared."""

    images: tuple[RunningImage, ...]
    sources: ResolvedSources | None
    verdicts: Mapping[_Place, _Key]
    counted: Counter[_Key]


class Verdicts:
    """Images by mode and verdict. Each image of a namespace is judged once, until the sources change."""

    def __init__(self) -> None:
        self._held: dict[str, _Judged] = {}

    def images(self, snapshot: Snapshot, now: datetime, mode: Mode) -> Iterator[Found]:
        """The figures of all environments that have reported."""
        held: dict[str, _Judged] = {}
        for environment in snapshot.estate.environments:
            images = snapshot.running.get(environment.name)
            if images is not None:
                sources = governed(snapshot, environment, now).state.sources
                held[environment.name] = _judged(images, sources, self._held.get(environment.name), now)
        self._held = held
        total: Counter[_Key] = Counter()
        for one in held.values():
            total.update(one.counted)
        if mode is Mode.DETAILED:
            yield (
                catalogue.POLICY_IMAGES_DETAILED,
                {(name, *key): count for name, one in sorted(held.items()) for key, count in one.counted.items()},
            )
        else:
            yield catalogue.POLICY_IMAGES, dict(total)
        every = total.total()
        judged = every - sum(count for key, count in total.items() if key[-1] == NOT_JUDGED)
        yield catalogue.COVERAGE, {(): judged / every} if every else {}


def _judged(
    images: tuple[RunningImage, ...], sources: ResolvedSources | None, before: _Judged | None, now: datetime
) -> _Judged:
    """An exemption that ends changes the sources, so what was judged by equal ones still holds."""
    same = before is not None and before.sources == sources
    if before is not None and same and before.images is images:
        return before
    known = before.verdicts if before is not None and same else {}
    verdicts: dict[_Place, _Key] = {}
    counted: Counter[_Key] = Counter()
    for one in images:
        place = one.namespace, one.image
        key = verdicts.get(place)
        if key is None:
            key = verdicts[place] = known.get(place) or _verdict(place, sources, now)
        counted[key] += 1
    return _Judged(images, sources, verdicts, counted)


def _verdict(place: _Place, sources: ResolvedSources | None, now: datetime) -> _Key:
    namespace, image = place
    mode = Stage.OFF if sources is None else stage_in(sources.stage, namespace)
    if sources is None or mode is Stage.OFF:
        return str(mode), NOT_JUDGED
    return str(mode), str(judge(image, namespace, sources, now=now).decision).lower()
