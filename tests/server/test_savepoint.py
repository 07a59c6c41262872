"""Jobs that share a transaction: what fails is undone to where its own first statement began, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.exc import IntegrityError

from portreeve.core.audit import Outcome
from portreeve.errors import Invalid
from portreeve.server.database.sqlite_driver import OneTripCursor
from portreeve.server.database.tables import CHANGES
from portreeve.server.database.writer import Job, Refusal, Transaction
from tests.server.audit.scene import entry, statement
from tests.server.plane import Plane

KIND = "Tried"


async def write(transaction: Transaction, name: str, revision: int = 0) -> None:
    """One row in the list of changes."""
    values = {"revision": revision or transaction.next_revision(), "version": 1, "at": transaction.now}
    await transaction.connection.execute(insert(CHANGES), {"kind": KIND, "name": name, "verb": "put", **values})


def good(name: str, count: int = 1) -> Job[str]:
    """Write this often, and answer the name."""

    async def job(transaction: Transaction) -> str:
        for _ in range(count):
            await write(transaction, name)
        return name

    return job


def bad(count: int, failure: Exception) -> Job[str]:
    """Write this often, and fail."""

    async def job(transaction: Transaction) -> str:
        await good("bad", count)(transaction)
        transaction.record(entry(1))
        raise failure

    return job


async def twice(transaction: Transaction) -> str:
    """The same row twice, which the database itself refuses."""
    await write(transaction, "twice", 1_000_000)
    await write(transaction, "twice", 1_000_000)
    return "never"


async def together(plane: Plane, *jobs: Job[str]) -> list[Any]:
    """What they answer, out of one transaction: they are all there before the writer comes to the first."""
    return await asyncio.gather(*(plane.server.writer.run(job) for job in jobs), return_exceptions=True)


async def written(plane: Plane) -> list[str]:
    return [name for (name,) in await statement(plane, f"SELECT name FROM changes WHERE kind = '{KIND}' ORDER BY 1")]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_job_that_fails_leaves_nothing_and_takes_nothing_with_it(plane: Plane, count: int) -> None:
    failing = bad(count, Invalid("test", "this one fails"))
    # The one without a statement has no savepoint of its own, and must not be rolled back to that of the one before it.
    answers = await together(plane, good("a"), failing, good("b", 2), failing, failing, good("c"))
    assert [one if isinstance(one, str) else type(one) for one in answers] == ["a", Invalid, "b", Invalid, Invalid, "c"]
    assert await written(plane) == ["a", "b", "b", "c"]
    assert await statement(plane, "SELECT count(*) FROM audit_events") == [(0,)]


@pytest.mark.parametrize("count", [0, 2])
async def test_a_refused_job_leaves_its_event_alone(plane: Plane, count: int) -> None:
    refused = bad(count, Refusal(Invalid("test", "no"), entry(7, outcome=Outcome.REFUSED, reason="test")))
    answers = await together(plane, good("a"), refused, good("b"))
    assert [one if isinstance(one, str) else type(one) for one in answers] == ["a", Invalid, "b"]
    assert await written(plane) == ["a", "b"]
    assert await statement(plane, "SELECT name, outcome FROM audit_events") == [("registry-7", "refused")]


async def test_a_statement_that_the_database_refuses_is_the_failure_of_its_job(plane: Plane) -> None:
    answers = await together(plane, twice, good("a"), twice, good("b"))
    assert [one if isinstance(one, str) else type(one) for one in answers] == [IntegrityError, "a", IntegrityError, "b"]
    assert await written(plane) == ["a", "b"]


async def test_a_job_alone_that_fails_leaves_nothing(plane: Plane) -> None:
    for job in (bad(0, Invalid("test", "no")), bad(2, Invalid("test", "no")), twice):
        assert isinstance((await together(plane, job))[0], Invalid | IntegrityError)
    assert await written(plane) == []
    assert await together(plane, good("a")) == ["a"]
    assert await written(plane) == ["a"]


async def test_a_savepoint_is_taken_by_the_first_statement_of_a_job_and_by_no_other(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def heard(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        said.append(sql.split(maxsplit=1)[0])

    async def silent(transaction: Transaction) -> str:
        transaction.record(entry(1))
        return "silent"

    event.listen(plane.server.database.writer.sync_engine, "before_cursor_execute", heard)
    behind = OneTripCursor.behind

    def noted(self: OneTripCursor, sql: str) -> None:
        said.append(sql.split(maxsplit=1)[0])
        behind(self, sql)

    monkeypatch.setattr(OneTripCursor, "behind", noted)
    assert await together(plane, silent) == ["silent"]
    # What is said when the jobs have ended, the events, is behind no savepoint that nobody took.
    assert "SAVEPOINT" not in said
    assert "INSERT" in said
    said.clear()
    assert await together(plane, good("a", 3), silent, good("b")) == ["a", "silent", "b"]
    assert said.count("SAVEPOINT") == 2


async def test_what_follows_a_rollback_in_the_same_transaction_is_kept(plane: Plane) -> None:
    failing = bad(1, Invalid("test", "no"))
    for _ in range(3):
        await together(plane, failing, good("a"), failing, good("b"), failing)
    assert await written(plane) == ["a", "a", "a", "b", "b", "b"]
