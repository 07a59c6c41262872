"""Registries beside namespaces: what is granted where, and how each grant stands there.

Theory of operation
-------------------
A matrix is sparse: a `Cell` is there where a registry is granted in a namespace, by a grant in force or by one that a
policy masks, and where it is used without a grant. Everywhere else there is nothing to say: the registry is not needed.
That holds for environments that have told what runs there; of others nobody knows, and a reader must not take an
empty place for a good one (`Heard.complete`).

A cell has two answers, which are never mixed: its `State` is about delivery, its `Use` about who pulls. A grant can be
in order and unused. What an agent said before it fell silent counts no more: the state is unknown, and the version that
was there is still told.

Left out: whether an image may run (`core.verdict`), and who may see a cell.

Source: requirements B-21 to B-24; the design's console, screen 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from portreeve.core.cluster import SYSTEM_NAMESPACES, Namespace
from portreeve.core.desired import Grant
from portreeve.core.grant_use import Needed, Unused
from portreeve.core.policy import DeliveryMode
from portreeve.core.reported_secrets import HeldEntry, HeldSecret


class State(StrEnum):
    """How a registry stands in a namespace, or for a user or team."""

    GRANTED = "granted"
    """In force, and nothing of it is there: not yet, or because nothing has to be."""
    SYNCED = "synced"
    STALE = "stale"
    """What is there is older than what should be, or has ended."""
    CONFLICT = "conflict"
    """Something is in the way: the namespace does not have what it should."""
    MASKED = "masked"
    """Granted by an access that a policy replaces: it counts for nothing now."""
    NEEDED = "needed"
    """Used, and not granted."""
    UNKNOWN = "unknown"
    """Granted, and nobody says now whether it is there."""


class Use(StrEnum):
    """Whether anything in the namespace pulls from the registry."""

    USED = "used"
    UNUSED = "unused"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """Why the state is what it is."""

    LIVE = "live"
    HOLLOW = "hollow"
    """A lease that nobody needs now: the entry is there, its login is empty."""
    BEHIND = "behind"
    ENDED = "ended"
    IN_THE_WAY = "in-the-way"
    PENDING = "pending"
    NO_CREDENTIAL = "no-credential"
    """Nothing is stored for the registry: images are pulled without signing in."""
    NOTHING_TO_DELIVER = "nothing-to-deliver"
    NO_SECRET = "no-secret"  # noqa: S105 -- a word of the answer
    """Nodes or workloads sign in themselves."""
    WAITS_FOR_WORKLOAD = "waits-for-workload"
    DEPLOYMENT_TIME = "deployment-time"
    """Docker and Swarm: checked where somebody deploys through us, and nothing is delivered."""
    SYSTEM = "system-namespace"
    """Nothing of ours goes into the cluster's own namespaces."""
    POLICY = "policy"
    NOT_GRANTED = "not-granted"
    NO_AGENT = "no-agent"
    SILENT = "silent"
    NOT_TOLD = "not-told"


@dataclass(frozen=True, slots=True)
class GrantedBy:
    """What grants: "policy NAME" or "access NAME", how the credential is delivered, and whether it is in force."""

    owner: str
    mode: DeliveryMode
    in_force: bool = True
    by_selector: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One registry in one namespace. `version` is there, `wanted` should be; `uses` counts images without a grant."""

    registry: str
    state: State
    why: Why
    use: Use = Use.UNKNOWN
    grants: tuple[GrantedBy, ...] = ()
    version: int | None = None
    wanted: int | None = None
    expires_at: str | None = None
    conflict: str = ""
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of an environment: whether its agent is there, and what it has told.

    `complete` is whether it has told all that could run there, as `core.grant_use` has it.
    """

    enrolled: bool
    connected: bool
    reported: bool
    complete: bool
    secrets: Mapping[str, HeldSecret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Granted:
    """The grants of an environment: those in force, and those that its policy masks."""

    in_force: Sequence[Grant]
    masked: Sequence[Grant] = ()


Table = Mapping[str, Mapping[str, Cell]]
"""Namespace → registry → cell, both sorted. A namespace without any cell is there if it exists."""

_NO_SECRET: Final = frozenset({DeliveryMode.NODE, DeliveryMode.CLUSTER_IDENTITY})


def table(
    namespaces: Iterable[Namespace] | None,
    granted: Granted,
    heard: Heard,
    needed: Iterable[Needed],
    unused: Iterable[Unused],
    now: datetime,
) -> Table:
    """The matrix of one Kubernetes environment. `needed` and `unused` are those of `core.grant_use.compare`."""
    known = None if namespaces is None else tuple(namespaces)
    found: dict[str, dict[str, list[tuple[Grant, bool]]]] = {one.name: {} for one in known or ()}
    for grants, in_force in ((granted.in_force, True), (granted.masked, False)):
        for grant in grants:
            for name in grant.selected(known):
                found.setdefault(name, {}).setdefault(grant.registry, []).append((grant, in_force))
    idle = {(one.namespace, one.registry) for one in unused}
    cells: dict[str, dict[str, Cell]] = {name: {} for name in found}
    for name, registries in found.items():
        for registry, held in registries.items():
            cells[name][registry] = _granted(name, registry, held, heard, idle, now)
    for one in needed:
        here = cells.setdefault(one.namespace, {}).get(one.registry)
        # Where a policy masks the grant, both are true: that it is needed is what somebody has to act on.
        by = here.grants if here else ()
        cells[one.namespace][one.registry] = Cell(
            one.registry, State.NEEDED, Why.POLICY if by else Why.NOT_GRANTED, Use.USED, by, uses=one.uses
        )
    return {name: dict(sorted(cells[name].items())) for name in sorted(cells)}


def for_people(granted: Granted, name: str, *, team: bool) -> Mapping[str, Cell]:
    """Registry → cell for a user or a team on a Docker host or Swarm, sorted. A team's grants are not its members'."""
    held: dict[str, list[tuple[Grant, bool]]] = {}
    for grants, in_force in ((granted.in_force, True), (granted.masked, False)):
        for grant in grants:
            if name in (grant.subjects.teams if team else grant.subjects.users):
                held.setdefault(grant.registry, []).append((grant, in_force))
    found = {}
    for registry, grants_here in sorted(held.items()):
        counts = any(in_force for _, in_force in grants_here)
        state, why = (State.GRANTED, Why.DEPLOYMENT_TIME) if counts else (State.MASKED, Why.POLICY)
        found[registry] = Cell(registry, state, why, grants=tuple(_by(grants_here)))
    return found


def is_in(cell: Cell, wanted: str) -> bool:
    """Whether a filter for this word takes the cell: a state, or "unused", which is beside the state."""
    return cell.state == wanted or (wanted == "unused" and cell.use is Use.UNUSED)


def _granted(
    namespace: str,
    registry: str,
    held: Sequence[tuple[Grant, bool]],
    heard: Heard,
    idle: set[tuple[str, str]],
    now: datetime,
) -> Cell:
    in_force = [grant for grant, counts in held if counts]
    by = tuple(_by(held))
    if not in_force:
        return Cell(registry, State.MASKED, Why.POLICY, _use(namespace, registry, heard, idle), by)
    secret = heard.secrets.get(namespace)
    entry = _entry(secret, registry)
    wanted = max((grant.delivered.version for grant in in_force if grant.delivered is not None), default=None)
    state, why = _state(namespace, in_force, heard, secret, entry, wanted, now)
    return Cell(
        registry,
        state,
        why,
        _use(namespace, registry, heard, idle),
        by,
        entry.version if entry else None,
        wanted,
        entry.expires_at if entry else None,
        secret.conflict if secret is not None and state is State.CONFLICT else "",
    )


def _state(
    namespace: str,
    grants: Sequence[Grant],
    heard: Heard,
    secret: HeldSecret | None,
    entry: HeldEntry | None,
    wanted: int | None,
    now: datetime,
) -> tuple[State, Why]:
    modes = {grant.delivery.mode for grant in grants}
    if namespace in SYSTEM_NAMESPACES:
        return State.GRANTED, Why.SYSTEM
    if modes <= _NO_SECRET:
        return State.GRANTED, Why.NO_SECRET
    if all(grant.credential is None for grant in grants):
        return State.GRANTED, Why.NO_CREDENTIAL
    if not heard.enrolled:
        return State.UNKNOWN, Why.NO_AGENT
    if not heard.connected:
        return State.UNKNOWN, Why.SILENT
    if not heard.reported:
        return State.UNKNOWN, Why.NOT_TOLD
    if secret is not None and secret.conflict:
        return State.CONFLICT, Why.IN_THE_WAY
    if entry is None:
        if wanted is None or (secret is not None and secret.phase == "NothingToDeliver"):
            return State.GRANTED, Why.NOTHING_TO_DELIVER
        waits = modes - _NO_SECRET <= {DeliveryMode.WORKLOAD}
        return State.GRANTED, Why.WAITS_FOR_WORKLOAD if waits else Why.PENDING
    if wanted is not None and entry.version < wanted:
        return State.STALE, Why.BEHIND
    if entry.live and _ended(entry, now):
        return State.STALE, Why.ENDED
    return State.SYNCED, Why.LIVE if entry.live else Why.HOLLOW


def _ended(entry: HeldEntry, now: datetime) -> bool:
    # Both are written alike, so that their order as text is that of the times.
    return entry.expires_at is not None and entry.expires_at <= now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(secret: HeldSecret | None, registry: str) -> HeldEntry | None:
    """The newest entry of a registry: while a rotation overlaps there are two."""
    held = [] if secret is None else [one for one in secret.entries if one.registry == registry]
    return max(held, key=lambda one: one.version, default=None)


def _use(namespace: str, registry: str, heard: Heard, idle: set[tuple[str, str]]) -> Use:
    if (namespace, registry) in idle:
        return Use.UNUSED
    return Use.USED if heard.complete and namespace not in SYSTEM_NAMESPACES else Use.UNKNOWN


def _by(held: Iterable[tuple[Grant, bool]]) -> Iterator[GrantedBy]:
    for grant, in_force in held:
        selects = grant.namespaces.selector is not None
        yield GrantedBy(grant.owner, grant.delivery.mode, in_force, selects)
