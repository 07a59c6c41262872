"""Two replicas on one PostgreSQL: no update is lost, there is one order, and each sees what the other has done.

Source: reliability, F-55, F-56, F-58, F-59.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from portreeve.core.audit import decode
from portreeve.server.audit import journal
from portreeve.server.database.tables import AUDIT_EVENTS
from tests.server.crash.scenarios import ALONE
from tests.server.crash.state import examined
from tests.server.plane import Plane, document, running

ROUNDS = 12
PATH = "/api/v1/teams/shop"

Replica = tuple[Plane, httpx2.AsyncClient]


@pytest.fixture
async def replicas(postgres_database: str, tmp_path: Path) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two planes on one database, and a client of each."""
    async with running(postgres_database, tmp_path, ALONE) as one, running(postgres_database, tmp_path, ALONE) as two:
        yield (one, await one.client("root", "platform-admin")), (two, await two.client("root"))


async def _update(client: httpx2.AsyncClient, title: str) -> tuple[str, str]:
    """Read the document, change it, and say which version came of it, or what was answered."""
    etag = (await client.get(PATH)).headers["ETag"]
    answer = await client.put(PATH, json=document("Team", "shop", title=title), headers={"If-Match": etag})
    code = "" if answer.status_code == 200 else answer.json()["code"]
    return f"{answer.status_code} {code}", answer.headers.get("ETag", "")


async def test_no_update_is_lost_between_two_replicas(replicas: tuple[Replica, Replica]) -> None:
    (one, first), (_, second) = replicas
    assert (await first.post("/api/v1/teams", json=document("Team", "shop"))).status_code == 201
    acknowledged: list[str] = []
    answers: Counter[str] = Counter()
    for number in range(ROUNDS):
        told = await asyncio.gather(
            *(_update(client, f"{number}-{at}") for at, client in enumerate((first, second) * 3))
        )
        answers.update(answer for answer, _ in told)
        acknowledged += [etag for answer, etag in told if answer == "200 "]
    assert set(answers) <= {"200 ", "412 version_outdated"}
    assert len(set(acknowledged)) == len(acknowledged), "each version was acknowledged once"
    versions = sorted(int(etag.strip('"').rpartition(".")[2]) for etag in acknowledged)
    assert versions == list(range(2, len(versions) + 2)), "and none was written that was not acknowledged"
    await examined(one.server)
    events = await _named(one, "shop")
    assert len(events) == len(versions) + 1
    assert [before for before, _ in events[1:]] == [after for _, after in events[:-1]], "one order of all changes"


async def _named(plane: Plane, name: str) -> list[tuple[str | None, str | None]]:
    """The digests before and after, of the events of one object in their order."""
    async with plane.server.database.reader.connect() as connection:
        rows = await connection.execute(
            AUDIT_EVENTS.select().where(AUDIT_EVENTS.c.name == name).order_by(AUDIT_EVENTS.c.sequence)
        )
        events = [decode(bytes(row.leaf)) for row in rows]
    return [(event.before, event.after) for event in events]


async def test_each_replica_reads_what_the_other_has_just_acknowledged(replicas: tuple[Replica, Replica]) -> None:
    (_, first), (_, second) = replicas
    await first.post("/api/v1/teams", json=document("Team", "shop"))
    clients = (first, second)
    for number in range(ROUNDS):
        writer, reader = clients[number % 2], clients[1 - number % 2]
        assert (await _update(writer, f"{number}"))[0] == "200 "
        assert (await reader.get(PATH)).json()["spec"]["title"] == f"{number}"


async def test_a_change_of_two_documents_is_seen_as_a_whole_by_the_other_replica(
    replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, first), (two, _) = replicas
    await two.only_asked()  # the first of its reads must be the test's
    both = ("left", "right")

    async def change(title: str, *names: str) -> None:
        documents = [document("Team", name, title=title) for name in names]
        plan = (await first.post("/api/v1/plans", json={"documents": documents})).json()
        assert (await first.post(f"/api/v1/plans/{plan['id']}/confirm")).status_code == 200

    await change("one", *both)
    await two.server.documents.snapshot()
    await change("two", "left")
    asked = journal.revision

    async def revision(connection: AsyncConnection) -> int:
        found = await asked(connection)
        if connection.engine.sync_engine is two.server.database.reader.sync_engine:
            monkeypatch.undo()
            await change("three", *both)
        return found

    monkeypatch.setattr(journal, "revision", revision)
    for expected in (["two", "one"], ["three", "three"]):
        teams = (await two.server.documents.snapshot()).of_kind("Team")
        assert [teams[name].spec["title"] for name in both] == expected


async def test_whoever_waits_too_long_for_the_lock_is_told_to_come_again(
    replicas: tuple[Replica, Replica], postgres_database: str
) -> None:
    (one, first), (_, second) = replicas
    engine = create_async_engine(postgres_database)
    async with engine.connect() as other:
        name = await other.scalar(text("select current_database()"))
        await other.execute(text(f"alter database {name} set lock_timeout = '100ms'"))
        await other.commit()
        await _reconnected(one)
        await other.execute(text("select * from audit_head for update"))
        answer = await first.post("/api/v1/teams", json=document("Team", "shop"))
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        await other.rollback()
    await engine.dispose()
    assert (await first.post("/api/v1/teams", json=document("Team", "shop"))).status_code == 201
    assert (await second.get(PATH)).status_code == 200


async def test_transactions_that_cannot_be_put_in_an_order_are_told_to_come_again(
    replicas: tuple[Replica, Replica],
) -> None:
    (one, first), (two, second) = replicas
    await first.post("/api/v1/teams", json=document("Team", "shop"))
    for plane in (one, two):

        @event.listens_for(plane.server.database.writer.sync_engine, "begin")
        def _begun(connection: Connection) -> None:
            connection.exec_driver_sql("set transaction isolation level serializable")

    answers: Counter[str] = Counter()
    for number in range(ROUNDS):
        told = await asyncio.gather(*(_update(client, f"{number}") for client in (first, second) * 3))
        answers.update(answer for answer, _ in told)
    assert set(answers) == {"200 ", "412 version_outdated", "503 database_unavailable"}
    await examined(one.server)


async def test_the_defaults_of_a_database_change_nothing(
    replicas: tuple[Replica, Replica], postgres_database: str
) -> None:
    (one, first), (two, second) = replicas
    await first.post("/api/v1/teams", json=document("Team", "shop"))
    engine = create_async_engine(postgres_database)
    async with engine.connect() as other:
        name = await other.scalar(text("select current_database()"))
        await other.execute(text(f"alter database {name} set default_transaction_isolation = 'serializable'"))
        await other.commit()
    await engine.dispose()
    for plane in (one, two):
        await _reconnected(plane)
    for number in range(ROUNDS):
        told = await asyncio.gather(*(_update(client, f"{number}") for client in (first, second) * 3))
        assert {answer for answer, _ in told} <= {"200 ", "412 version_outdated"}


async def _reconnected(plane: Plane) -> None:
    """Connections begin with the database's present defaults."""
    await plane.server.database.writer.dispose()
    await plane.server.database.reader.dispose()
