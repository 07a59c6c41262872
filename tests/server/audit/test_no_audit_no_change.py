"""No audit, no change (rule 14, threat AU-03): a change whose event cannot be written is not made, and reads go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from portreeve.core.audit import Actor, Agent, ObjectKind, Target, escaped
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid
from portreeve.server.database.writer import Transaction
from portreeve.server.http.caller import SYSTEM
from tests.server.audit.scene import entry, record, statement
from tests.server.plane import Plane, document, running

CANARY = "hunter2-hunter2-hunter2-hunter2-hunter2"


async def forbid(plane: Plane, table: str) -> None:
    """From now on the database refuses rows in this table."""
    if plane.server.database.sqlite:
        await statement(plane, f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")
        return
    await statement(
        plane, "CREATE FUNCTION refuse() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''no''; END' LANGUAGE plpgsql"
    )
    await statement(plane, f"CREATE TRIGGER refuse BEFORE INSERT ON {table} EXECUTE FUNCTION refuse()")


async def allow(plane: Plane, table: str) -> None:
    await statement(plane, "DROP TRIGGER refuse" + ("" if plane.server.database.sqlite else f" ON {table}"))


async def rows(plane: Plane) -> dict[str, int]:
    """Table → rows, of everything that a change could leave behind."""
    tables = ("documents", "changes", "audit_events", "audit_nodes", "answers", "plans")
    return {table: (await statement(plane, f"SELECT count(*) FROM {table}"))[0][0] for table in tables}


@pytest.mark.parametrize("table", ["audit_events", "audit_nodes"])
async def test_a_change_whose_event_is_refused_is_not_made(plane: Plane, admin: httpx2.AsyncClient, table: str) -> None:
    await admin.post("/api/v1/teams", json=document("Team", "before"))
    held, head = await rows(plane), await statement(plane, "SELECT size, peaks, revision FROM audit_head")
    await forbid(plane, table)
    made = await admin.post(
        "/api/v1/teams", json=document("Team", "shop", title=CANARY), headers={"Idempotency-Key": "k"}
    )
    assert (made.status_code, made.json()["code"]) == (503, "database_unavailable")
    assert CANARY not in made.text
    assert made.headers["Retry-After"]
    assert await rows(plane) == held
    assert await statement(plane, "SELECT size, peaks, revision FROM audit_head") == head
    # Reads go on, of documents and of the log.
    assert [one["metadata"]["name"] for one in (await admin.get("/api/v1/teams")).json()["items"]] == ["before"]
    assert (await admin.get("/api/v1/audit")).status_code == 200
    assert (await admin.get("/api/v1/teams/shop")).status_code == 404
    # An export is a change of the log, and the log cannot be changed.
    assert (await admin.get("/api/v1/audit/export")).status_code == 503
    await allow(plane, table)
    again = await admin.post("/api/v1/teams", json=document("Team", "shop"), headers={"Idempotency-Key": "k2"})
    assert again.status_code == 201


async def test_a_disk_that_is_full_refuses_changes_and_answers_reads(tmp_path: Path) -> None:
    """F-51, as SQLite says it; PostgreSQL's answer to a full disk comes the same way as the trigger's above."""
    async with running(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path) as plane:
        admin = await plane.client("root", "platform-admin")
        pages = (await statement(plane, "PRAGMA page_count"))[0][0]
        await limit(plane, pages + 2)
        made: list[str] = []
        while True:
            name = f"team-{len(made)}"
            response = await admin.post("/api/v1/teams", json=document("Team", name, title="t" * 200))
            if response.status_code != 201:
                break
            made.append(name)
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        held = (await admin.get("/api/v1/teams?limit=500")).json()["items"]
        assert sorted(one["metadata"]["name"] for one in held) == sorted(made)
        # Each that is there has its event, and there is none of one that is not.
        events = (await admin.get("/api/v1/audit?limit=500")).json()["items"]
        named = {one["object"]["name"] for one in events if one["object"]["name"].startswith("team-")}
        assert named == set(made)
        await limit(plane, pages + 10_000)
        assert (await admin.post("/api/v1/teams", json=document("Team", "after"))).status_code == 201


async def limit(plane: Plane, pages: int) -> None:
    """How large the file may become. The writer has one connection, for which it holds."""
    async with plane.server.database.writer.connect() as connection:
        await connection.execute(text(f"PRAGMA max_page_count={pages}"))


async def test_postgresql_without_the_right_to_append_refuses_changes(postgres_database: str, tmp_path: Path) -> None:
    async with running(postgres_database, tmp_path) as plane:
        admin = await plane.client("root", "platform-admin")
        held = await rows(plane)
        await statement(plane, "CREATE ROLE weak")
        await statement(plane, "GRANT ALL ON ALL TABLES IN SCHEMA public TO weak")
        await statement(plane, "REVOKE INSERT ON audit_events FROM weak")
        try:
            await role(plane, "SET ROLE weak")
            made = await admin.post("/api/v1/teams", json=document("Team", "shop"))
            assert (made.status_code, made.json()["code"]) == (503, "database_unavailable")
            await role(plane, "RESET ROLE")
            assert await rows(plane) == held
        finally:
            await statement(plane, "DROP OWNED BY weak")
            await statement(plane, "DROP ROLE weak")


async def role(plane: Plane, sql: str) -> None:
    """For the one connection of the writer."""
    async with plane.server.database.writer.connect() as connection:
        await connection.execute(text(sql))
        await connection.commit()


async def test_one_job_that_fails_takes_no_event_of_another_with_it(plane: Plane) -> None:
    async def failing(transaction: Transaction) -> None:
        transaction.record(entry(1))
        raise Invalid("test", "this one fails")

    async def malformed(transaction: Transaction) -> None:
        transaction.record(entry(1, reason="This is no code."))

    async def fine(transaction: Transaction) -> None:
        transaction.record(entry(2))

    run = plane.server.writer.run
    results = await asyncio.gather(*(run(job) for job in (fine, failing, malformed, fine)), return_exceptions=True)
    assert [type(one) for one in results] == [type(None), Invalid, Invalid, type(None)]
    names = await statement(plane, "SELECT name FROM audit_events ORDER BY sequence")
    assert [name for (name,) in names] == ["registry-2", "registry-2"]


async def test_a_refused_change_leaves_its_event_and_nothing_else(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await admin.post("/api/v1/teams", json=document("Team", "shop"))
    nobody = await plane.client("nobody")
    held = await rows(plane)
    refused = await nobody.post("/api/v1/teams", json=document("Team", "mine", title=CANARY))
    assert refused.status_code == 404
    after = await rows(plane)
    assert after == {**held, "audit_events": held["audit_events"] + 1, "audit_nodes": after["audit_nodes"]}
    (event,) = (await admin.get("/api/v1/audit?limit=1")).json()["items"]
    assert (event["outcome"], event["reason"]) == ("refused", refused.json()["code"])
    assert (event["actor"]["principal"], event["object"]["name"]) == ("nobody", "mine")
    assert event["request"] == refused.headers["X-Request-Id"]
    assert CANARY not in str(event)


async def test_an_export_that_is_refused_is_recorded(plane: Plane, admin: httpx2.AsyncClient) -> None:
    nobody = await plane.client("nobody")
    assert (await nobody.get("/api/v1/audit/export")).status_code == 403
    (event,) = (await admin.get("/api/v1/audit?limit=1")).json()["items"]
    assert (event["action"], event["outcome"], event["reason"]) == ("audit.export", "refused", "audit_not_all")


async def test_no_event_holds_what_was_sent(plane: Plane, admin: httpx2.AsyncClient) -> None:
    """Canaries in every place of a request that is no name (threat AU-02)."""
    body = document("Team", "shop", title=CANARY)
    body["metadata"]["annotations"] = {"example.com/a": CANARY}
    made = await admin.post(
        f"/api/v1/teams?x={CANARY}", json=body, headers={"Idempotency-Key": CANARY, "X-Secret": CANARY}
    )
    assert made.status_code == 201
    await admin.post("/api/v1/teams", content=CANARY.encode(), headers={"Content-Type": "application/json"})
    stored = await statement(plane, "SELECT leaf FROM audit_events")
    assert stored
    assert not [leaf for (leaf,) in stored if CANARY.encode() in bytes(leaf)]


async def test_names_that_lie_are_escaped_in_the_log(plane: Plane, admin: httpx2.AsyncClient) -> None:
    name = "evil\n\x1b[31m\u202e\u2028\\u{a}"
    await record(plane, entry(0, target=Target(ObjectKind.USER, escaped(name)), actor=Actor(escaped(name), SYSTEM)))
    (leaf,) = (await statement(plane, "SELECT leaf FROM audit_events ORDER BY sequence DESC LIMIT 1"))[0]
    assert not {10, 13, 27} & set(bytes(leaf))
    (event,) = (await admin.get("/api/v1/audit", params={"principal": name})).json()["items"]
    assert event["object"]["name"] == escaped(name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Target(ObjectKind.USER, SecretValue(CANARY)),  # type: ignore[arg-type]
        lambda: Target(ObjectKind.USER, "two\nlines"),
        lambda: Actor(SecretValue(CANARY), SYSTEM),  # type: ignore[arg-type]
        lambda: Actor({"body": CANARY}, SYSTEM),  # type: ignore[arg-type]
        lambda: Agent(CANARY, 1),
    ],
)
def test_a_secret_or_a_body_fits_in_no_field(make: object) -> None:
    assert callable(make)
    with pytest.raises(Invalid) as caught:
        make()
    assert CANARY not in caught.value.diagnostics()


async def test_an_entry_that_is_no_event_makes_its_change_fail(plane: Plane, admin: httpx2.AsyncClient) -> None:
    held = await rows(plane)
    with pytest.raises(Invalid):
        await record(plane, entry(0, reason=CANARY))
    assert await rows(plane) == held
    assert (await admin.get("/api/v1/audit")).status_code == 200
