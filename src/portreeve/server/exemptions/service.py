"""Deciding on exemptions: approve, deny, revoke, renew. Asking for one is creating the document.

States and who moves them: requested → active (approve) or denied (deny), by another person than the requester; active →
revoked (revoke). A renewal is asked for beside the exemption in force, which it extends once it is approved. That one
has expired says its date, at admission and everywhere else; no sweep is needed for it to count.

Source: the design's documents (Exemption) and mission, "Settled questions".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import Outcome as Ended
from portreeve.core.audit import Target, digest, escaped
from portreeve.core.authorization import Resource
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Exemption, ExemptionState, too_long
from portreeve.errors import Conflict, Invalid, PortreeveError, Problem
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Refusal, Transaction
from portreeve.server.documents import store
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.proposal import check_version
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import time
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import may, may_not, refused_change
from portreeve.wire.dump import time_text


class Step(StrEnum):
    """What can be done with an exemption."""

    APPROVE = "approve"
    DENY = "deny"
    REVOKE = "revoke"
    RENEW = "renew"


_ACTIONS: Mapping[Step, tuple[Action, Recorded]] = {
    Step.APPROVE: (Action.APPROVE, Recorded.EXEMPTION_APPROVE),
    Step.DENY: (Action.APPROVE, Recorded.EXEMPTION_DENY),
    Step.REVOKE: (Action.REVOKE, Recorded.EXEMPTION_REVOKE),
    Step.RENEW: (Action.CREATE, Recorded.EXEMPTION_RENEW),
}


async def step(
    transaction: Transaction,
    caller: Caller,
    name: str,
    what: Step,
    *,
    comment: str = "",
    expires_at: datetime | None = None,
    expected: str | None = None,
) -> tuple[Stored, Snapshot]:
    """Take a step with an exemption, as a part of a job.

    Raises:
        NotFound: there is none for this caller, or it is the caller's own request that was to be decided on.
        Conflict: `exemption_state`: it is not in a state for that.
        Invalid: `exemption_expiry`.
    """
    snapshot = transaction.snapshot
    stored = snapshot.documents.get(Key("Exemption", name))
    action, recorded = _ACTIONS[what]
    target = Target(KINDS["Exemption"].target, escaped(name))
    if stored is None or not may(caller, action, _asked_by(stored, snapshot, what)).allowed:
        if stored is None:
            may_not(caller, action, Kind.EXEMPTION, name)
        error: PortreeveError = refused_change(Kind.EXEMPTION, name)
        raise Refusal(error, Entry(caller.actor, recorded, target, caller.request, Ended.REFUSED, error.code))
    try:
        check_version(stored, expected, stored.key)
        after = _after(stored, what, caller.principal.user, comment, expires_at, transaction.now)
    except PortreeveError as wrong:
        entry = Entry(caller.actor, recorded, target, caller.request, Ended.REFUSED, wrong.code)
        raise Refusal(wrong, entry) from None
    after = replace(after, revision=transaction.next_revision())
    before_digest, after_digest = digest(stored.canonical()), digest(after.canonical())
    transaction.record(Entry(caller.actor, recorded, target, caller.request, before=before_digest, after=after_digest))
    await store.write(transaction.connection, after, before=stored)
    transaction.snapshot = snapshot.with_documents(transaction.revision, [after])
    return after, transaction.snapshot


def _asked_by(stored: Stored, snapshot: Snapshot, what: Step) -> tuple[Resource, ...]:
    """The parts of an exemption; whoever asked for what is decided on now is its owner."""
    renewal = stored.state.get("renewal")
    parts = snapshot.parts(stored)
    if what in {Step.APPROVE, Step.DENY} and isinstance(renewal, Mapping):
        return tuple(replace(part, owner=str(renewal.get("requestedBy", ""))) for part in parts)
    return parts


def _after(stored: Stored, what: Step, user: str, comment: str, expires_at: datetime | None, now: datetime) -> Stored:
    exemption = stored.value
    assert isinstance(exemption, Exemption)
    renewal = stored.state.get("renewal")
    pending = exemption.state is ExemptionState.REQUESTED
    in_force = exemption.in_force and now < exemption.expires_at
    decided: dict[str, Any] = {"decidedBy": user, "decidedAt": time(now), "comment": comment or None}
    if what is Step.APPROVE and pending:
        if exemption.expires_at <= now:
            raise _expiry("has passed", "renew it, or request another")
        _refuse_endless(exemption.expires_at, now)
        return _moved(stored, ExemptionState.ACTIVE, decided, now)
    if what is Step.APPROVE and isinstance(renewal, Mapping):
        return _renewed(stored, renewal, decided, now)
    if what is Step.DENY and pending:
        return _moved(stored, ExemptionState.DENIED, decided, now)
    if what is Step.DENY and isinstance(renewal, Mapping):
        return _moved(stored, exemption.state, {**decided, "renewal": None}, now)
    if what is Step.REVOKE and (in_force or pending):
        return _moved(stored, ExemptionState.REVOKED, decided, now)
    if what is Step.RENEW and exemption.in_force:
        if expires_at is None or expires_at <= max(now, exemption.expires_at):
            raise _expiry("is not later than now and the present end", "send a later expiresAt")
        _refuse_endless(expires_at, now)
        asked = {"expiresAt": time_text(expires_at), "requestedBy": user, "comment": comment or None}
        return _moved(stored, exemption.state, {"renewal": asked}, now)
    state = "expired" if exemption.in_force and not in_force else str(exemption.state)
    raise Conflict(
        "exemption_state", f"an exemption that is {state} cannot be {_PARTICIPLE[what]}", hint="read it again"
    )


_PARTICIPLE = {Step.APPROVE: "approved", Step.DENY: "denied", Step.REVOKE: "revoked", Step.RENEW: "renewed"}


def _expiry(what: str, hint: str) -> Invalid:
    return _refused(Problem("exemption_expiry", what, "spec.expiresAt", hint))


def _refused(problem: Problem) -> Invalid:
    return Invalid("exemption_expiry", "the exemption's end does not allow that", problems=(problem,))


def _refuse_endless(expires_at: datetime, now: datetime) -> None:
    problem = too_long(expires_at, now)
    if problem is not None:
        raise _refused(problem)


def _moved(stored: Stored, state: ExemptionState, more: Mapping[str, Any], now: datetime) -> Stored:
    assert isinstance(stored.value, Exemption)
    held = {**stored.state, **more, "state": str(state)}
    return replace(
        stored,
        version=stored.version + 1,
        state={name: value for name, value in held.items() if value is not None},
        updated_at=now,
        value=replace(stored.value, state=state),
    )


def _renewed(stored: Stored, renewal: Mapping[str, Any], decided: Mapping[str, Any], now: datetime) -> Stored:
    assert isinstance(stored.value, Exemption)
    expires_at = datetime.fromisoformat(str(renewal["expiresAt"]))
    if expires_at <= now:
        raise _expiry("that was asked for has passed", "ask for a later one")
    moved = _moved(stored, ExemptionState.ACTIVE, {**decided, "renewal": None}, now)
    assert isinstance(moved.value, Exemption)
    spec = {**moved.spec, "expiresAt": time_text(expires_at)}
    return replace(moved, spec=spec, value=replace(moved.value, expires_at=expires_at))
