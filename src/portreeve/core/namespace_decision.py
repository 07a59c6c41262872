"""What is to be stored, told and asked for in one namespace, from what is known of it.

`look` compares a namespace with `core.delivery.wanted`. It decides anew each time from what is there, and remembers no
plan: whatever happened since the last look, the next request is the right one for what is known now.

Sources: mission rules 1 to 4; threats AG-08; kubernetes.md 2.4, 3.2 and 3.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from portreeve.core import leases
from portreeve.core.agent_messages import (
    ApplySecret,
    DeleteSecret,
    Effect,
    Outcome,
    PatchServiceAccount,
    PersistRecord,
    Phase,
    ReadSecret,
    ReadServiceAccount,
    Report,
    Request,
    Status,
)
from portreeve.core.copies import replace
from portreeve.core.credential import AuthEntry
from portreeve.core.delivery import (
    DocumentGrant,
    Logins,
    Wanted,
    attaches,
    keys_of,
    selecting,
    used,
    wanted,
)
from portreeve.core.leases import Lease
from portreeve.core.observation import AccountSeen, Attachment, EntryFact, Record, later
from portreeve.core.pacing import ANSWER_S, Pace
from portreeve.core.policy import DeliveryMode
from portreeve.core.reconcile_state import Line, State, pace_of

_TROUBLES: Final[Mapping[Outcome, Phase]] = {
    Outcome.FORBIDDEN: Phase.FORBIDDEN,
    Outcome.REFUSED: Phase.REFUSED,
    Outcome.TOO_LARGE: Phase.TOO_LARGE,
    Outcome.UNFIT: Phase.UNFIT,
}

SETTLING_S: Final = 2 * ANSWER_S
"""A request that was sent longer ago is dead: the edge and the API server break it off after a minute."""


def look(state: State, line: Line, now: datetime) -> tuple[Line, list[Effect], list[Request]]:
    """What is to be stored and told of a namespace, and what to ask for, in the order of their weight."""
    space, document, at = line.space, state.document, state.at
    record = line.record or Record("")
    if space is not None:
        # Entries that are recorded are not forgotten at once: a list that is behind may name an earlier namespace.
        if record.namespace_uid != space.uid:
            record = replace(record, namespace_uid=space.uid)
        if line.looked_at != space.uid:
            line = replace(line, looked_at=space.uid, leased={}, told=None)
    line, record = _recorded(line, _adopted(line, record))
    due: list[Request] = []
    requests: list[Request] = []
    status: Status | None = None
    if space is not None and document is not None and not space.terminating:
        grants = selecting(document, space)
        line = _leasing(line, grants, at)
        want = _wanted(line, grants, state.logins, now, at)
        request, phase = _about_secret(line, record, want)
        attaching, record = _about_accounts(line, record, grants)
        due = [*([request] if request else []), *attaching]
        requests = [one for one in due if _pace(line, one).free(at)]
        line, record = _leaving(line, record, requests)
        status = _status(line, record, want, phase)
    line, record = _forgotten(line, record, due, at)
    wake_at = _wake(line, due, at)
    if wake_at != line.wake_at:
        line = replace(line, wake_at=wake_at)
    kept = record if record.secret_uid or record.attached else None
    effects: list[Effect] = []
    if kept != line.record:
        effects.append(PersistRecord(line.namespace, kept))
        line = replace(line, record=kept)
    if status is not None and status != line.told:
        effects.append(Report(status))
        line = replace(line, told=None if status.phase is Phase.REMOVED else status)
    return line, effects, requests


def _adopted(line: Line, record: Record) -> Record:
    """The record as what is seen says: ours is what carries our marks, and gone is what is not there."""
    secret = line.secret
    if line.record is None:
        # The record was lost, or never stored. Each of these is ours as long as the account itself shows it.
        entries = {
            account.uid: Attachment(account.resource_version)
            for account in line.accounts.values()
            if account.shows_ours
        }
        record = replace(record, attached=entries) if entries else record
    if secret is None or not secret.marked:
        return replace(record, secret_uid="") if record.secret_uid else record
    return record if record.secret_uid == secret.uid else replace(record, secret_uid=secret.uid)


def _recorded(line: Line, record: Record) -> tuple[Line, Record]:
    """The record with what was seen of our entries, and as it was where one was to be taken away and was not."""
    if not line.noted and not line.leaving:
        return line, record
    under_way = {one.uid for name, one in line.accounts.items() if pace_of(line, name).ask}
    leaving = {uid: before for uid, before in line.leaving.items() if uid in under_way}
    known = {**line.leaving, **{uid: record.attached[uid] for uid in leaving if uid in record.attached}, **line.noted}
    attached = {uid: known.get(uid, one) for uid, one in record.attached.items()}
    return replace(line, noted={}, leaving=leaving), replace(record, attached=attached)


def _leaving(line: Line, record: Record, requests: Iterable[Request]) -> tuple[Line, Record]:
    """The record before our entry is taken away: what is there after that may be somebody's."""
    removing = [one.name for one in requests if isinstance(one, PatchServiceAccount) and not one.attach]
    if not removing:
        return line, record
    attached, leaving = dict(record.attached), dict(line.leaving)
    for account in (line.accounts[name] for name in removing):
        if account.uid in attached and attached[account.uid].shown:
            leaving[account.uid] = attached[account.uid]
        attached[account.uid] = Attachment(account.resource_version)
    return replace(line, leaving=leaving), replace(record, attached=attached)


def _ours(account: AccountSeen, record: Record) -> bool:
    """Whether the entry that is there is ours for certain: of what was only meant to be done that is not known."""
    recorded = record.attached.get(account.uid)
    if recorded is None:
        return False
    # An entry in the version of an intention was to be taken away: it was ours, and has not changed.
    return recorded.shown or account.shows_ours or account.resource_version == recorded.version


def _forgotten(line: Line, record: Record, due: Iterable[Request], at: float) -> tuple[Line, Record]:
    """Without recorded ServiceAccounts that have not had our entry for as long as a patch may be under way."""
    if not record.attached and not line.dropping:
        return line, record
    asked = {request.name for request in due if isinstance(request, ReadServiceAccount | PatchServiceAccount)}
    there = {
        account.uid
        for name, account in line.accounts.items()
        if account.attached or name in asked or pace_of(line, name).ask
    }
    dropping = {uid: line.dropping.get(uid, at + SETTLING_S) for uid in record.attached.keys() - there}
    over = {uid for uid, until in dropping.items() if at >= until}
    if over:
        record = replace(record, attached={uid: one for uid, one in record.attached.items() if uid not in over})
        dropping = {uid: until for uid, until in dropping.items() if uid not in over}
    return line if dropping == line.dropping else replace(line, dropping=dropping), record


def _leasing(line: Line, grants: tuple[DocumentGrant, ...], at: float) -> Line:
    """How leases stand: open while somebody has to pull, and once for what is found live."""
    if not line.leased and all(grant.delivery.mode is not DeliveryMode.LEASE for grant in grants):
        return line
    leased: dict[str, Lease] = {}
    live = {fact.key for fact in _held(line) if fact.live}
    workloads = tuple(line.workloads.values())
    for grant in grants:
        if grant.delivery.mode is not DeliveryMode.LEASE:
            continue
        before = line.leased.get(grant.registry)
        if before is None and live & set(keys_of(grant)):
            before = leases.found_live(at)
        pulling = frozenset(one.uid for one in workloads if used(grant, (one,), pulling=True))
        lease = leases.looked_at(before, pulling, at)
        if lease is not None:
            leased[grant.registry] = lease
    return line if leased == line.leased else replace(line, leased=leased)


def _held(line: Line) -> tuple[EntryFact, ...]:
    secret = line.secret
    return secret.entries or () if secret is not None and secret.marked else ()


def _wanted(line: Line, grants: tuple[DocumentGrant, ...], logins: Logins, now: datetime, at: float) -> Wanted:
    live = frozenset(registry for registry, lease in line.leased.items() if at < lease.until)
    read = _read_logins(line)
    known = {**read, **logins} if read else logins
    return wanted(grants, tuple(line.workloads.values()), live, _held(line), known, now)


def _read_logins(line: Line) -> Logins:
    """Logins that the Secret alone still has. They count here and nowhere else: who can write into a namespace can
    forge our marks there, and would choose what another namespace pulls with.
    """
    seen = line.secret
    if seen is None or not seen.marked or not seen.logins:
        return {}
    return {fact.credential: seen.logins[fact.key] for fact in seen.entries or () if fact.key in seen.logins}


def _about_secret(line: Line, record: Record, want: Wanted) -> tuple[Request | None, Phase]:
    """What to ask about the Secret, None when it is as it should be or is not ours to change."""
    secret = line.secret
    if line.reread:
        return ReadSecret(line.namespace), Phase.PENDING
    if secret is None:
        if not want.entries:
            return None, Phase.NOTHING if want.granted else Phase.REMOVED
        # The record says nothing here: what was ours under this name is gone.
        creating = ApplySecret(line.namespace, "", "", want.entries)
        return (creating if line.absent else ReadSecret(line.namespace)), Phase.PENDING
    if not secret.marked:
        return None, Phase.TAKEN if want.granted else Phase.REMOVED
    if secret.terminating:
        return None, Phase.PENDING
    if not want.entries:
        return DeleteSecret(line.namespace, record.secret_uid, secret.resource_version), Phase.PENDING
    if want.facts() == secret.entries:
        return None, _resting(want)
    if secret.immutable:
        return None, Phase.IMMUTABLE
    if want.unread and not _was_read(line):
        return ReadSecret(line.namespace), Phase.PENDING
    return ApplySecret(line.namespace, record.secret_uid, secret.resource_version, _writable(want)), Phase.PENDING


def _resting(want: Wanted) -> Phase:
    if want.conflicts:
        return Phase.DISAGREEING
    return Phase.KEPT if want.kept else Phase.DELIVERED


def _was_read(line: Line) -> bool:
    """Whether the Secret as it is known came with its content."""
    return line.secret is not None and line.secret.logins is not None


def _writable(want: Wanted) -> tuple[AuthEntry, ...]:
    """The entries without those whose login was not even in the Secret: they are not written hollow."""
    return tuple(entry for entry in want.entries if entry.key not in want.unread)


def _about_accounts(line: Line, record: Record, grants: tuple[DocumentGrant, ...]) -> tuple[list[Request], Record]:
    """What to ask about ServiceAccounts, and the record that has to be stored before."""
    taken = line.secret is not None and not line.secret.marked
    attached = dict(record.attached)
    requests: list[Request] = []
    for name, account in sorted(line.accounts.items()):
        has, should = account.attached, attaches(grants, account)
        adding = should and not has and not taken
        removing = not should and has and _ours(account, record)
        if adding:
            attached[account.uid] = _intended(attached.get(account.uid), account.resource_version)
        if name in line.stale:
            requests.append(ReadServiceAccount(line.namespace, name))
        elif adding or removing:
            requests.append(
                PatchServiceAccount(
                    line.namespace, name, adding, account.resource_version, account.pull_secrets, account.tracked
                )
            )
    return requests, record if attached == record.attached else replace(record, attached=attached)


def _intended(known: Attachment | None, version: str) -> Attachment:
    """That our entry is to be written to the account of a version. An earlier one, which is refused, says nothing."""
    return Attachment(version) if known is None or later(version, known.version) else known


def _pace(line: Line, request: Request) -> Pace:
    if isinstance(request, ReadServiceAccount | PatchServiceAccount):
        return pace_of(line, request.name)
    return line.pace


def _wake(line: Line, due: Iterable[Request], at: float) -> float | None:
    """When to look at the namespace again if nothing happens."""
    if not due and not line.leased and not line.dropping:
        return None
    times = [lease.until for lease in line.leased.values() if lease.until > at] + list(line.dropping.values())
    paces = [_pace(line, request) for request in due]
    times += [pace.due_at for pace in paces if not pace.ask and pace.due_at > at]
    return min(times, default=None)


def _left(line: Line, record: Record) -> bool:
    """Whether an entry that we meant to write is there, and may as well be somebody's."""
    return any(
        account.attached
        and account.uid in record.attached
        and not _ours(account, record)
        and not pace_of(line, name).ask
        for name, account in line.accounts.items()
    )


def _status(line: Line, record: Record, want: Wanted, phase: Phase) -> Status | None:
    """What is told; None if nothing is to be said of the namespace."""
    if phase is Phase.REMOVED and line.secret is None and _left(line, record):
        phase = Phase.LEFT
    if phase is Phase.PENDING:
        phase = _TROUBLES.get(line.trouble, phase)
    if line.told is None and phase is Phase.REMOVED:
        return None
    if line.told is not None and phase is Phase.PENDING:
        # What was told holds until it is done; its entries say how far it is.
        return None
    missing = tuple(
        sorted(
            name
            for name, account in line.accounts.items()
            if account.uid in record.attached and want.granted and not account.attached
        )
    )
    return Status(line.namespace, phase, record.secret_uid, _held(line), missing)
