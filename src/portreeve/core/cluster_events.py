"""What is said to developers in their own cluster, as Events on their own objects: which, how often, in which words.

Theory of operation. What holds now comes in as facts, all of them, again and again; what is to be written comes out. A
fact that was said is said again after `REPEAT`, with how often, as Events end after an hour. One that comes back within
it is not news. In an hour there are `MOST_PER_HOUR` Events, and `MOST_PER_NAMESPACE` of one namespace, so that a
namespace full of violations neither fills etcd nor keeps others from hearing anything; what finds no room comes later.
Nothing is kept over a restart: then each fact is said once more.

A note is one sentence without a secret and without control characters, below the API's limit of 1,024 bytes.

Left out: writing. Sources: Kubernetes, events.k8s.io/v1 (validation: pkg/apis/core/validation/events.go); the design's
interfaces, "CRDs".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from portreeve.core.agent_messages import Phase
from portreeve.core.observation import PULL_SECRET, EntryFact
from portreeve.core.policy import Stage
from portreeve.core.reference import shown
from portreeve.core.verdict import ImageVerdict

REPEAT: Final = timedelta(hours=6)
EXPIRING: Final = timedelta(hours=2)
"""What is left of a delivered credential when people are told. Tokens of twelve hours are renewed at half of their life
and so never come to this unless renewing fails."""

MOST_PER_HOUR: Final = 240
MOST_PER_NAMESPACE: Final = 20
MOST_AT_ONCE: Final = 10
MOST_HELD: Final = 10_000
"""Facts that are known to have been said; the oldest are forgotten, and said again, if there are more."""

NOTE_CHARACTERS: Final = 900
_HOUR: Final = timedelta(hours=1)


class Reason(StrEnum):
    """Why, as a reason of the API. Their order is that in which they are said."""

    PULL_SECRET_CONFLICT = "PullSecretConflict"  # noqa: S105 -- the name of a reason
    PULL_CREDENTIAL_EXPIRING = "PullCredentialExpiring"
    PULL_SECRET_ATTACHED = "PullSecretAttached"  # noqa: S105 -- the name of a reason
    IMAGE_NOT_ALLOWED = "ImageNotAllowed"

    @property
    def warning(self) -> bool:
        """Whether something is wrong."""
        return self is not Reason.PULL_SECRET_ATTACHED


ACTIONS: Final[Mapping[Reason, str]] = {
    Reason.PULL_SECRET_CONFLICT: "Deliver",
    Reason.PULL_CREDENTIAL_EXPIRING: "Deliver",
    Reason.PULL_SECRET_ATTACHED: "Attach",
    Reason.IMAGE_NOT_ALLOWED: "Judge",
}
"""What was done when it was seen; the API wants a word."""

_ORDER: Final = {reason: place for place, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """The object that an Event is about."""

    namespace: str
    kind: str
    name: str
    uid: str
    api_version: str = "v1"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that holds. The note belongs to what it is: another sentence is another fact."""

    reason: Reason
    subject: Subject
    note: str


@dataclass(frozen=True, slots=True)
class Event:
    """One to be written now. `count` is how often this was said, this time included."""

    fact: Fact
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class _Said:
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class State:
    """What was said, and how much in this hour, which began at `hour`."""

    said: Mapping[Fact, _Said] = field(default_factory=lambda: MappingProxyType({}))
    hour: datetime | None = None
    written: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


def due(state: State, facts: Iterable[Fact], now: datetime) -> tuple[Event, ...]:
    """What is to be written now, the most urgent first. `now` is UTC and aware."""
    written = dict(_written(state, now))
    room = min(MOST_AT_ONCE, MOST_PER_HOUR - sum(written.values()))
    found: list[Event] = []
    for fact in sorted(set(facts), key=lambda one: (_ORDER[one.reason], one.subject, one.note)):
        if len(found) >= room:
            break
        namespace, said = fact.subject.namespace, state.said.get(fact)
        if written.get(namespace, 0) >= MOST_PER_NAMESPACE or (said is not None and _fresh(said, now)):
            continue
        written[namespace] = written.get(namespace, 0) + 1
        found.append(Event(fact, now, 1 if said is None else said.count + 1))
    return tuple(found)


def said(state: State, event: Event) -> State:
    """After one was written, or was refused for good."""
    now, namespace = event.at, event.fact.subject.namespace
    written = _written(state, now)
    hour = state.hour if written is state.written and state.hour is not None else now
    held = {fact: one for fact, one in state.said.items() if fact != event.fact}
    # In the order in which they were said, so the first is the oldest.
    held[event.fact] = _Said(now, event.count)
    for oldest in list(held)[: max(0, len(held) - MOST_HELD)]:
        del held[oldest]
    return replace(state, said=held, hour=hour, written={**written, namespace: written.get(namespace, 0) + 1})


def _fresh(one: _Said, now: datetime) -> bool:
    """Whether it was said lately. What was said in the future was said before somebody set the clock."""
    return one.at <= now < one.at + REPEAT


def _written(state: State, now: datetime) -> Mapping[str, int]:
    """Namespace → Events of this hour; a new hour begins with none."""
    within = state.hour is not None and state.hour <= now < state.hour + _HOUR
    return state.written if within else {}


# -- facts


def image_not_allowed(subject: Subject, denied: Sequence[ImageVerdict], policy: str, stage: Stage) -> Fact:
    """A workload has images that the policy refuses where it denies."""
    first = denied[0]
    more = f" (and {len(denied) - 1} more)" if len(denied) > 1 else ""
    does = {
        Stage.DENY: "new pods of it are refused",
        Stage.WARN: "new pods of it are warned of, and refused once the policy denies",
    }.get(stage, "new pods of it are refused once the policy denies")
    nearest = f"; allowed on this host: {first.nearest.prefix}" if first.nearest else ""
    why = shown(first.reasons[0].message, 200)
    note = f"Image {shown(first.image, 300)}{more} is not allowed by policy {policy} ({why}): {does}{nearest}."
    return _fact(Reason.IMAGE_NOT_ALLOWED, subject, note)


def pull_secret_attached(subject: Subject) -> Fact:
    """A ServiceAccount names our pull secret now."""
    note = (
        f"New pods of this ServiceAccount pull with the secret {PULL_SECRET}; pods that run keep what they were given."
    )
    return _fact(Reason.PULL_SECRET_ATTACHED, subject, note)


def pull_credential_expiring(subject: Subject, entries: Iterable[EntryFact], now: datetime) -> Fact | None:
    """A delivered credential is about to end and no newer one has come; None where none is."""
    ends = {
        one.key: at
        for one in entries
        if one.live and (at := one.credential.expires_at) is not None and now < at <= now + EXPIRING
    }
    if not ends:
        return None
    key = min(ends, key=lambda one: (ends[one], one))
    more = f" (and {len(ends) - 1} more)" if len(ends) > 1 else ""
    note = (
        f"The credential for {shown(key, 300)}{more} ends at {ends[key]:%Y-%m-%dT%H:%M:%SZ} and no newer one has come: "
        "after that new pods cannot pull with it."
    )
    return _fact(Reason.PULL_CREDENTIAL_EXPIRING, subject, note)


_CONFLICTS: Final = {
    Phase.TAKEN: f"This Secret is not one of portreeve's, so it is left alone and nothing is delivered: rename it, as "
    f"{PULL_SECRET} is the name that grants are delivered under.",
    Phase.IMMUTABLE: "Somebody has made this Secret immutable, so it cannot be kept up to date: delete it, and it is "
    "made anew.",
}


def pull_secret_conflict(subject: Subject, phase: Phase) -> Fact | None:
    """The name of the pull secret is taken, or it cannot be changed; None for whatever else a phase says."""
    note = _CONFLICTS.get(phase)
    return None if note is None else _fact(Reason.PULL_SECRET_CONFLICT, subject, note)


def _fact(reason: Reason, subject: Subject, note: str) -> Fact:
    # What may hold somebody's words was escaped above; this is for what was not meant to be long.
    return Fact(reason, subject, note if len(note) <= NOTE_CHARACTERS else note[: NOTE_CHARACTERS - 1] + "…")
