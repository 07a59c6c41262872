"""Setting, rotating and deleting the secrets of registries. No function here gives one to a caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Target, digest, escaped
from portreeve.core.audit import Outcome as Ended
from portreeve.core.authorization import Decision, Resource
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.core.plan import plan
from portreeve.core.policy import Registry
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Problem
from portreeve.server.audit.journal import Entry
from portreeve.server.credentials import store
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.database.writer import Refusal, Transaction
from portreeve.server.documents import store as documents
from portreeve.server.documents.proposal import Outcome, declared, ends
from portreeve.server.documents.snapshot import PULL, CredentialRow, Overlap, Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.http.answers import json_bytes
from portreeve.server.http.caller import Acting, Caller
from portreeve.server.http.guard import may, may_not, refused_change
from portreeve.vault.binding import Owner
from portreeve.wire.dump import time_text

PURPOSES: Final = ("pull", "management")

OVERLAP: Final = timedelta(hours=24)
"""How long a rotation keeps the version before at most, unless it says otherwise."""

MOST_OVERLAP: Final = timedelta(days=30)
"""A secret that is to be replaced lies here no longer, whoever does not answer."""


class Credentials:
    """The service."""

    def __init__(self, keeper: Keeper, new_id: Callable[[], str]) -> None:
        self.keeper = keeper
        self._new_id = new_id

    async def put(
        self,
        transaction: Transaction,
        caller: Caller,
        registry: str,
        purpose: str,
        secret: SecretValue | None,
        expires_at: datetime | None,
        *,
        rotating: bool = False,
        overlap: timedelta = OVERLAP,
    ) -> tuple[CredentialRow, Snapshot]:
        """Store a secret as the next version; None keeps the stored one and changes its end alone.

        A rotation keeps the version before for those who have not got the new one, for `overlap` at most; what is
        only set takes its place at once.

        Raises:
            NotFound: no such registry for this caller.
            Invalid: the registry declares no such credential, there is none to keep, or a rule refuses it.
        """
        snapshot = transaction.snapshot
        stored = snapshot.documents.get(Key("Registry", registry))
        held = snapshot.credentials.get((registry, purpose))
        action = Action.ROTATE if rotating else Action.CREATE if held is None else Action.UPDATE
        recorded = Recorded.CREDENTIAL_ROTATE if rotating else Recorded.CREDENTIAL_SET
        self._decide(caller, action, recorded, registry, purpose, stored)
        assert stored is not None
        try:
            entry = _declared(stored, purpose)
            if secret is not None and held is not None and not rotating:
                secret = await self._unless_stored(transaction, held, secret)
            row = self._row(snapshot, stored, purpose, held, secret, expires_at or ends(entry))
            if secret is not None:
                before = _overlap(snapshot, held, entry, transaction.now, overlap) if rotating else None
                row = replace(row, overlap=before)
            after = _after(snapshot, stored, row, expires_at, transaction.now)
            await asyncio.to_thread(_refuse, snapshot, after, transaction.now)
        except PortreeveError as error:
            raise Refusal(error, _entry(caller, recorded, stored, purpose, refused_for=error.code)) from None
        transaction.record(_entry(caller, recorded, stored, purpose, before=held, after=row))
        if secret is not None:
            envelope, epoch = await self.keeper.seal(transaction.connection, secret, row, transaction.now)
            await store.save_version(transaction.connection, row, envelope, epoch, transaction.now)
            await store.keep_versions(transaction.connection, row)
        await store.save(transaction.connection, row, transaction.now, new=held is None)
        await self._publish(transaction, snapshot, after, row)
        return row, transaction.snapshot

    async def _unless_stored(
        self, transaction: Transaction, held: CredentialRow, secret: SecretValue
    ) -> SecretValue | None:
        """The secret, or None if it is the stored one: sending it again makes no new version, so a pipeline may.

        This tells whoever may replace the secret whether they know it; a wrong guess has replaced it, once and for all.
        """
        stored = await self.keeper.open(transaction.connection, held)
        return None if secret.equals_in_constant_time(stored) else secret

    async def delete(self, transaction: Transaction, caller: Caller, registry: str, purpose: str) -> None:
        """Delete a stored secret with all its versions; what was declared of it stays.

        Raises:
            NotFound: no such credential for this caller.
        """
        snapshot = transaction.snapshot
        stored = snapshot.documents.get(Key("Registry", registry))
        held = snapshot.credentials.get((registry, purpose))
        self._decide(caller, Action.DELETE, Recorded.CREDENTIAL_DESTROY, registry, purpose, stored)
        assert stored is not None
        if held is None:
            raise refused_change(Kind.CREDENTIAL, f"{registry}/{purpose}")
        transaction.record(_entry(caller, Recorded.CREDENTIAL_DESTROY, stored, purpose, before=held))
        await self._drop(transaction, held)

    async def follow(self, transaction: Transaction, caller: Acting, found: Outcome) -> None:
        """As `documents.service.Follower`: a registry or a project has changed or gone."""
        before, after = found.before.credentials, found.after.credentials
        for place in sorted(before.keys() - after.keys()):
            stored = found.before.documents[Key("Registry", place[0])]
            transaction.record(_entry(caller, Recorded.CREDENTIAL_DESTROY, stored, place[1], before=before[place]))
            await self._drop(transaction, before[place])
        for place in sorted(before.keys() & after.keys()):
            if before[place] != after[place]:
                stored = found.after.documents[Key("Registry", place[0])]
                await self._again(transaction, caller, stored, before[place], after[place])
        for change in found.changes:
            if change.key.kind == "Project" and change.after is None and change.before is not None:
                await self._erase(transaction, caller, change.before)

    async def _again(
        self, transaction: Transaction, caller: Acting, stored: Stored, old: CredentialRow, new: CredentialRow
    ) -> None:
        """The same secret under what the document says now."""
        transaction.record(_entry(caller, Recorded.CREDENTIAL_SET, stored, new.purpose, before=old, after=new))
        if new.version != old.version:
            secret = await self.keeper.open(transaction.connection, old)
            envelope, epoch = await self.keeper.seal(transaction.connection, secret, new, transaction.now)
            await store.save_version(transaction.connection, new, envelope, epoch, transaction.now)
            await store.keep_versions(transaction.connection, new)
        await store.save(transaction.connection, new, transaction.now, new=False)
        await self._note(transaction, new.registry, new.version)
        transaction.snapshot = transaction.snapshot.with_credentials(transaction.revision, [new], [])

    async def retire(self, transaction: Transaction, row: CredentialRow, entry: Entry) -> None:
        """Deliver and keep the version before no more; `entry` says why."""
        after = replace(row, overlap=None)
        transaction.record(replace(entry, before=_digest(row), after=_digest(after)))
        await store.keep_versions(transaction.connection, after)
        await store.save(transaction.connection, after, transaction.now, new=False)
        await self._note(transaction, row.registry, row.version)
        transaction.snapshot = transaction.snapshot.with_credentials(transaction.revision, [after], [])

    async def _drop(self, transaction: Transaction, row: CredentialRow) -> None:
        await store.drop(transaction.connection, row.id)
        await self._note(transaction, row.registry, row.version)
        gone = [(row.registry, row.purpose)]
        transaction.snapshot = transaction.snapshot.with_credentials(transaction.revision, [], gone)

    async def _erase(self, transaction: Transaction, caller: Acting, project: Stored) -> None:
        """Crypto-erase: whatever of the project's secrets lies in a backup opens no more."""
        keys = await store.destroy_owner_keys(transaction.connection, Owner(project.uid), transaction.now)
        if keys:
            target = Target(ObjectKind.KEY, escaped(project.uid), project=escaped(project.key.name))
            transaction.record(Entry(caller.actor, Recorded.KEY_DESTROY, target, caller.request))

    @staticmethod
    async def _note(transaction: Transaction, registry: str, version: int) -> None:
        key = Key(documents.CREDENTIAL, registry)
        revision = transaction.next_revision()
        await documents.note(transaction.connection, revision, key, "updated", version, transaction.now)

    async def _publish(self, transaction: Transaction, before: Snapshot, after: Snapshot, row: CredentialRow) -> None:
        """Write the registry's document, if the end of its credential changed there, and let everybody see it."""
        key = Key("Registry", row.registry)
        changed = after.documents[key]
        if changed is not before.documents[key]:
            changed = replace(changed, revision=transaction.next_revision())
            await documents.write(transaction.connection, changed, before=before.documents[key])
        await self._note(transaction, row.registry, row.version)
        snapshot = transaction.snapshot.with_documents(transaction.revision, [changed])
        transaction.snapshot = snapshot.with_credentials(transaction.revision, [row], [])

    def _row(
        self,
        snapshot: Snapshot,
        stored: Stored,
        purpose: str,
        held: CredentialRow | None,
        secret: SecretValue | None,
        expires_at: datetime | None,
    ) -> CredentialRow:
        if held is not None:
            return replace(held, version=held.version + (secret is not None), expires_at=expires_at)
        if secret is None:
            hint = "send the secret"
            problem = Problem("secret_missing", "is empty, and there is none stored to keep", "secret", hint)
            raise Invalid("credential_invalid", "the credential cannot be stored", problems=(problem,))
        owner = owner_of(stored, snapshot)
        return CredentialRow(stored.key.name, purpose, f"c-{self._new_id()}", owner, 1, expires_at)

    @staticmethod
    def _decide(
        caller: Caller, action: Action, recorded: Recorded, registry: str, purpose: str, stored: Stored | None
    ) -> None:
        name = f"{registry}/{purpose}"
        if stored is None:
            decision: Decision = may_not(caller, action, Kind.CREDENTIAL, name)
        else:
            assert isinstance(stored.value, Registry)
            decision = may(caller, action, [Resource(Kind.CREDENTIAL, name, project=stored.value.project)])
        if not decision.allowed:
            error = refused_change(Kind.CREDENTIAL, name)
            target = Target(ObjectKind.CREDENTIAL, escaped(name))
            entry = Entry(caller.actor, recorded, target, caller.request, Ended.REFUSED, error.code)
            raise Refusal(error, entry)


async def set_at(connection: AsyncConnection, rows: Sequence[CredentialRow]) -> dict[str, datetime]:
    """Credential → when its present version was stored."""
    return await store.set_at(connection, rows)


def _overlap(
    snapshot: Snapshot, held: CredentialRow | None, entry: Mapping[str, Any], now: datetime, lasts: timedelta
) -> Overlap | None:
    """What a rotation keeps of the version before.

    What a token is minted from is delivered to nobody, and the token in force is kept until it ends by itself; so it
    is with what only we sign in with.
    """
    if held is None or held.purpose != PULL or lasts <= timedelta() or held.registry in snapshot.estate.minted:
        return None
    declared_ = {part: entry[part] for part in ("method", "parameters") if part in entry}
    return Overlap(held.version, declared_, held.expires_at, now, now + lasts)


def owner_of(stored: Stored, snapshot: Snapshot) -> str:
    """Whose key protects a registry's secrets: the project's unchanging id, "" for everybody's."""
    assert isinstance(stored.value, Registry)
    project = snapshot.documents.get(Key("Project", stored.value.project))
    return project.uid if project else ""


def _declared(stored: Stored, purpose: str) -> Mapping[str, Any]:
    entry = declared(stored).get(purpose)
    if entry is None:
        hint = f"add it to spec.credentials of Registry/{stored.key.name}: how to sign in is part of the document"
        problem = Problem("credential_undeclared", f"declares no {purpose} credential", "spec.credentials", hint)
        raise Invalid("credential_invalid", "the credential cannot be stored", problems=(problem,))
    return entry


def _after(
    snapshot: Snapshot, stored: Stored, row: CredentialRow, expires_at: datetime | None, now: datetime
) -> Snapshot:
    """The snapshot with the credential, and with its end in the registry's document."""
    found = snapshot.with_credentials(snapshot.revision + 1, [row], [])
    if expires_at is None or ends(declared(stored)[row.purpose]) == expires_at:
        return found
    entries = [
        {**entry, "expiresAt": time_text(expires_at)} if entry["purpose"] == row.purpose else entry
        for entry in stored.spec["credentials"]
    ]
    spec = {**stored.spec, "credentials": entries}
    changed = replace(stored, spec=spec, version=stored.version + 1, updated_at=now)
    return found.with_documents(snapshot.revision + 1, [changed])


def _refuse(before: Snapshot, after: Snapshot, now: datetime) -> None:
    """See that no rule refuses the credential where its registry is granted (rule 13)."""
    made = plan(before.estate, after.estate, before.inventory, now=now)
    if made.refusals:
        raise Invalid("plan_refused", "rules refuse the credential", problems=made.refusals)


def _entry(
    caller: Acting,
    recorded: Recorded,
    stored: Stored,
    purpose: str,
    *,
    before: CredentialRow | None = None,
    after: CredentialRow | None = None,
    refused_for: str | None = None,
) -> Entry:
    assert isinstance(stored.value, Registry)
    project = stored.value.project
    return Entry(
        caller.actor,
        recorded,
        Target(ObjectKind.CREDENTIAL, escaped(f"{stored.key.name}/{purpose}"), project=project or None),
        caller.request,
        Ended.REFUSED if refused_for else Ended.DONE,
        refused_for,
        _digest(before),
        _digest(after),
    )


def _digest(row: CredentialRow | None) -> str | None:
    """Of what is told of a credential, never of the secret: short ones can be guessed from a digest."""
    if row is None:
        return None
    expires = None if row.expires_at is None else time_text(row.expires_at)
    overlap = [row.overlap.version, time_text(row.overlap.until)] if row.overlap else None
    return digest(json_bytes([row.id, row.owner, row.version, expires, *([overlap] if overlap else [])]))
