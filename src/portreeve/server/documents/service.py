"""Reading and changing documents: whoever asks is judged first, then the rules, then it is written with its event.

One change may be of many documents; it is made as a whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import Outcome as Ended
from portreeve.core.audit import Target, digest, escaped
from portreeve.core.authorization import Decision, Resource, visible_scope
from portreeve.core.confirmation import Basis, still_valid
from portreeve.core.estate import Key
from portreeve.core.permissions import Action
from portreeve.core.policy import RegistryAccess, RegistryPolicy
from portreeve.errors import Conflict, Invalid, PortreeveError, Problem, Unconfirmed
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Refusal, Transaction, Writer
from portreeve.server.documents import store
from portreeve.server.documents.kinds import APPLY_ORDER, KINDS, Kind
from portreeve.server.documents.placement import parts
from portreeve.server.documents.proposal import (
    Draft,
    Outcome,
    Proposal,
    Removal,
    Written,
    check_versions,
    drafted,
    outcome,
)
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.http.caller import Acting, Caller, Ourselves
from portreeve.server.http.guard import in_scope, may, may_not, refused, refused_change


@dataclass(frozen=True, slots=True)
class Committed:
    """What a change wrote, and what it meant. `snapshot` is the one after it."""

    outcome: Outcome
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the caller has seen: the digest of a plan, and the basis behind it where that is known."""

    digest: str
    basis: Basis | None = None
    content: str = ""
    """The digest of what would be stored, of a plan that is known."""


UNSEEN: Final = Confirmation("")
"""In the place of what was seen, for a change of ours that only lets more pass: nobody has to look at it first."""


class Follower(Protocol):
    """What has to happen in the same transaction when documents change: other rows hang on them."""

    async def follow(self, transaction: Transaction, caller: Acting, found: Outcome) -> None:
        """The documents are written; bring what hangs on them to the state after."""


class Documents:
    """The service. `new_id` gives a fresh id each time, `clock` the time in UTC."""

    def __init__(
        self,
        writer: Writer,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        followers: Sequence[Follower] = (),
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._new_id = new_id
        self._followers = followers

    async def snapshot(self) -> Snapshot:
        """Everything as of now; the caller of this sees to who may see what."""
        return await self._writer.current()

    async def get(self, caller: Caller, kind: Kind, name: str) -> tuple[Stored, Snapshot]:
        """One document.

        Raises:
            NotFound: it is not there, or not for this caller.
        """
        snapshot = await self._writer.current()
        stored = snapshot.documents.get(Key(kind.name, name))
        decision = self._may(caller, Action.READ, kind, name, stored, snapshot)
        if not decision.allowed or stored is None:
            raise refused(decision, named=True)
        return stored, snapshot

    async def visible(self, caller: Caller, kind: Kind) -> tuple[Sequence[Stored], Snapshot]:
        """All documents of a kind that the caller may see, sorted by name. None is no error."""
        snapshot = await self._writer.current()
        return seen(caller, kind, snapshot), snapshot

    async def preview(self, caller: Caller, proposal: Proposal) -> Outcome:
        """What would come of it; nothing is written.

        Raises:
            NotFound, Denied: the caller may not.
        """
        snapshot = await self._writer.current()
        draft = self._drafted(caller, proposal, snapshot)
        _refuse_undecided(caller, draft, dry=True)
        check_versions(draft)
        found = await asyncio.to_thread(outcome, draft, now=self._clock())
        _refuse_undecided(caller, found, dry=True)
        return found

    async def draft(self, caller: Caller, proposal: Proposal) -> Draft:
        """What a proposal would store, if the caller may plan it; nothing is planned, and no version compared.

        Raises:
            NotFound, Denied: the caller may not.
        """
        draft = self._drafted(caller, proposal, await self._writer.current())
        _refuse_undecided(caller, draft, dry=True)
        return draft

    async def change(self, caller: Caller, proposal: Proposal, confirmation: Confirmation | None = None) -> Committed:
        """Make the change, with its events, or refuse it with the event of that.

        Raises:
            NotFound, Denied: the caller may not.
            Conflict, Invalid: the plan is blocked (`plan_blocked`, `plan_refused`), or outdated (`plan_outdated`).
            Unconfirmed: `plan_needed`: nobody has looked at the plan.
        """

        async def job(transaction: Transaction) -> Committed:
            return await self.in_transaction(transaction, caller, proposal, confirmation)

        return await self._writer.run(job)

    async def in_transaction(
        self, transaction: Transaction, caller: Caller, proposal: Proposal, confirmation: Confirmation | None
    ) -> Committed:
        """As `change`, as a part of a job."""
        draft = self._drafted(caller, proposal, transaction.snapshot)
        _refuse_undecided(caller, draft)
        check_versions(draft)
        found = await asyncio.to_thread(outcome, draft, now=transaction.now)
        _refuse_undecided(caller, found)
        try:
            refuse_blocked(found, force=proposal.force)
            _refuse_unconfirmed(found, confirmation)
        except PortreeveError as error:
            if not found.changes:
                raise
            raise _refusal(caller, found.changes[0], found, error) from None
        await write(transaction, caller, found)
        for follower in self._followers:
            await follower.follow(transaction, caller, found)
        return Committed(found, transaction.snapshot)

    async def completed(self, transaction: Transaction, acting: Ourselves, key: Key) -> None:
        """Remove a document for good that was deleted before; nobody is asked again. As a part of a job."""
        proposal = Proposal(removals=(Removal(key),), force=True)
        by, snapshot = acting.actor.principal, transaction.snapshot
        draft = drafted(snapshot, proposal, by=by, now=transaction.now, new_id=self._new_id)
        found = await asyncio.to_thread(outcome, draft, now=transaction.now)
        await write(transaction, acting, found)
        for follower in self._followers:
            await follower.follow(transaction, acting, found)

    def _drafted(self, caller: Caller, proposal: Proposal, snapshot: Snapshot) -> Draft:
        return drafted(snapshot, proposal, by=caller.principal.user, now=self._clock(), new_id=self._new_id)

    @staticmethod
    def _may(
        caller: Caller, action: Action, kind: Kind, name: str, stored: Stored | None, snapshot: Snapshot
    ) -> Decision:
        if stored is None:
            return may_not(caller, action, kind.permission, name)
        return may(caller, action, snapshot.parts(stored))


def seen(caller: Caller, kind: Kind, snapshot: Snapshot) -> Sequence[Stored]:
    """The documents of a kind that the caller may see, sorted by name; worked out once for each revision and scope."""
    if not in_scope(caller, Action.LIST, kind.permission):
        return []
    scope = visible_scope(caller.principal, kind.permission)
    found = snapshot.seen.get((kind.name, scope))
    if found is None:
        held = snapshot.of_kind(kind.name).values()
        found = [one for one in held if all(scope.admits(part) for part in snapshot.parts(one))]
        snapshot.seen[kind.name, scope] = found
    return found


def _refuse_undecided(caller: Caller, draft: Draft, *, dry: bool = False) -> None:
    """See that the caller may do all of it; a refusal is recorded, but for a mere preview.

    Raises:
        NotFound, Denied, Refusal: of the first change that they may not make.
    """
    for removal in draft.proposal.removals:
        if removal.key not in draft.before.documents:
            raise refused_change(KINDS[removal.key.kind].permission, removal.key.name)
    for one in (*draft.changes, *_unchanged(draft)):
        if not decide(caller, one, draft, dry=dry).allowed:
            error = refused_change(KINDS[one.key.kind].permission, one.key.name)
            raise error if dry else _refusal(caller, one, draft, error)


def _unchanged(draft: Draft) -> Iterator[Written]:
    """Documents that would stay as they are. They are decided on, too: who guesses one shall not hear that it is so."""
    changed = {one.key for one in draft.changes}
    for put in draft.proposal.puts:
        if put.key not in changed:
            held = draft.before.documents[put.key]
            yield Written(held, held)
    for removal in draft.proposal.removals:
        held = draft.before.documents[removal.key]
        if removal.key not in changed:
            yield Written(held, held)


def decide(caller: Caller, change: Written, found: Draft, *, dry: bool = False) -> Decision:
    """The decision on one change.

    Where something moves, both places count. Whoever names a registry in a grant must be allowed to grant it.
    """
    kind = KINDS[change.key.kind]
    # Whoever creates is not asked about what has the name already: that it is taken, they hear either way.
    new = change.after is not None and (change.before is None or change.key in found.proposal.created)
    action = Action.CREATE if new and not kind.single else _action(change)
    if change.after is change.before and not new:
        # Nothing is done with it, and the answer shows it.
        action = Action.READ
    elif dry and kind.planned:
        action = Action.PLAN
    placed: list[Resource] = []
    if change.before is not None and not new:
        placed += found.before.parts(change.before)
    if change.after is not None:
        placed += parts(change.after.value, found.after.estate, change.after.state)
    decision = may(caller, action, placed)
    if decision.allowed:
        decision = next(
            (one for one in _grants(caller, replace(change, before=None) if new else change, found) if not one.allowed),
            decision,
        )
    return decision


def _grants(caller: Caller, change: Written, found: Draft) -> Iterable[Decision]:
    # A grant that is changed is granted anew: else whoever may change it could carry another's credential elsewhere.
    for name in sorted({name for name, *_ in _granted(change.after) - _granted(change.before)}):
        stored = found.after.documents.get(Key("Registry", name))
        kind = KINDS["Registry"].permission
        if stored is None and may(caller, Action.GRANT, [Resource(kind, name, project=NOBODYS)]).allowed:
            continue  # who may grant every registry may hear that there is none of this name: the plan says so
        if stored is None:
            yield may_not(caller, Action.GRANT, kind, name)
        else:
            yield may(caller, Action.GRANT, found.after.parts(stored))


NOBODYS: Final = "?"
"""The project of no registry: only a role that reaches every registry reaches one of it."""


def _granted(stored: Stored | None) -> set[tuple[str, object, object, object]]:
    """What a document grants, as (registry, where, namespaces, subjects); what it narrows leaves the rest as it was."""
    match None if stored is None else stored.value:
        case RegistryAccess() as one:
            return {(one.registry, (one.environment, one.project), one.namespaces, one.subjects)}
        case RegistryPolicy() as policy:
            return {
                (one.registry, group, one.namespaces, one.subjects)
                for one in policy.access
                for group in policy.groups or ("",)
            }
        case _:
            return set()


def _action(change: Written) -> Action:
    if KINDS[change.key.kind].single:
        return Action.UPDATE
    if change.after is None or change.leaves:
        return Action.DELETE
    if change.before is None:
        return Action.CREATE
    # An exemption is not updated by anybody; whoever may ask for one hears that from the rules.
    return Action.CREATE if change.key.kind == "Exemption" else Action.UPDATE


def refuse_blocked(found: Outcome, *, force: bool) -> None:
    """See that nothing keeps the plan from running.

    Raises:
        Conflict, Invalid: with every reason.
    """
    made = found.plan
    if made.refusals:
        raise Invalid("plan_refused", _counted(made.refusals, "rule refuses", "rules refuse"), problems=made.refusals)
    if made.conflicts:
        problems = made.conflicts
        # Of what else is in the way, each says itself what to do.
        covered = any(one.code == "group_covered" for one in problems)
        hint = "send replace, if the groups shall leave the other policy" if covered else ""
        raise Conflict("plan_blocked", _counted(problems, "conflict", "conflicts"), hint=hint, problems=problems)
    if made.valve and not force:
        hint = "send force, if that is meant"
        raise Conflict("plan_needs_force", "more would be deleted than is usual", hint=hint, problems=made.valve)


def _counted(problems: tuple[Problem, ...], one: str, many: str) -> str:
    return f"{len(problems)} {one if len(problems) == 1 else many} the change"


def _refuse_unconfirmed(found: Outcome, confirmation: Confirmation | None) -> None:
    if confirmation is UNSEEN:
        return
    if confirmation is None:
        if found.needs_confirmation:
            raise Unconfirmed(
                "plan_needed",
                "this change goes through a plan",
                hint="send it with ?dryRun=All, look at the plan, and send Portreeve-Plan: <its digest>",
            )
        return
    if confirmation.basis is not None:
        if confirmation.content != found.content:
            raise _outdated(
                (Problem("plan_outdated", "what would be stored is not what was planned", "Portreeve-Plan"),)
            )
        validity = still_valid(confirmation.basis, found.basis)
        if not validity:
            raise _outdated(validity.reasons)
    elif confirmation.digest != found.digest:
        raise _outdated((Problem("plan_outdated", f"the plan is {found.digest} now", "Portreeve-Plan"),))


def _outdated(reasons: tuple[Problem, ...]) -> Conflict:
    hint = "look at the new plan, and confirm that"
    return Conflict("plan_outdated", "the world has changed since the plan was made", hint=hint, problems=reasons)


async def write(transaction: Transaction, caller: Acting, found: Outcome) -> None:
    """Write what was decided on, each document with its event; deletions last and the other way round."""
    order = {name: number for number, name in enumerate(APPLY_ORDER)}
    puts = sorted((one for one in found.changes if one.after), key=lambda one: (order[one.key.kind], one.key.name))
    removals = sorted(
        (one for one in found.changes if not one.after), key=lambda one: (-order[one.key.kind], one.key.name)
    )
    written = []
    for one in puts:
        assert one.after is not None
        stored = replace(one.after, revision=transaction.next_revision())
        transaction.record(_entry(caller, one, found))
        await store.write(transaction.connection, stored, before=one.before)
        written.append(stored)
    for one in removals:
        assert one.before is not None
        transaction.record(_entry(caller, one, found))
        revision = transaction.next_revision()
        await store.remove(transaction.connection, one.before, revision=revision, now=transaction.now)
    if found.changes:
        gone = [one.key for one in removals]
        transaction.snapshot = transaction.snapshot.with_documents(transaction.revision, written, gone)


def _entry(caller: Acting, change: Written, found: Outcome) -> Entry:
    return Entry(
        caller.actor,
        recorded(change),
        target(change, found),
        caller.request,
        before=None if change.before is None else digest(change.before.canonical()),
        after=None if change.after is None else digest(change.after.canonical()),
    )


def recorded(change: Written) -> Recorded:
    """What the audit log calls a change."""
    kind = KINDS[change.key.kind]
    if change.leaves:
        return Recorded.ENVIRONMENT_LEAVE
    if change.after is None:
        return kind.deleted
    return kind.created if change.before is None else kind.updated


def target(change: Written, found: Draft) -> Target:
    """What the audit log names as its object: of several places the first."""
    kind = KINDS[change.key.kind]
    stored, snapshot = (change.after, found.after) if change.after else (change.before, found.before)
    assert stored is not None
    place = parts(stored.value, snapshot.estate, stored.state)[0]
    return Target(kind.target, escaped(change.key.name), place.environment or None, place.project or None)


def _refusal(caller: Caller, change: Written, found: Draft, error: PortreeveError) -> Refusal:
    entry = Entry(caller.actor, recorded(change), target(change, found), caller.request, Ended.REFUSED, error.code)
    return Refusal(error, entry)
