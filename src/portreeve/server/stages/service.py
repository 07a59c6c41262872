"""Moving policies from stage to stage: a sweep that remembers, moves forward that are held, moves back that never are.

Theory of operation. A sweep looks at each environment of each policy that is not off, after every change and each
minute, and writes down what is to be remembered (`core.stages.Watch`): at once if something is new, else each five
minutes. So what a promotion is decided by survives any restart, and the time in which nobody looked is a gap if it was
longer than data may be old. A replica that is killed has written either all of a sweep or nothing.

A move forward is a change of the document, in the transaction that decides on it: by a look of that moment over what
was remembered, then by the plan that somebody has seen, as any change of a policy. Forcing it needs a reason; that
stands in the document's status, and the audit log says that it was held. A move back asks for nothing of this.

Left out: a document that is stored with another stage (`apply`) is not held: it says itself what it wants, and its
plan shows what it would deny. Schedules. An agent that is seen while all of its reports are refused: what it told
before counts. Sources: interfaces.md 4.3. Decision record: docs/adr/0031.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from portreeve.core import burn_down
from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Target, digest, escaped
from portreeve.core.audit import Outcome as Ended
from portreeve.core.blast_radius import Denial
from portreeve.core.burn_down import KEPT_DAYS, Day
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import RegistryPolicy, Stage
from portreeve.core.stages import MAX_AGE, Hold, HoldRule, Look, Watch, forward, holds, watched
from portreeve.errors import Conflict, PortreeveError, Problem
from portreeve.server.audit.journal import Entry
from portreeve.server.database.engine import Database
from portreeve.server.database.sweeping import Sweeping
from portreeve.server.database.writer import Refusal, Transaction, Writer
from portreeve.server.desired.service import DesiredStates
from portreeve.server.documents.proposal import ANY, Outcome, Proposal, Put
from portreeve.server.documents.proposal import check_version as _check_version
from portreeve.server.documents.service import UNSEEN, Committed, Confirmation, Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import MOVED, Stored
from portreeve.server.documents.view import time
from portreeve.server.http.caller import Acting, Caller
from portreeve.server.http.guard import may, may_not, refused_change
from portreeve.server.stages import store
from portreeve.server.stages.looking import Looking
from portreeve.server.stages.store import Place
from portreeve.wire.documents import read_document

SWEEP_S: Final = 60
"""Seconds between sweeps without any change: agents fall silent, exemptions end."""

PAUSE_S: Final = 1.0
"""Seconds that reports are gathered for before a sweep."""

STEP: Final = timedelta(minutes=5)
"""How often it is written that a look found nothing new. Well below the age that data may have."""


ALWAYS: Final = HoldRule()
"""What has to hold where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Move:
    """Where a policy is to go. `reason` is why it shall go there though it is held; `force` says that it shall."""

    stage: Stage
    rule: HoldRule = ALWAYS
    force: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Rollout:
    """How a policy stands: its environments as they are seen now, what is remembered of each, and what holds it."""

    stage: Stage
    wanted: Stage
    looks: tuple[tuple[Look, Watch | None], ...]
    holds: tuple[Hold, ...]


class Stages:
    """The service."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        documents: Documents,
        desired: DesiredStates,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._database = database
        self._documents = documents
        self._desired = desired
        self._clock = clock
        self._looking = Looking()
        self._sweeping = Sweeping(writer, "stages", self.sweep, lambda: SWEEP_S, pause_s=PAUSE_S)

    def start(self) -> None:
        """Sweep from now on."""
        self._sweeping.start()

    async def stop(self) -> None:
        """Sweep no more; a sweep that is under way is finished."""
        await self._sweeping.stop()

    async def sweep(self) -> int:
        """Look at everything, and write what is new of it; how many rows that were."""
        snapshot, now = await self._writer.current(), self._clock()
        looks = await asyncio.to_thread(self._looks, snapshot, now)
        policies = {one.name: one for one in snapshot.estate.policies}
        today = now.date()
        async with self._database.reader.connect() as connection:
            held = await store.find(connection)
            due = _due(held, looks)
            if not due and not _days(await store.days(connection, today), held, looks, policies):
                return 0

        async def job(transaction: Transaction) -> int:
            connection = transaction.connection
            held, before = await store.find(connection), await store.days(connection, today)
            changed, gone = _due(held, looks) or ({}, set())
            days = _days(before, held, looks, policies)
            await store.save(connection, changed)
            await store.drop(connection, gone)
            await store.save_days(connection, days)
            if any(place not in before for place in days):
                await store.drop_days(connection, before=today - timedelta(days=KEPT_DAYS))
            return len(changed) + len(gone) + len(days)

        return await self._writer.run(job)

    def _looks(self, snapshot: Snapshot, now: datetime) -> dict[Place, Look]:
        found = {}
        for policy in snapshot.estate.policies:
            if policy.stage is not Stage.OFF:
                found.update(
                    {(policy.name, look.environment): look for look in self._looking.at(snapshot, policy, now)}
                )
        return found

    async def history(self, policy: str, first: date) -> tuple[dict[str, list[Day]], dict[str, Watch]]:
        """Environment → its days from the first on, and environment → what is remembered of it."""
        async with self._database.reader.connect() as connection:
            days = await store.days(connection, first, policy)
            held = await store.find(connection, policy)
        return (
            {environment: one for (_, environment), one in days.items()},
            {environment: one for (_, environment), one in held.items()},
        )

    async def rollout(self, snapshot: Snapshot, policy: RegistryPolicy, move: Move) -> Rollout:
        """How a policy stands now, seen from where it is to go."""
        now = self._clock()
        async with self._database.reader.connect() as connection:
            held = await store.find(connection, policy.name)
        return await self._rollout(snapshot, policy, move, held, now)

    async def _rollout(
        self, snapshot: Snapshot, policy: RegistryPolicy, move: Move, held: Mapping[Place, Watch], now: datetime
    ) -> Rollout:
        generations, _ = await self._desired.generations(None)
        looks = await asyncio.to_thread(self._looking.at, snapshot, policy, now, generations)
        seen = tuple((look, held.get((policy.name, look.environment))) for look in looks)
        found = holds(seen, policy.stage, move.stage, move.rule, now)
        return Rollout(policy.stage, move.stage, seen, found)

    def violations(self, snapshot: Snapshot, environment: Environment, now: datetime) -> tuple[Denial, ...]:
        """What the policy of an environment would refuse there at `deny`, as the sweeps look at it, sorted."""
        return self._looking.violations(snapshot, environment, now)

    async def preview(self, caller: Caller, name: str, move: Move) -> tuple[Outcome, Rollout]:
        """What a move would do and what holds it; nothing is written.

        Raises:
            NotFound: there is none that the caller may change.
        """
        snapshot = await self._writer.current()
        stored = _movable(caller, snapshot, name, dry=True)
        found = await self._documents.preview(caller, _proposal(stored, move, caller, self._clock(), held=False))
        assert isinstance(stored.value, RegistryPolicy)
        return found, await self.rollout(snapshot, stored.value, move)

    async def move(
        self, transaction: Transaction, caller: Caller, name: str, move: Move, seen: Confirmation | None,
        expected: str | None,
    ) -> Committed:  # fmt: skip
        """Make a move, as a part of a job.

        Raises:
            NotFound: there is none that the caller may change.
            Conflict: `stage_held`, with everything that holds it. Also what `Documents.in_transaction` raises.
        """
        try:
            stored = _movable(caller, transaction.snapshot, name)
        except PortreeveError as error:
            raise Refusal(error, _entry(caller, name, Recorded.POLICY_UPDATE, Ended.REFUSED, error.code)) from None
        _check_version(stored, expected, stored.key)
        policy = stored.value
        assert isinstance(policy, RegistryPolicy)
        if not forward(policy.stage, move.stage):
            version = expected or stored.etag
            proposal = _proposal(stored, move, caller, transaction.now, held=False, expected=version)
            made = await self._documents.in_transaction(transaction, caller, proposal, UNSEEN)
            return _told(transaction, caller, made, Recorded.POLICY_ROLL_BACK)
        remembered = await store.find(transaction.connection, name)
        rollout = await self._rollout(transaction.snapshot, policy, move, remembered, transaction.now)
        if rollout.holds and not move.force:
            held = held_back(name, move.stage, rollout.holds)
            raise Refusal(held, _entry(caller, name, Recorded.POLICY_PROMOTE, Ended.REFUSED, held.code))
        forced = bool(rollout.holds)
        proposal = _proposal(stored, move, caller, transaction.now, held=forced)
        made = await self._documents.in_transaction(transaction, caller, proposal, seen)
        return _told(transaction, caller, made, Recorded.POLICY_PROMOTE, "stage_held" if forced else None)


class Forget:
    """A follower: what is remembered of a deleted policy or environment goes with it."""

    async def follow(self, transaction: Transaction, caller: Acting, found: Outcome) -> None:  # noqa: ARG002 - protocol
        """As `documents.service.Follower`."""
        gone = {one.key for one in found.changes if one.after is None}
        if not any(key.kind in {"RegistryPolicy", "Environment"} for key in gone):
            return
        for key in sorted(gone):
            of = {"RegistryPolicy": "policy", "Environment": "environment"}.get(key.kind)
            if of is not None:
                await store.forget_days(transaction.connection, **{of: key.name})
        held = await store.find(transaction.connection)
        places = [
            (policy, environment)
            for policy, environment in held
            if Key("RegistryPolicy", policy) in gone or Key("Environment", environment) in gone
        ]
        await store.drop(transaction.connection, places)


def held_back(name: str, stage: Stage, found: tuple[Hold, ...]) -> Conflict:
    """The refusal, with everything that holds the policy."""
    counted = f"{len(found)} {'condition holds' if len(found) == 1 else 'conditions hold'}"
    hint = "wait until they are gone, or send force with a reason"
    return Conflict("stage_held", f"{counted} {name} back from {stage}", hint=hint, problems=tuple(map(problem, found)))


def problem(hold: Hold) -> Problem:
    """A hold as one problem of a refusal."""
    where = f"Environment/{hold.environment}" if hold.environment else "spec.groups"
    return Problem(hold.code, hold.text, where)


def _due(held: Mapping[Place, Watch], looks: Mapping[Place, Look]) -> tuple[dict[Place, Watch], set[Place]] | None:
    """What is to be written, and what to be forgotten; None: nothing of either."""
    changed = {}
    for place, look in looks.items():
        before = held.get(place)
        if before is not None and before.looked_at > look.at:
            continue  # another replica was later
        after = watched(before, look, MAX_AGE)
        if before is None or look.at - before.looked_at >= STEP or _news(before, after):
            changed[place] = after
    gone = set(held) - set(looks)
    return (changed, gone) if changed or gone else None


def _days(
    held: Mapping[Place, list[Day]],
    watches: Mapping[Place, Watch],
    looks: Mapping[Place, Look],
    policies: Mapping[str, RegistryPolicy],
) -> dict[Place, Day]:
    """The rows of today that are new, or say something else than what is stored."""
    found = {}
    for place, look in looks.items():
        watch = watches.get(place)
        if watch is not None and watch.looked_at > look.at:
            continue  # another replica was later
        policy, before = policies[place[0]], next(iter(held.get(place, ())), None)
        # A restart of an agent, which has not told all for a minute, makes no day unknown.
        known = watched(watch, look, MAX_AGE).since is not None
        after = burn_down.seen(before, look, policy.stage, policy.generation, known=known)
        if after != before:
            found[place] = after
    return found


def _news(before: Watch, after: Watch) -> bool:
    times = {"looked_at": before.looked_at, "data_at": before.data_at, "violation_at": before.violation_at}
    return replace(after, **times) != before  # type: ignore[arg-type] # times of a watch, by name


def _movable(caller: Caller, snapshot: Snapshot, name: str, *, dry: bool = False) -> Stored:
    stored = snapshot.documents.get(Key("RegistryPolicy", name))
    action = Action.PLAN if dry else Action.UPDATE
    if stored is None:
        may_not(caller, action, Kind.REGISTRY_POLICY, name)
    if stored is None or not may(caller, action, snapshot.parts(stored)).allowed:
        raise refused_change(Kind.REGISTRY_POLICY, name)
    return stored


def _proposal(
    stored: Stored, move: Move, caller: Caller, now: datetime, *, held: bool, expected: str = ANY
) -> Proposal:
    document = stored.document()
    restrict = {**document["spec"].get("restrict", {}), "stage": str(move.stage)}
    assert isinstance(stored.value, RegistryPolicy)
    moved: dict[str, Any] = {
        "from": str(stored.value.stage),
        "to": str(move.stage),
        "by": caller.principal.user,
        "at": time(now),
        "forced": held,
    }
    if move.reason:
        moved["reason"] = move.reason
    read = read_document({**document, "spec": {**document["spec"], "restrict": restrict}})
    return Proposal((Put(read, expected, {MOVED: moved}),))


def _told(
    transaction: Transaction, caller: Caller, made: Committed, action: Recorded, why: str | None = None
) -> Committed:
    """Say in the audit log what the change of the document was; that itself is told by the documents."""
    for change in made.outcome.changes:
        before = None if change.before is None else digest(change.before.canonical())
        after = None if change.after is None else digest(change.after.canonical())
        entry = _entry(caller, change.key.name, action, Ended.DONE, why)
        transaction.record(replace(entry, before=before, after=after))
    return made


def _entry(caller: Caller, name: str, action: Recorded, outcome: Ended, why: str | None) -> Entry:
    target = Target(ObjectKind.POLICY, escaped(name))
    return Entry(caller.actor, action, target, caller.request, outcome, why)
