"""What an agent does next on its channel, as a step function: ask, renew, keep and use a document, wait.

Theory of operation
-------------------
An agent asks for the generation behind the one that it has, and the answer comes when there is one. What comes is
believed only if it is signed with the key pinned at the enrolment, is for this environment, has not ended, and is newer
than everything that was ever believed; the one right behind ours must follow on ours. So a recorded document, a
document of another cluster and a second history each change nothing, whoever sends them (threat AG-04, invariant I4).
What is refused is told and asked for again, while the last good document goes on to count.

A document is kept before it is used: `Keep` stands before `Use`, and whoever carries out effects stops at the first
that fails. A restart then knows at least the generation of everything that was ever acted on.

The certificate is renewed at half of its life. A renewal that fails is tried again beside the questions, which go on as
long as the certificate lasts. Pauses have decorrelated jitter, so that a thousand agents whose control plane comes back
do not come back together (fault F-49).

Left out: sockets, files, keys and time; whether a signature is right is told by whoever holds the key.

Source: the design's documents, "The agent channel"; M. Brooker, "Exponential Backoff And Jitter" (decorrelated).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

BASE_S: Final = 1.0
"""The shortest pause."""
FIRST_S: Final = 5.0
"""What the first pause is made of: it lies between `BASE_S` and three times this, which spreads a thousand agents."""
CAP_S: Final = 60.0
"""The longest pause: a control plane that is back is found within a minute."""
SHUT_OUT_S: Final = 300.0
"""The longest pause of an agent that is refused: only a person can change that."""
RENEW_AT: Final = 0.5
"""Of a certificate's life. Source: SPIFFE, "SPIRE Agent": SVIDs are rotated at half of their life."""
RENEW_AGAIN: Final = timedelta(minutes=10)
"""Between attempts to renew: half a life of twelve hours has room for seventy of them."""


@dataclass(frozen=True, slots=True)
class Document:
    """A desired state that has come. `digest` is over the bytes that are signed; `signed`: by the pinned key."""

    environment: str
    generation: int
    hash: str
    previous_hash: str
    not_after: datetime
    digest: bytes
    signed: bool


@dataclass(frozen=True, slots=True)
class Known:
    """The last document that was believed."""

    generation: int = 0
    hash: str = ""
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class State:
    """What an agent knows of its channel. `begins` and `ends` are those of its certificate."""

    environment: str
    begins: datetime
    ends: datetime
    known: Known = Known()
    pause_s: float = 0.0
    renew_not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """The agent has started, or a pause is over."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Came:
    """A document has come. `chance` is a random number from 0 to below 1."""

    document: Document
    now: datetime
    chance: float


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The answer was that there is nothing newer."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """There was no answer, or one that says to come again; or what was to be kept could not be."""

    now: datetime
    chance: float
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ShutOut:
    """The control plane does not take us for an agent."""

    now: datetime
    chance: float


@dataclass(frozen=True, slots=True)
class Renewed:
    """There is a new certificate, and it is kept."""

    begins: datetime
    ends: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class NotRenewed:
    """There is none."""

    now: datetime
    chance: float


Event = Began | Came | Unchanged | Failed | ShutOut | Renewed | NotRenewed


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for what is behind this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask for the next certificate."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Write the document that came to disk."""


@dataclass(frozen=True, slots=True)
class Use:
    """Hand the document that came to whoever acts on it."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Say why: a code of docs/errors.md, "" for all is well."""

    code: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long; then comes `Began`."""

    seconds: float


Effect = Ask | Renew | Keep | Use | Tell | Wait


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """What follows; effects are carried out in their order, up to the first that fails."""
    match event:
        case Began(now) | Unchanged(now):
            if isinstance(event, Unchanged):
                state = replace(state, pause_s=0.0)
            return _onwards(state, now)
        case Came(document, now, chance):
            return _came(state, document, now, chance)
        case Renewed(begins, ends, now):
            return _onwards(replace(state, begins=begins, ends=ends, renew_not_before=None, pause_s=0.0), now)
        case NotRenewed(now, chance):
            later = replace(state, renew_not_before=now + RENEW_AGAIN * (0.5 + chance))
            # Who has nothing left to ask with can only try again, and sooner.
            return _onwards(later, now) if now < state.ends else _paused(state, chance, CAP_S)
        case Failed(_, chance, retry_after_s):
            return _paused(state, chance, CAP_S, retry_after_s)
        case ShutOut(_, chance):
            state, effects = _paused(state, chance, SHUT_OUT_S)
            return state, (Tell("agent_refused"), *effects)


def refusal(state: State, document: Document, now: datetime) -> str:
    """Why a document is not believed: a code, or "" if it is. The same one once more changes nothing."""
    known = state.known
    if not document.signed:
        return "document_unsigned"
    if document.environment != state.environment:
        return "document_elsewhere"
    if document.generation < known.generation:
        return "document_older"
    if document.generation == known.generation:
        return "" if document.digest == known.digest else "document_altered"
    if document.not_after <= now:
        return "document_expired"
    if known.generation and document.generation == known.generation + 1 and document.previous_hash != known.hash:
        return "document_altered"
    return ""


def known_of(document: Document) -> Known:
    """What is remembered of a document that is believed."""
    return Known(document.generation, document.hash, document.digest)


def renewal_due(state: State, now: datetime) -> bool:
    """Whether the certificate should be renewed now."""
    if state.renew_not_before is not None and now < min(state.renew_not_before, state.ends):
        return False
    return now >= state.begins + (state.ends - state.begins) * RENEW_AT


def _came(state: State, document: Document, now: datetime, chance: float) -> tuple[State, tuple[Effect, ...]]:
    code = refusal(state, document, now)
    if code:
        state, effects = _paused(state, chance, CAP_S)
        return state, (Tell(code), *effects)
    if document.generation == state.known.generation:
        return _onwards(replace(state, pause_s=0.0), now)
    state, effects = _onwards(replace(state, known=known_of(document), pause_s=0.0), now)
    return state, (Keep(), Use(), Tell(""), *effects)


def _onwards(state: State, now: datetime) -> tuple[State, tuple[Effect, ...]]:
    return state, (Renew() if renewal_due(state, now) else Ask(state.known.generation),)


def _paused(state: State, chance: float, cap_s: float, least_s: float = 0.0) -> tuple[State, tuple[Effect, ...]]:
    widest = 3 * (state.pause_s or FIRST_S)
    pause_s = min(cap_s, BASE_S + chance * (widest - BASE_S))
    # Whoever is told a time comes behind it, and not all at that time.
    return replace(state, pause_s=pause_s), (Wait(min(least_s, cap_s) + pause_s),)
