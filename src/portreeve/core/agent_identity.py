"""Whether the certificate that somebody shows is the present one of an environment's agent, decided over values.

Theory of operation
-------------------
Each certificate carries a counter. A renewal asks with the present one for the next, for another key; the next one is
pending until it is shown for the first time, and only then the one before counts no more. So an agent that dies
half-way through a renewal comes back with either of them, and asks again with the key that it had written down: nobody
is locked out by a crash.

Whoever copied an agent's files has the same certificate and can do the same. But one of the two renews first: the
other then asks for the next certificate with a key of its own while one is pending, or shows one that has been
replaced. Either way two hold one identity. It cannot be told who is the thief, so both are suspended, and a person
enrols anew (threat AG-02, invariant I9). What was on its way when the next certificate was first shown is forgiven for
`ON_ITS_WAY`; what belongs to an earlier enrolment is refused and suspends nobody.

Left out: reading certificates, time and storage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

ON_ITS_WAY: Final = timedelta(seconds=60)
"""How long after a renewal a request with the certificate before is taken for one that was late: a poll lasts for 50 s,
and a proxy may hold a request for a while."""

RENEWABLE: Final = timedelta(days=14)
"""How long after its end a certificate can still be renewed, and nothing else: as long as an agent may act on a
document. A control plane that was down over a long weekend does not have every agent enrolled anew."""


class State(StrEnum):
    """How an enrolment stands."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Two have held its identity."""
    REVOKED = "revoked"
    LOCAL = "local"
    """The control plane keeps the cluster itself: no certificate is anybody's then."""


ADMITTED: Final = frozenset({State.ACTIVE, State.LOCAL})
"""States of agents that may come: with a certificate, or as the control plane itself."""


class Verdict(StrEnum):
    """What is done with whoever shows a certificate."""

    ADMIT = "admit"
    ACTIVATE = "activate"
    """Admit; and the one before counts no more."""
    REFUSE = "refuse"
    SUSPEND = "suspend"
    """Refuse; and so everybody who holds this identity from now on."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What is stored of an environment's agent. `key` and `pending_key` are SHA-256 of public keys.

    `first` is the counter of the enrolment's first certificate; earlier ones belong to earlier enrolments.
    `pending_key` is b"" where no renewal is under way; its certificate has the counter behind `counter`.
    """

    state: State
    first: int
    counter: int
    key: bytes
    activated_at: datetime
    pending_key: bytes = b""


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody has proven: they hold the key of the certificate with this counter."""

    counter: int
    key: bytes
    valid: bool
    """Whether the certificate has begun and not ended."""


def judge(held: Enrolment | None, shown: Shown, now: datetime) -> Verdict:
    """Whether whoever shows this is the environment's agent."""
    if held is None or held.state is not State.ACTIVE or not shown.valid or shown.counter < held.first:
        return Verdict.REFUSE
    if shown.counter == held.counter:
        return Verdict.ADMIT if shown.key == held.key else Verdict.SUSPEND
    if shown.counter == held.counter + 1:
        return Verdict.ACTIVATE if held.pending_key and shown.key == held.pending_key else Verdict.REFUSE
    if shown.counter > held.counter:
        # A database that was restored to an earlier state does not know it; nobody is a thief by that.
        return Verdict.REFUSE
    return Verdict.REFUSE if now - held.activated_at < ON_ITS_WAY else Verdict.SUSPEND


def judge_renewal(held: Enrolment | None, shown: Shown, asked_key: bytes, now: datetime) -> Verdict:
    """Whether whoever shows this gets the next certificate for a key. ACTIVATE: first what they show becomes present.

    `shown.valid` is whether it can be renewed, which is longer than it is valid.
    """
    verdict = judge(held, shown, now)
    if held is None or verdict is Verdict.SUSPEND:
        return verdict
    superseded = held.state is State.ACTIVE and shown.valid and held.first <= shown.counter < held.counter
    if superseded and asked_key != held.key:
        # A renewal that was late asks for the key which has become the present one. This is another holder.
        return Verdict.SUSPEND
    if verdict is Verdict.ADMIT and held.pending_key and asked_key != held.pending_key:
        return Verdict.SUSPEND
    if verdict in {Verdict.ADMIT, Verdict.ACTIVATE} and asked_key == shown.key:
        return Verdict.REFUSE
    return verdict


def activated(held: Enrolment, now: datetime) -> Enrolment:
    """The pending certificate has been shown."""
    return replace(held, counter=held.counter + 1, key=held.pending_key, pending_key=b"", activated_at=now)


def renewing(held: Enrolment, key: bytes) -> Enrolment:
    """The next certificate is handed out for this key."""
    return replace(held, pending_key=key)


def enrolled(before: int, key: bytes, now: datetime) -> Enrolment:
    """A new enrolment, whose certificates count on from `before`, the last that was ever pending; 0 for none."""
    return Enrolment(State.ACTIVE, before + 1, before + 1, key, now)


def last_counter(held: Enrolment) -> int:
    """The highest counter that was handed out."""
    return held.counter + bool(held.pending_key)
