"""Rows of documents, and how a snapshot is loaded and brought up to date. SQL in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.access_requests import Refusal
from portreeve.core.blast_radius import RunningImage
from portreeve.core.checklist import REACHED
from portreeve.core.cluster import Namespace
from portreeve.core.estate import Capabilities, Key
from portreeve.core.refresh import Held, Notice, Why
from portreeve.core.reported_secrets import held_secrets
from portreeve.errors import Conflict
from portreeve.server.database.tables import (
    ACCESS_REFUSALS,
    AGENTS,
    CHANGES,
    CREDENTIAL_OVERLAPS,
    CREDENTIALS,
    DOCUMENTS,
    IMAGES,
    MINT_LEASES,
    OBSERVATIONS,
    REGISTRY_CHECKS,
)
from portreeve.server.documents.snapshot import (
    AgentRow,
    Checked,
    CredentialRow,
    Overlap,
    RefusalRow,
    Reported,
    Snapshot,
    TokenRow,
)
from portreeve.server.documents.stored import Stored, read
from portreeve.wire.channel import read_access_request

AGENT = "Agent"
CHECK = "Check"
CREDENTIAL = "Credential"
OBSERVATION = "Observation"
"""What besides kinds of documents stands in the list of changes."""

MOST_AT_ONCE = 400
"""Keys in one query. SQLite takes 32,766 variables, and a replica that is further behind reads everything anew."""


async def load(connection: AsyncConnection, revision: int) -> Snapshot:
    """Everything, at the revision that this transaction sees."""
    documents = (await connection.execute(select(DOCUMENTS))).all()
    credentials = (await connection.execute(select(CREDENTIALS))).all()
    overlaps = {row.credential: row for row in (await connection.execute(select(CREDENTIAL_OVERLAPS))).all()}
    minting = (await connection.execute(select(MINT_LEASES.c.credential, MINT_LEASES.c.state))).all()
    observed = (await connection.execute(select(OBSERVATIONS))).all()
    images = (await connection.execute(select(IMAGES))).all()
    checks = (await connection.execute(select(REGISTRY_CHECKS))).all()
    agents = (await connection.execute(select(AGENTS))).all()
    refusals = map(_refusal, (await connection.execute(select(ACCESS_REFUSALS))).all())
    running: dict[str, list[RunningImage]] = {}
    for row in images:
        running.setdefault(row.environment, []).append(_image(row))
    return Snapshot(
        revision,
        {stored.key: stored for stored in map(_stored, documents)},
        {(row.registry, row.purpose): _credential(row, overlaps.get(row.id)) for row in credentials},
        {row.environment: capabilities(row.facts) for row in observed},
        {row.credential: token(row.credential, row.state) for row in minting},
        {row.environment: tuple(running.get(row.environment, ())) for row in observed},
        {row.registry: checked(row) for row in checks},
        {row.environment: agent(row) for row in agents},
        {row.environment: reported(row.facts, row.generation, row.reported_at) for row in observed},
        {(row.environment, row.refusal.namespace, row.refusal.name): row for row in refusals},
    )


async def refreshed(connection: AsyncConnection, snapshot: Snapshot, revision: int) -> Snapshot:
    """The snapshot with what changed since its revision."""
    if revision == snapshot.revision:
        return snapshot
    changed = (
        await connection.execute(
            select(CHANGES.c.kind, CHANGES.c.name)
            .where(CHANGES.c.revision > snapshot.revision, CHANGES.c.revision <= revision)
            .distinct()
            .limit(MOST_AT_ONCE + 1)
        )
    ).all()
    others = {row.kind for row in changed} & {AGENT, CHECK, CREDENTIAL, OBSERVATION}
    if len(changed) > MOST_AT_ONCE or others or not snapshot.revision:
        return await load(connection, revision)
    keys = [Key(row.kind, row.name) for row in changed]
    place = tuple_(DOCUMENTS.c.kind, DOCUMENTS.c.name)
    rows = (await connection.execute(select(DOCUMENTS).where(place.in_([(key.kind, key.name) for key in keys])))).all()
    written = [_stored(row) for row in rows]
    there = {stored.key for stored in written}
    return snapshot.with_documents(revision, written, [key for key in keys if key not in there])


async def write(connection: AsyncConnection, stored: Stored, *, before: Stored | None) -> None:
    """Insert a document, or replace the version that was read.

    Raises:
        Conflict: `version_conflict`: it is at another version.
    """
    row = {
        "uid": stored.uid,
        "version": stored.version,
        "revision": stored.revision,
        "labels": dict(stored.labels),
        "annotations": dict(stored.annotations),
        "spec": dict(stored.spec),
        "status": dict(stored.state),
        "updated_at": stored.updated_at,
    }
    at = (DOCUMENTS.c.kind == stored.key.kind, DOCUMENTS.c.name == stored.key.name)
    if before is None:
        created = {"kind": stored.key.kind, "name": stored.key.name, "created_at": stored.created_at}
        await connection.execute(insert(DOCUMENTS), row | created)
        verb = "created"
    else:
        done = await connection.execute(
            update(DOCUMENTS)
            .where(*at, DOCUMENTS.c.version == before.version, DOCUMENTS.c.uid == before.uid)
            .values(**row)
        )
        _refuse_unless_one(done.rowcount, stored.key)
        verb = "updated"
    await note(connection, stored.revision, stored.key, verb, stored.version, stored.updated_at)


async def remove(connection: AsyncConnection, stored: Stored, *, revision: int, now: datetime) -> None:
    """Delete a document at the version that was read.

    Raises:
        Conflict: `version_conflict`.
    """
    key = stored.key
    done = await connection.execute(
        delete(DOCUMENTS).where(
            DOCUMENTS.c.kind == key.kind, DOCUMENTS.c.name == key.name, DOCUMENTS.c.version == stored.version
        )
    )
    _refuse_unless_one(done.rowcount, key)
    await note(connection, revision, key, "deleted", stored.version, now)


async def note(connection: AsyncConnection, revision: int, key: Key, verb: str, version: int, now: datetime) -> None:
    """One line in the list of changes, which watchers and other replicas read."""
    values = {"revision": revision, "kind": key.kind, "name": key.name, "verb": verb, "version": version, "at": now}
    await connection.execute(insert(CHANGES), values)


def _refuse_unless_one(rows: int, key: Key) -> None:
    if rows != 1:
        raise Conflict("version_conflict", f"{key} was changed by somebody else meanwhile", hint="read it again")


def capabilities(facts: Mapping[str, Any]) -> Capabilities:
    """What an environment reported of itself, out of its stored observation."""
    named: Iterable[Mapping[str, Any]] | None = facts.get("namespaces")
    namespaces = None if named is None else tuple(Namespace(one["name"], one.get("labels", {})) for one in named)
    return Capabilities(facts.get("kubernetes"), namespaces)


def agent(row: Row[Any]) -> AgentRow:
    """How an environment's agent stands, out of its row."""
    return AgentRow(row.environment, row.state, row.cluster, row.enrolled_at, row.expires_at, row.seen_at)


def reported(facts: Mapping[str, Any], generation: int, at: datetime) -> Reported:
    """What an environment said last, out of its stored observation."""
    phases = Counter(str(one.get("phase", "")) for one in facts.get("pullSecrets", ()))
    # Where somebody else's Secret has our name, or an entry alone is left, there is none of ours.
    ours = [one for one in facts.get("pullSecrets", ()) if one.get("phase") not in {"NameTaken", "EntryLeft"}]
    inventory, conditions = facts.get("inventory"), tuple(facts.get("conditions", ()))
    requests = tuple(read_access_request(one) for one in facts.get("accessRequests", ()))
    secrets = held_secrets(facts.get("pullSecrets", ()))
    return Reported(generation, at, conditions, inventory, len(ours), phases, requests, secrets)


def checked(row: Row[Any]) -> Checked:
    """How a registry's last validation ended, out of its stored checklist."""
    reason = next((check.get("code", "") for check in row.checks if check["outcome"] == "failed"), "")
    reached = not any(check["outcome"] == "failed" and check["stage"] in REACHED for check in row.checks)
    return Checked(row.outcome, reason, row.checked_at, row.ms, reached)


def _refusal(row: Row[Any]) -> RefusalRow:
    refusal = Refusal(row.namespace, row.name, row.uid, row.generation, row.why)
    return RefusalRow(row.environment, refusal, row.decided_by, row.decided_at)


def _stored(row: Row[Any]) -> Stored:
    parts = {"labels": row.labels, "annotations": row.annotations, "spec": row.spec}
    value = read(row.kind, row.name, parts, version=row.version, state=row.status).value
    return Stored(
        Key(row.kind, row.name),
        row.uid,
        row.version,
        row.revision,
        row.labels,
        row.annotations,
        row.spec,
        row.status,
        row.created_at,
        row.updated_at,
        value,
    )


def token(credential: str, state: Mapping[str, Any]) -> TokenRow:
    """How minting from a credential stands, out of the stored line of `core.refresh`."""
    why = state["why"]
    return TokenRow(credential, held(state), Why(why) if why else None, state["code"], Notice(state["told"]))


def held(state: Mapping[str, Any]) -> Held | None:
    """The token that a stored line speaks of."""
    found = state["held"]
    if found is None:
        return None
    issued_at, expires_at = (datetime.fromisoformat(found[name]) for name in ("issuedAt", "expiresAt"))
    return Held(found["serial"], found["source"], issued_at, expires_at)


def _credential(row: Row[Any], before: Row[Any] | None) -> CredentialRow:
    overlap = before and Overlap(before.version, before.declared, before.expires_at, before.begun_at, before.until)
    return CredentialRow(row.registry, row.purpose, row.id, row.owner, row.version, row.expires_at, overlap)


def _image(row: Row[Any]) -> RunningImage:
    return RunningImage(row.environment, row.namespace, row.owner, row.image)
