"""What the enforcing half of an agent is told, and what it asks for: the events and effects of `core.enforcement`.

Requests are numbered (`ask`); an answer carries the number of its request, so that one that nobody waits for any more
is known as such. A request says completely what is to be done. Nothing here decides.

Sources: mission, "Enforcement states"; interfaces.md 1.3, reasons; the design's documents, "The agent channel".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from portreeve.core.admission_objects import Said, Seen
from portreeve.core.agent_messages import Outcome
from portreeve.core.enforcement_probes import Scope
from portreeve.core.policy import Stage
from portreeve.core.render import Manifest
from portreeve.core.sources import ResolvedSources


class Enforcement(StrEnum):
    """How a policy stands in a cluster."""

    OFF = "Off"
    AUDITING = "Auditing"
    WARNING = "Warning"
    ENFORCED = "Enforced"
    GAP = "Gap"
    """It is known that what should hold does not."""
    UNKNOWN = "Unknown"
    """There is no proof. Never shown as good."""


class Reason(StrEnum):
    """Why; each belongs to one state."""

    POLICY_OFF = "PolicyOff"
    POLICY_AUDITING = "PolicyAuditing"
    POLICY_WARNING = "PolicyWarning"
    POLICY_ENFORCED = "PolicyEnforced"
    NAME_TAKEN = "NameTaken"
    """An object of our name is somebody else's; it is left alone."""
    DRIFTED = "Drifted"
    """Somebody has changed or deleted what was as wanted."""
    NOT_APPLIED = "NotApplied"
    """The cluster does not take what is wanted."""
    ENGINE_MISSING = "EngineMissing"
    """The cluster is new enough, and does not serve the kind."""
    BYPASS_DETECTED = "BypassDetected"
    """All objects are as wanted, and a pod that must be refused, or warned of, is not."""
    OVER_BLOCKING = "OverBlocking"
    """A pod that must not be refused is refused, by us."""
    OUTDATED = "Outdated"
    """The cluster goes on judging by an earlier generation."""
    VERSION_TOO_OLD = "VersionTooOld"
    RENDER_DIFFERS = "RenderDiffers"
    """This agent renders other objects than the control plane; nothing is applied."""
    NOT_RENDERED = "NotRendered"
    """The control plane says of no objects that they are the policy; nothing is applied."""
    PROBE_PENDING = "ProbePending"
    """Something has changed, and the proof is under way."""
    PROBE_FAILED = "ProbeFailed"
    """No dry run came to an answer that says anything."""
    UNREACHABLE = "Unreachable"
    """The API server does not say what it holds."""
    NO_DOCUMENT = "NoDocument"
    REMOVING = "Removing"


STATES: Final[Mapping[Reason, Enforcement]] = {
    Reason.POLICY_OFF: Enforcement.OFF,
    Reason.POLICY_AUDITING: Enforcement.AUDITING,
    Reason.POLICY_WARNING: Enforcement.WARNING,
    Reason.POLICY_ENFORCED: Enforcement.ENFORCED,
    Reason.NAME_TAKEN: Enforcement.GAP,
    Reason.DRIFTED: Enforcement.GAP,
    Reason.NOT_APPLIED: Enforcement.GAP,
    Reason.ENGINE_MISSING: Enforcement.GAP,
    Reason.BYPASS_DETECTED: Enforcement.GAP,
    Reason.OVER_BLOCKING: Enforcement.GAP,
    Reason.OUTDATED: Enforcement.GAP,
    Reason.VERSION_TOO_OLD: Enforcement.UNKNOWN,
    Reason.RENDER_DIFFERS: Enforcement.UNKNOWN,
    Reason.NOT_RENDERED: Enforcement.UNKNOWN,
    Reason.PROBE_PENDING: Enforcement.UNKNOWN,
    Reason.PROBE_FAILED: Enforcement.UNKNOWN,
    Reason.UNREACHABLE: Enforcement.UNKNOWN,
    Reason.NO_DOCUMENT: Enforcement.UNKNOWN,
    Reason.REMOVING: Enforcement.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What is told of the policy. `generation` is that of the document; `since` is UTC and aware."""

    reason: Reason
    message: str
    generation: int
    since: datetime

    @property
    def state(self) -> Enforcement:
        """In one of six words."""
        return STATES[self.reason]

    def document(self) -> dict[str, Any]:
        """In the form of the channel. `status` is True for a policy that is proved to refuse, and for nothing else."""
        status = {Enforcement.ENFORCED: "True", Enforcement.UNKNOWN: "Unknown"}.get(self.state, "False")
        return {
            "type": "Enforced",
            "status": status,
            "reason": str(self.reason),
            "message": self.message,
            "observedGeneration": self.generation,
            "lastTransitionTime": self.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document says of the policy.

    Args:
        generation: of the document.
        manifests: the objects in the order in which they are applied; empty: there is to be none; None: they cannot
            be told, `fault` says why.
        policy_generation: of the policy itself, as its objects name it.
        not_after: UTC, aware; from then on nothing is changed any more.
    """

    generation: int
    stage: Stage = Stage.OFF
    manifests: tuple[Manifest, ...] | None = ()
    fault: Reason | None = None
    policy: str = ""
    policy_generation: int = 0
    sources: ResolvedSources | None = None
    not_after: datetime | None = None

    def manifest(self, name: str) -> Manifest | None:
        """The object of this name, if there is to be one."""
        return next((one for one in self.manifests or () if one["metadata"]["name"] == name), None)

    def ended(self, now: datetime) -> bool:
        """Whether the document has lost its force."""
        return self.not_after is not None and now >= self.not_after


# -- events


@dataclass(frozen=True, slots=True)
class Restarted:
    """The program begins. `records`: name → UID of what we have made, as it was stored."""

    records: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentInForce:
    """A document that is believed and stored."""

    wanted: Wanted


@dataclass(frozen=True, slots=True)
class NamespacesSeen:
    """The namespaces that exist."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Observed:
    """A list or a watch shows an object."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class Vanished:
    """A list or a watch shows that there is none; `uid` is that of the one which was there, "" after a list."""

    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A watch shows nothing of the object at present."""

    name: str


@dataclass(frozen=True, slots=True)
class ObjectAnswer:
    """How a request about an object ended. `seen` is the object after it; None with DONE: there is none.

    `written` tells whether it took a write.
    """

    ask: int
    name: str
    outcome: Outcome
    at: float
    chance: float
    seen: Seen | None = None
    written: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What the server said to both pods; None where it was not asked, or said nothing."""

    ask: int
    outcome: Outcome
    at: float
    chance: float
    refused: Said | None = None
    allowed: Said | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """The server's version, as it tells it."""

    ask: int
    outcome: Outcome
    at: float
    chance: float
    version: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `now` is UTC and aware, `at` monotonic seconds; `chance` is in [0, 1)."""

    now: datetime
    at: float
    chance: float = 0.5


Event = (
    Restarted
    | DocumentInForce
    | NamespacesSeen
    | Observed
    | Vanished
    | Unseen
    | ObjectAnswer
    | ProbeAnswer
    | VersionAnswer
    | Tick
)

# -- effects


@dataclass(frozen=True, slots=True)
class PersistRecords:
    """Store what is ours, name → UID, before anything that follows is carried out."""

    records: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """Ask the server for its version."""

    ask: int = 0


@dataclass(frozen=True, slots=True)
class ReadObject:
    """Get one of our objects from the API server itself, not from a cache."""

    name: str
    ask: int = 0


@dataclass(frozen=True, slots=True)
class ApplyObject:
    """Have the cluster hold this; of an object that is there only the one of `uid` is changed."""

    manifest: Manifest
    uid: str
    ask: int = 0

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.manifest["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class RemoveObject:
    """Delete the object of this UID, and no other."""

    name: str
    uid: str
    ask: int = 0


@dataclass(frozen=True, slots=True)
class ProbeScope:
    """Send one pod that must be refused, and one that must not be, as dry runs."""

    scope: Scope
    ask: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the control plane how the policy stands."""

    condition: Condition


ObjectRequest = ReadObject | ApplyObject | RemoveObject
Request = ObjectRequest | ProbeScope | ReadVersion
Effect = Request | PersistRecords | Report
