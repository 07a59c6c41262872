"""Killed while twenty writers share transactions: every write that was acknowledged is there after the restart.

Source: reliability, I6, F-37, F-54, F-60.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store
from tests.server.crash.conftest import Copies
from tests.server.crash.forking import Ended, Forking
from tests.server.crash.scenarios import ALONE, OWNED, opened
from tests.server.crash.state import examined, secret
from tests.server.plane import document, running
from tests.tools.postgres import PostgresServer

WRITERS = 20

WAIT_S = 60
"""For what takes a second on an idle machine."""


@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 90, 150])
def test_a_kill_among_many_writers_loses_nothing_that_was_acknowledged(
    copies: Copies, child: Forking, tmp_path: Path, writes: int
) -> None:
    async def look(url: str, ended: Ended) -> None:
        server = opened(url, tmp_path, ALONE, "r")
        await server.writer.start()
        try:
            state = await examined(server)
            there = {(row["kind"], row["name"]): row["version"] for row in state["documents"]}
            granted = Counter(row["name"] for row in state["audit_events"] if row["kind"] == "role")
            latest: dict[str, dict[str, Any]] = {}
            for name, promised in ended.told:
                if name == "document":
                    assert there[promised["kind"], promised["name"]] == promised["version"]
                else:
                    latest[promised["registry"]] = promised
            for (kind, name), version in there.items():
                if kind == "Team":
                    assert granted[name] == version
            held = (await server.documents.snapshot()).credentials
            for registry in OWNED:
                last = latest.get(registry, {"version": 2, "secret": f"second-{registry}"})
                # One more may have been stored whose acknowledgement the kill has cut off.
                assert held[registry, "pull"].version - last["version"] in {0, 1}
                if held[registry, "pull"].version == last["version"]:
                    assert await secret(server, registry) == last["secret"]
        finally:
            await server.stop()

    with copies() as url:
        ended = child.run(url, tmp_path, "", enough=lambda ended: len(ended.told) >= writes)
        assert ended.killed
        assert len(ended.told) >= writes
        asyncio.run(look(url, ended))


class Traffic:
    """Twenty clients that create documents of their own, each once; what was answered, as `201` or `503 code`."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []
        self.answers: Counter[str] = Counter()
        self.created: set[str] = set()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._write(writer)) for writer in range(WRITERS)]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let them write until it is true."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                assert not any(task.done() for task in self._tasks)
                await asyncio.sleep(0.01)

    @property
    def refused(self) -> int:
        """Answers that were none of success."""
        return self.answers.total() - self.answers["201"]

    async def _write(self, writer: int) -> None:
        for number in count(1):
            name = f"team-{writer}-{number}"
            answer = await self._client.post("/api/v1/teams", json=document("Team", name))
            if answer.status_code == 201:
                self.created.add(name)
                self.answers["201"] += 1
            else:
                self.answers[f"{answer.status_code} {answer.json()['code']}"] += 1
                await asyncio.sleep(0.02)  # a client heeds Retry-After, which says seconds


async def _emptied(transaction: Transaction) -> None:
    """Let go of the teams, whose names the next round takes again."""
    for stored in transaction.snapshot.of_kind("Team").values():
        await store.remove(transaction.connection, stored, revision=transaction.next_revision(), now=transaction.now)
    gone = [stored.key for stored in transaction.snapshot.of_kind("Team").values()]
    transaction.snapshot = transaction.snapshot.with_documents(transaction.revision, [], gone)


@pytest.mark.slow
async def test_a_database_that_crashes_under_writers_keeps_what_was_acknowledged_and_is_found_again(
    durable_postgres: PostgresServer, tmp_path: Path
) -> None:
    with durable_postgres.database() as url:
        async with running(url, tmp_path) as plane:
            admin = await plane.client("root", "platform-admin")
            for end in (durable_postgres.crash, durable_postgres.stop):
                async with Traffic(admin) as traffic:
                    await traffic.until(lambda: len(traffic.created) >= 60)
                    await asyncio.to_thread(end)
                    await traffic.until(lambda: traffic.refused >= WRITERS)
                    durable_postgres.restart()
                    more = len(traffic.created) + 60
                    await traffic.until(lambda more=more: len(traffic.created) >= more)  # type: ignore[misc]
                assert set(traffic.answers) <= {"201", "503 database_unavailable", "503 outcome_unknown"}
                there = (await plane.server.documents.snapshot()).of_kind("Team")
                assert traffic.created <= set(there)
                await examined(plane.server)
                await plane.server.writer.run(_emptied)


@pytest.mark.slow
async def test_reading_says_that_the_database_is_away(postgres: PostgresServer, tmp_path: Path) -> None:
    with PostgresServer(postgres.programs) as server, server.database() as url:
        async with running(url, tmp_path) as plane:
            admin = await plane.client("root", "platform-admin")
            server.stop()
            for path in ("/api/v1/teams", "/api/v1/environments/x/desired", "/api/v1/plans/none"):
                answer = await admin.get(path)
                assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
                assert "Retry-After" in answer.headers
