"""What tests of the audit log set up: events, an export, what verifying it says, and rows changed behind our back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
from sqlalchemy import text

from portreeve.core.audit import Action, Actor, ObjectKind, Outcome, Target
from portreeve.core.audit_verify import Report, Trust, verify
from portreeve.core.checkpoint import Checkpoint, parse, parse_key
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction
from portreeve.server.http.caller import SYSTEM
from portreeve.vault import notes
from tests.server.plane import Plane


def entry(number: int = 0, *, environment: str | None = None, project: str | None = None, **fields: Any) -> Entry:
    """An entry about a registry."""
    target = Target(ObjectKind.REGISTRY, f"registry-{number}", environment, project)
    values: dict[str, Any] = {"actor": Actor("ci@example.com", SYSTEM), "action": Action.REGISTRY_UPDATE}
    values |= {"target": target, "request": f"req-{number}"}
    return Entry(**{**values, **fields})


async def record(plane: Plane, *entries: Entry) -> None:
    """Write events, in one transaction."""

    async def job(transaction: Transaction) -> None:
        for one in entries:
            transaction.record(one)

    await plane.server.writer.run(job)


async def fill(plane: Plane, count: int) -> None:
    """So many events, every third one refused."""
    ends = (Outcome.DONE, Outcome.DONE, Outcome.REFUSED)
    await record(plane, *(entry(number, outcome=ends[number % 3]) for number in range(count)))


async def statement(plane: Plane, sql: str, **values: Any) -> list[Any]:
    """Run SQL as somebody with the database's password does."""
    async with plane.server.database.writer.begin() as connection:
        result = await connection.execute(text(sql), values)
        return list(result.all()) if result.returns_rows else []


async def exported(client: httpx2.AsyncClient) -> list[bytes]:
    """The lines of an export."""
    response = await client.get("/api/v1/audit/export")
    assert response.status_code == 200, response.text
    return response.content.splitlines(keepends=True)


async def trust(plane: Plane, kept: Checkpoint | None = None) -> Trust:
    """Trust in the log's key, and in a checkpoint kept elsewhere."""
    return Trust((parse_key(str(await plane.server.audit.verifier())),), notes.verify, kept)


async def judged(plane: Plane, lines: Sequence[bytes], kept: Checkpoint | None = None) -> Report:
    """What verifying says of an export."""
    return verify(lines, await trust(plane, kept))


async def kept_now(plane: Plane) -> Checkpoint:
    """Sign what is new, and keep the last checkpoint elsewhere."""
    await plane.server.audit.checkpoint()
    return parse(await plane.server.audit.last_checkpoint()).checkpoint
