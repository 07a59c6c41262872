"""No secret is found in any byte that a control plane leaves; and the search is not blind.

Sources: mission, rule 5; reliability I5; threats CS-01, API-01, AU-02.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import insert

from portreeve.core.audit import Action, Actor, ObjectKind, Target
from portreeve.server.audit.journal import Entry
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.database.tables import ANSWERS, PLANS
from portreeve.server.database.writer import Transaction
from portreeve.server.desired.store import StoredState, save
from portreeve.server.http.caller import SYSTEM
from tests.canary import ENCODINGS, Canary, Finder, Hit
from tests.server.canary import exercise, sinks
from tests.server.canary.secrets_of import made, plain
from tests.server.canary.sinks import Recorder, Sink
from tests.server.plane import NOW, Plane, document, running
from tests.tools.postgres import PostgresServer

CREDENTIALS = 300
ROTATED = 40


@dataclass
class Swept:
    """A control plane that is swept: everything that it leaves, again and again."""

    plane: Plane
    client: httpx2.AsyncClient
    recorder: Recorder
    url: str
    directory: Path
    postgres: PostgresServer | None
    printed: Callable[[], tuple[str, str]]

    def sinks(self) -> Iterator[Sink]:
        """Every sink there is."""
        yield from self.recorder.sinks()
        out, err = self.printed()
        yield from (("stdout", out.encode()), ("stderr", err.encode()))
        yield from sinks.tables(self.url)
        yield from sinks.files(self.url, self.postgres)
        yield from sinks.backup(self.url, self.directory, self.postgres)

    def found(self, finder: Finder) -> list[Hit]:
        """What is found in them."""
        return [hit for name, data in self.sinks() for hit in finder.search(data, name)]


Plant = Callable[[Swept, str], Awaitable[None]]


async def _insert(swept: Swept, statement: object) -> None:
    async def job(transaction: Transaction) -> None:
        await transaction.connection.execute(statement)  # type: ignore[call-overload]

    await swept.plane.server.writer.run(job)


async def in_an_answer(swept: Swept, leak: str) -> None:
    await swept.plane.put(document("Team", "leak", title=leak))
    await swept.client.get("/api/v1/teams/leak")


async def in_a_header(swept: Swept, leak: str) -> None:
    request = httpx2.Request("GET", "http://127.0.0.1/leak")
    await swept.recorder.answered(httpx2.Response(200, headers={"X-Leak": leak}, request=request))


async def in_the_log(swept: Swept, leak: str) -> None:
    logging.getLogger("portreeve.leak").debug("stored %s", leak)


async def on_stdout(swept: Swept, leak: str) -> None:
    print(leak)


async def on_stderr(swept: Swept, leak: str) -> None:
    print(leak, file=sys.stderr)


async def in_a_traceback(swept: Swept, leak: str) -> None:
    async def seal(self: Keeper, *given: object) -> None:
        raise RuntimeError(leak)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keeper, "seal", seal)
        answer = await swept.client.put(next(exercise.places(1)), json={"secret": "x"})
    assert answer.status_code == 500
    assert leak not in answer.text


async def in_the_audit_log(swept: Swept, leak: str) -> None:
    async def job(transaction: Transaction) -> None:
        target = Target(ObjectKind.CREDENTIAL, leak)
        transaction.record(Entry(Actor("test", SYSTEM), Action.CREDENTIAL_SET, target, "leak"))

    await swept.plane.server.writer.run(job)


async def in_a_plan(swept: Swept, leak: str) -> None:
    values = {"id": "leak", "digest": "", "proposer": "x", "proposal": {"documents": [leak]}, "basis": {},
              "summary": {}, "state": "open", "created_at": NOW, "expires_at": NOW + timedelta(days=1)}  # fmt: skip
    await _insert(swept, insert(PLANS).values(**values))


async def _in_an_answer_kept(swept: Swept, key: str, body: bytes) -> None:
    values = {"principal": "x", "key": key, "request": "", "status": 200, "headers": {}, "expires_at": NOW}
    await _insert(swept, insert(ANSWERS).values(body=body, **values))


async def in_an_answer_kept(swept: Swept, leak: str) -> None:
    await _in_an_answer_kept(swept, "leak", leak.encode())


async def in_a_packed_answer(swept: Swept, leak: str) -> None:
    await _in_an_answer_kept(swept, "packed", gzip.compress(json.dumps({"secret": leak}).encode()))


async def in_a_desired_state(swept: Swept, leak: str) -> None:
    body = json.dumps({"document": {"sealed": base64.b64encode(leak.encode()).decode()}}).encode()
    state = StoredState("leak", 1, "", "", body, 1, NOW, NOW)

    async def job(transaction: Transaction) -> None:
        await save(transaction.connection, state)

    await swept.plane.server.writer.run(job)


PLANTS: tuple[tuple[str, str, Plant], ...] = (
    ("response", "json", in_an_answer),
    ("response", "hex", in_a_header),
    ("log", "raw", in_the_log),
    ("stdout", "base64+1", on_stdout),
    ("stderr", "url, all", on_stderr),
    ("traceback", "utf-16-le", in_a_traceback),
    ("table audit_events", "base64url", in_the_audit_log),
    ("table plans", "HEX", in_a_plan),
    ("table answers", "raw", in_an_answer_kept),
    ("table answers", "raw", in_a_packed_answer),
    ("table desired_states", "raw", in_a_desired_state),
    ("file", "raw", in_an_answer_kept),
    ("file", "HEX", in_a_plan),
    ("backup", "raw", in_an_answer_kept),
    ("backup", "base64url", in_the_audit_log),
    ("backup", "raw", in_a_packed_answer),
)
"""Where something is to be found, in which encoding it is put there, and how."""


async def planted(swept: Swept) -> int:
    """Put a canary in each kind of sink, and see that the sweep finds each: how many those are."""
    canaries = dict(zip(dict.fromkeys(plant for _, _, plant in PLANTS), plain("planted"), strict=False))
    encodings = {plant: encoding for _, encoding, plant in PLANTS}
    for plant, canary in canaries.items():
        await plant(swept, ENCODINGS[encodings[plant]](canary.secret).decode("latin-1"))
    hits = swept.found(Finder(canaries.values()))
    for sink, encoding, plant in PLANTS:
        found = {hit.sink for hit in hits if hit.canary == canaries[plant].name}
        assert any(name.startswith(sink) for name in found), (sink, encoding, plant.__name__, found)
    return len(PLANTS)


@pytest.mark.slow
async def test_no_secret_is_in_any_byte_that_is_left(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorder, stored, rotated = Recorder(), made("stored", CREDENTIALS), made("rotated", ROTATED)
    canaries: list[Canary] = [*stored, *rotated]
    postgres = None if database_url.startswith("sqlite") else request.getfixturevalue("postgres")
    with recorder.recording(monkeypatch):
        async with running(database_url, tmp_path) as plane:
            await exercise.scene(plane, CREDENTIALS // len(exercise.PURPOSES))
            client = await plane.client("root", "platform-admin")
            client.event_hooks = {"response": [recorder.answered]}
            swept = Swept(plane, client, recorder, database_url, tmp_path, postgres, capsys.readouterr)
            await exercise.store(client, stored)
            canaries += await exercise.misplace(client, plain("misplaced"))
            await exercise.change(plane, client, rotated)
            canaries += await exercise.fail(plane, client, plain("failed"))
            assert await exercise.read_all(plane, client) > 30
            recorder.answers.append(("response watch", await exercise.watched(plane, client.headers["authorization"])))
            finder = Finder(canaries)
            hits = swept.found(finder)
            assert not hits, "\n".join(sorted({f"{hit.canary}: {hit.encoding} in {hit.sink}" for hit in hits})[:40])
            leaks = await planted(swept)
    with capsys.disabled():
        print(
            f"\n{CREDENTIALS} credentials × {len(ENCODINGS)} encodings over {finder.sinks} sinks, "
            f"{finder.bytes_searched:,} bytes: {len(hits)} hits; {leaks} of {len(PLANTS)} planted leaks found",
            file=sys.stderr,
        )
