"""What an agent is told, and what it asks for: the events and effects of `core.reconcile`.

Requests are numbered (`ask`); an answer carries the number of its request, so that one that nobody waits for any more
is known as such. Nothing here decides; a request says completely what is to be sent, its preconditions included.

Sources: reliability 3.3; kubernetes.md 2.4 and 3.2; RFC 6902 (JSON Patch).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from portreeve.core.credential import AuthEntry
from portreeve.core.delivery import Document
from portreeve.core.observation import (
    MANAGER,
    OWNER_LABEL,
    PULL_SECRET,
    AccountSeen,
    EntryFact,
    Kind,
    Record,
    SecretSeen,
    Seen,
)
from portreeve.core.pacing import USUAL, Limits


class Outcome(StrEnum):
    """How a request ended, by what to do about it."""

    DONE = "done"
    CONFLICT = "conflict"
    """409, or 422 of a JSON Patch test: the object is not as we knew it, or a field is somebody else's."""
    FORBIDDEN = "forbidden"
    GONE = "gone"
    """The namespace is being deleted."""
    NOT_FOUND = "not found"
    REFUSED = "refused"
    """422, or a quota, or somebody's admission webhook."""
    TOO_LARGE = "too large"
    """It was not sent: no Secret holds as much."""
    UNFIT = "unfit"
    """It was not sent: the format of a pull secret has no place for a credential of it."""
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    """There was no answer: carried out or not."""


class Phase(StrEnum):
    """Where a namespace stands, as people are told."""

    DELIVERED = "delivered"
    NOTHING = "nothing to deliver"
    """It is granted something, and there is nothing that could be delivered."""
    PENDING = "pending"
    KEPT = "kept"
    """Something older stays, as what the document brings is of no use."""
    DISAGREEING = "grants disagree"
    TAKEN = "name taken"
    """There is a Secret of our name that is not ours, or that somebody has taken over."""
    IMMUTABLE = "immutable"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    TOO_LARGE = "too large"
    UNFIT = "unfit"
    REMOVED = "removed"
    LEFT = "entry left"
    """Removed, and a ServiceAccount still names our Secret: nobody can tell whether that entry is ours."""


class Verdict(StrEnum):
    """What became of a document."""

    APPLIED = "applied"
    OLDER = "older"
    DIFFERS = "differs"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Status:
    """What is told of a namespace. `accounts` are those that could not be given our entry, sorted."""

    namespace: str
    phase: Phase
    secret_uid: str = ""
    entries: tuple[EntryFact, ...] = ()
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """What is stored: the last document as it was received, and namespace → record."""

    document: Document | None = None
    records: Mapping[str, Record] = field(default_factory=dict)


# -- events


@dataclass(frozen=True, slots=True)
class Restarted:
    """The program begins, with what was stored."""

    saved: Saved
    limits: Limits = USUAL


@dataclass(frozen=True, slots=True)
class DesiredReceived:
    """A verified document; its order is not."""

    document: Document


@dataclass(frozen=True, slots=True)
class DocumentPersisted:
    """Answer to PersistDocument."""

    generation: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything of one kind, in place of all that was known of it."""

    kind: Kind
    items: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A watch says that an object is there, and how."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class Deleted:
    """A watch says that an object is gone. `name` is that of the namespace for a Namespace and our Secret."""

    kind: Kind
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended. `account` is "" for the Secret; `seen` is the object after it, where there is one."""

    ask: int
    namespace: str
    account: str
    outcome: Outcome
    at: float
    chance: float
    seen: SecretSeen | AccountSeen | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `now` is UTC and aware, `at` monotonic seconds; `chance` is in [0, 1)."""

    now: datetime
    at: float
    chance: float = 0.5


Event = Restarted | DesiredReceived | DocumentPersisted | Listed | Changed | Deleted | Answer | Tick


# -- effects


@dataclass(frozen=True, slots=True)
class PersistDocument:
    """Store the document as it was received; answered by DocumentPersisted."""

    document: Document


@dataclass(frozen=True, slots=True)
class PersistRecord:
    """Store what is ours in a namespace; None when nothing is."""

    namespace: str
    record: Record | None


@dataclass(frozen=True, slots=True)
class ReadSecret:
    """Get our Secret from the API server itself, not from a cache."""

    namespace: str
    ask: int = 0


@dataclass(frozen=True, slots=True)
class ApplySecret:
    """Server-side apply, not forced, of the whole Secret with these labels.

    `uid` and `resource_version` are preconditions, and "" when it is to be created.
    """

    namespace: str
    uid: str
    resource_version: str
    entries: tuple[AuthEntry, ...]
    labels: tuple[tuple[str, str], ...] = (OWNER_LABEL,)
    ask: int = 0


@dataclass(frozen=True, slots=True)
class DeleteSecret:
    """Delete, with both as preconditions."""

    namespace: str
    uid: str
    resource_version: str
    ask: int = 0


@dataclass(frozen=True, slots=True)
class ReadServiceAccount:
    """Get a ServiceAccount from the API server itself."""

    namespace: str
    name: str
    ask: int = 0


_HOLDING: Final = {
    "manager": MANAGER,
    "operation": "Update",
    "apiVersion": "v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:imagePullSecrets": {}},
}
"""Managed fields that say that we hold the list, and nothing else."""


@dataclass(frozen=True, slots=True)
class PatchServiceAccount:
    """Add or remove our entry. `pull_secrets` are those that were seen at `resource_version`, as `tracked` was."""

    namespace: str
    name: str
    attach: bool
    resource_version: str
    pull_secrets: tuple[str, ...]
    tracked: bool = True
    ask: int = 0

    def operations(self) -> list[dict[str, Any]]:
        """The JSON Patch (RFC 6902). The list is atomic in server-side apply, so that any other way loses entries."""
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": self.resource_version}
        if self.attach:
            # Where the server records no managers it begins to with those that it is given: else nothing shows whose
            # the entry is. They are never put over those that it has recorded itself.
            begun = [] if self.tracked else [{"op": "add", "path": "/metadata/managedFields", "value": [_HOLDING]}]
            if self.pull_secrets:
                # Versions are used again after etcd was restored: the list itself has to be as it was seen, too.
                names = [{"name": name} for name in self.pull_secrets]
                same = {"op": "test", "path": "/imagePullSecrets", "value": names}
                ours = {"op": "add", "path": "/imagePullSecrets/-", "value": {"name": PULL_SECRET}}
                return [test, same, ours, *begun]
            return [test, {"op": "add", "path": "/imagePullSecrets", "value": [{"name": PULL_SECRET}]}, *begun]
        at = f"/imagePullSecrets/{self.pull_secrets.index(PULL_SECRET)}"
        ours = {"op": "test", "path": f"{at}/name", "value": PULL_SECRET}
        return [test, ours, {"op": "remove", "path": at}]


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the control plane how a namespace stands."""

    status: Status


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """Tell the control plane what became of a document."""

    generation: int
    hash: str
    verdict: Verdict


Request = ReadSecret | ApplySecret | DeleteSecret | ReadServiceAccount | PatchServiceAccount
Effect = Request | PersistDocument | PersistRecord | Report | ReportDocument
