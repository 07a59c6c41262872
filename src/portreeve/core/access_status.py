"""What a custom resource is told of the registry that its namespace asks for: its status, for people and for `kubectl`.

Theory of operation
-------------------
`status` takes one request with the status that it has, the document in force, what is delivered in the namespace, and
the time. It answers the whole status, or None where nothing can be said yet: an agent that has begun anew says nothing
of a namespace before it has looked there. What has not changed is answered as it was, times included, so that whoever
compares writes nothing at rest.

Three conditions, as `kubectl wait` and kstatus read them. Ready: images can be pulled. Reconciling: not there yet, and
it comes by itself, or once somebody has decided. Stalled: it stays so until somebody does something.
The reasons are public.

A grant counts before a refusal: documents say what is granted, and they may say so in spite of it. `lastRefreshTime` is
when this agent first saw the version; it is kept in the status itself, as nothing else of a request is stored here.

*Expiring* is less than a quarter of the life that is known of, and at most seven days: what is renewed in time at half
of its life, as minted tokens are, never gets there.

Left out: writing it, Events, and whether the registry answers.

Sources: Kubernetes API conventions, "Typical status properties"; kubernetes-sigs/cli-utils, kstatus; the design's
interfaces, "CRDs" (conditions and reasons).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from portreeve.core.access_requests import AccessRequest, Refusal
from portreeve.core.agent_messages import Phase
from portreeve.core.cluster import SYSTEM_NAMESPACES, NamespaceSelection
from portreeve.core.credential import CredentialRef
from portreeve.core.observation import PULL_SECRET, EntryFact

EXPIRING_AT_MOST: Final = timedelta(days=7)


class State(StrEnum):
    """Where a request stands."""

    REQUESTED = "Requested"
    GRANTED = "Granted"
    REFUSED = "Refused"
    EXPIRED = "Expired"


class Reason(StrEnum):
    """Why a condition is as it is; public, and documented in docs/howto/requests.md."""

    REQUESTED = "Requested"
    """Nobody has decided yet."""
    REFUSED = "Refused"
    TOO_MANY = "TooManyRequests"
    """The namespace asks for more than is told to the control plane."""
    DELIVERING = "Delivering"
    """Granted, and not in the namespace yet."""
    NOTHING = "NothingToDeliver"
    """Granted, and the control plane has no credential to deliver now."""
    SYNCED = "SecretSynced"
    NO_SECRET = "NoSecretNeeded"  # noqa: S105 -- a word of the API
    """Granted to everybody who can reach it, or to nodes or workloads themselves."""
    CONFLICT = "SecretConflict"
    EXPIRING = "CredentialsExpiring"
    EXPIRED = "CredentialsExpired"


_CONFLICTS: Final[Mapping[Phase, str]] = {
    Phase.TAKEN: f"there is a Secret {PULL_SECRET} in this namespace that is not Portreeve's: rename or delete it",
    Phase.IMMUTABLE: f"somebody has made the Secret {PULL_SECRET} immutable: delete it, and it is made anew",
    Phase.DISAGREEING: "two grants bring different credentials for the same key: whoever grants them has to decide",
    Phase.FORBIDDEN: "the agent's role does not allow it to write the Secret",
    Phase.REFUSED: "the API server refuses the Secret: a quota, or somebody's admission webhook",
}


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """A grant as the document in force has it. `credential` None: nothing is stored for it."""

    owner: str
    registry: str
    keys: tuple[str, ...]
    namespaces: NamespaceSelection
    brings_secret: bool = True
    credential: CredentialRef | None = None


@dataclass(frozen=True)
class Decisions:
    """What the document in force says: its grants, in its order, and what was refused."""

    grants: tuple[AccessGrant, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def granting(self, namespace: str, registry: str, labels: Mapping[str, str]) -> tuple[AccessGrant, ...]:
        """The grants of a registry in a namespace; system namespaces are granted nothing."""
        if namespace in SYSTEM_NAMESPACES:
            return ()
        return tuple(one for one in self._by_registry.get(registry, ()) if one.namespaces.selects(namespace, labels))

    def refusing(self, request: AccessRequest) -> Refusal | None:
        """The refusal of a request as it is now."""
        found = self._by_name.get((request.namespace, request.name))
        return found if found is not None and found.about(request) else None

    @cached_property
    def _by_registry(self) -> Mapping[str, list[AccessGrant]]:
        found: dict[str, list[AccessGrant]] = {}
        for one in self.grants:
            found.setdefault(one.registry, []).append(one)
        return found

    @cached_property
    def _by_name(self) -> Mapping[tuple[str, str], Refusal]:
        return {(one.namespace, one.name): one for one in self.refusals}


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace as it is seen. `phase` None: it was not looked at since this agent has begun."""

    labels: Mapping[str, str] = field(default_factory=dict)
    phase: Phase | None = None
    entries: tuple[EntryFact, ...] = ()


@dataclass(frozen=True, slots=True)
class _Finding:
    state: State
    reason: Reason
    message: str
    ready: bool = False
    stalled: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)


def status(
    request: AccessRequest,
    before: Mapping[str, Any],
    decisions: Decisions,
    place: Place,
    now: datetime,
    *,
    is_told: bool = True,
) -> dict[str, Any] | None:
    """The status of a request, with `before` as what it is now; None while nothing can be said.

    Args:
        now: UTC, aware.
        is_told: whether the control plane hears of it.
    """
    found = _found(request, before, decisions, place, now, is_told=is_told)
    if found is None:
        return None
    moving = not found.ready and not found.stalled
    held = {one.get("type"): one for one in before.get("conditions", ()) if isinstance(one, Mapping)}
    said = {"Ready": found.ready, "Reconciling": moving, "Stalled": found.stalled}
    return {
        "observedGeneration": request.generation,
        "state": str(found.state),
        "conditions": [_condition(kind, holds, found, held, request, now) for kind, holds in said.items()],
        **found.fields,
    }


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two statuses say the same, whatever order their conditions are in."""
    return _sorted(one) == _sorted(other)


def ready_reason(said: Mapping[str, Any]) -> tuple[str, str]:
    """Reason and message of the condition Ready; empty where there is none."""
    for one in said.get("conditions", ()):
        if one.get("type") == "Ready":
            return str(one.get("reason", "")), str(one.get("message", ""))
    return "", ""


def _sorted(said: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, "conditions": sorted(said.get("conditions", ()), key=lambda one: str(one.get("type")))}


def _condition(
    kind: str, holds: bool, found: _Finding, held: Mapping[Any, Any], request: AccessRequest, now: datetime
) -> dict[str, Any]:
    text, before = str(holds), held.get(kind, {})
    since = before.get("lastTransitionTime") if before.get("status") == text else None
    return {
        "type": kind,
        "status": text,
        "reason": str(found.reason),
        "message": found.message,
        "lastTransitionTime": since or _text(now),
        "observedGeneration": request.generation,
    }


def _found(
    request: AccessRequest,
    before: Mapping[str, Any],
    decisions: Decisions,
    place: Place,
    now: datetime,
    *,
    is_told: bool,
) -> _Finding | None:
    grants = decisions.granting(request.namespace, request.registry, place.labels)
    if grants:
        return _granted(grants, before, place, now)
    refusal = decisions.refusing(request)
    if refusal is not None:
        why = refusal.why or "no reason is given"
        return _Finding(State.REFUSED, Reason.REFUSED, f"refused: {why}", stalled=True)
    if not is_told:
        message = "this namespace asks for too much at once: delete requests that are not needed"
        return _Finding(State.REQUESTED, Reason.TOO_MANY, message, stalled=True)
    message = f"waits for somebody to grant {request.registry} to this namespace"
    return _Finding(State.REQUESTED, Reason.REQUESTED, message)


def _granted(
    grants: tuple[AccessGrant, ...], before: Mapping[str, Any], place: Place, now: datetime
) -> _Finding | None:
    keys = tuple(dict.fromkeys(key for grant in grants for key in grant.keys))
    shown: dict[str, Any] = {"keys": list(keys), "grantedBy": grants[0].owner}
    bringing = [grant for grant in grants if grant.brings_secret and grant.credential is not None]
    if not bringing:
        if any(grant.brings_secret for grant in grants):
            message = "granted; the control plane has no credential for it, so that images are pulled without one"
        else:
            message = "granted; nodes or workloads sign in themselves, so that there is no Secret"
        return _Finding(State.GRANTED, Reason.NO_SECRET, message, ready=True, fields=shown)
    if place.phase is None:
        return None
    if place.phase in _CONFLICTS:
        return _Finding(State.GRANTED, Reason.CONFLICT, _CONFLICTS[place.phase], stalled=True, fields=shown)
    # While a rotation overlaps there are two versions: the newer one is what is told of.
    held = sorted((fact for fact in place.entries if fact.key in keys), key=lambda fact: fact.credential.version)
    entry = held[-1] if held else None
    if entry is None:
        if place.phase is Phase.NOTHING:
            message = "granted; the control plane has no usable credential to deliver now"
            return _Finding(State.GRANTED, Reason.NOTHING, message, fields=shown)
        return _Finding(State.GRANTED, Reason.DELIVERING, "granted; it is being delivered", fields=shown)
    return _delivered(entry, before, shown | {"secretName": PULL_SECRET}, now)


def _delivered(entry: EntryFact, before: Mapping[str, Any], shown: Mapping[str, Any], now: datetime) -> _Finding:
    if not entry.live:
        message = f"granted; {PULL_SECRET} gets the credential as soon as a pod needs it"
        return _Finding(State.GRANTED, Reason.SYNCED, message, ready=True, fields=shown)
    credential = {"id": entry.credential.id, "version": entry.credential.version}
    refreshed = before.get("lastRefreshTime") if before.get("credential") == credential else None
    refreshed = refreshed or _text(now)
    fields = {**shown, "credential": credential, "lastRefreshTime": refreshed}
    ends = entry.credential.expires_at
    if ends is None:
        return _Finding(State.GRANTED, Reason.SYNCED, f"delivered as {PULL_SECRET}", ready=True, fields=fields)
    fields["expiresAt"] = _text(ends)
    if now >= ends:
        message = f"the delivered credential has ended at {_text(ends)}, and there is no newer one"
        return _Finding(State.EXPIRED, Reason.EXPIRED, message, stalled=True, fields=fields)
    if now >= ends - min(EXPIRING_AT_MOST, (ends - (_read(refreshed) or now)) / 4):
        message = f"the delivered credential ends at {_text(ends)}: it has to be rotated"
        return _Finding(State.GRANTED, Reason.EXPIRING, message, ready=True, fields=fields)
    message = f"delivered as {PULL_SECRET}, until {_text(ends)}"
    return _Finding(State.GRANTED, Reason.SYNCED, message, ready=True, fields=fields)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
