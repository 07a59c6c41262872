"""Killed at every statement: what was acknowledged is there, what was not is there as a whole or not at all.

Each scenario runs once to its end, which tells how many statements it has and which of them are commits. Then it runs
on a fresh copy of the database for each statement, and is killed before it, and after it, too, if it is a commit. After
any other statement is before the next one: nothing is told to the database between them, and what was acknowledged
there is known before the next. How many commits were passed says exactly which state must be found: between two commits
all runs must leave the same one. Afterwards whoever was cut
off goes on: sends the plan's confirmation again, lets the re-wrap find what is left, rotates once more.

Sources: reliability, I6, I7, I12, F-37, F-42 and section 3.4; mission, rules 9 and 14.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from portreeve.core.rewrap import Phase
from portreeve.core.secret import SecretValue
from portreeve.server.app import Server
from portreeve.server.database.writer import Transaction
from portreeve.vault.ports import MasterKeys
from tests.server.crash.conftest import Copies
from tests.server.crash.forking import Ended, Forking
from tests.server.crash.kill import AFTER, BEFORE
from tests.server.crash.scenarios import CHANGED, NEW, OWNED, SCENARIOS, confirm, opened, root
from tests.server.crash.state import State, examined, secret


async def kept(server: Server, ended: Ended) -> None:
    """What was acknowledged is there."""
    snapshot = await server.documents.snapshot()
    for name, promised in ended.told:
        if name == "stored":
            row = snapshot.credentials[promised["registry"], "pull"]
            assert row.version == promised["version"]
            assert await secret(server, promised["registry"]) == promised["secret"]
        elif name == "confirmed":
            found = {(key.kind, key.name): stored.version for key, stored in snapshot.documents.items()}
            assert CHANGED.items() <= found.items()


def whole(state: State) -> None:
    """The plan's documents are there as a whole or not at all, with one event each; so is a secret with its rows."""
    versions = {(row["kind"], row["name"]): row["version"] for row in state["documents"]}
    reached = {key: versions.get(key, 0) >= version for key, version in CHANGED.items()}
    assert len(set(reached.values())) == 1, reached
    events = Counter((row["action"], row["name"]) for row in state["audit_events"] if row["outcome"] == "done")
    changed = any(reached.values())
    for event, before in {
        ("policy.create", "second"): 0,
        ("policy.update", "first"): 0,
        ("registry.create", "added"): 0,
        ("access.grant", "base-west"): 0,
        ("access.grant", "base-east"): 1,
    }.items():
        assert events[event] == before + changed
    assert len(state["answers"]) == changed
    assert [row["state"] for row in state["plans"]] in ([["confirmed"]] if changed else [[], ["open"]])
    for row in state["credentials"]:
        name = f"{row['registry']}/{row['purpose']}"
        assert events["credential.set", name] + events["credential.rotate", name] == row["version"]
        sealed = [one["version"] for one in state["credential_versions"] if one["id"] == row["id"]]
        # The present one, and the one before exactly as long as it is said to be delivered.
        overlap = [one["version"] for one in state["credential_overlaps"] if one["credential"] == row["id"]]
        assert sealed == [*overlap, row["version"]]
    assert {row["registry"] for row in state["credentials"]} >= set(OWNED)
    for key in state["owner_keys"]:
        moved = key["master_key"] == NEW.key_id or key["epoch"] > 1
        assert events["key.rotate", f"{key['owner'] or 'global'}#{key['epoch']}"] == moved


async def repeated(server: Server, ended: Ended) -> None:
    """The confirmation, sent again with its key, has one effect."""
    plan = next((promised["id"] for name, promised in ended.told if name == "planned"), None)
    if plan is not None:
        done = any(row["state"] == "confirmed" for row in (await examined(server))["plans"])
        assert await confirm(server, plan) == done
        assert await confirm(server, plan)
        await kept(server, Ended([("confirmed", {})]))


async def rewrapped(server: Server, ended: Ended) -> None:
    """The re-wrap finds what is left, and the old master key is needed by nothing any more."""
    done = await server.rewrap.to_current_master()
    assert (done.phase, done.left, done.failures) == (Phase.DONE, 0, ())
    assert {row["master_key"] for row in (await examined(server))["owner_keys"]} == {NEW.key_id}
    server.credentials.keeper.__init__(MasterKeys(NEW))  # type: ignore[misc] # as after a start with the new key alone
    await examined(server)


async def moved(server: Server, ended: Ended) -> None:
    """A rotation that was cut short is finished: everything of the owner is under its newest key."""
    assert all(state.phase is Phase.DONE for state in (await server.rewrap.finish_rotations()).values())
    state = await examined(server)
    newest = max(row["epoch"] for row in state["owner_keys"] if row["owner"] == "")
    assert {row["epoch"] for row in state["credential_versions"] if row["owner"] == ""} == {newest}


async def rotated(server: Server, ended: Ended) -> None:
    """The next secret can be stored: nothing was left locked or half-done."""
    caller = await root(server)

    async def job(transaction: Transaction) -> None:
        await server.credentials.put(transaction, caller, "shop", "pull", SecretValue("next"), None, rotating=True)

    await server.writer.run(job)
    assert await secret(server, "shop") == "next"


GOING_ON: dict[str, Callable[[Server, Ended], Awaitable[None]]] = {
    "first secret": rotated,
    "rotation": rotated,
    "new master key": rewrapped,
    "new owner key": moved,
    "confirmed plan": repeated,
}


def found(url: str, data: Path, scenario: str, ended: Ended) -> State:
    """The state that a run has left, seen by a new control plane, which then goes on."""

    async def run() -> State:
        server = opened(url, data, SCENARIOS[scenario].masters, "r")
        await server.writer.start()
        try:
            state = await examined(server)
            whole(state)
            await kept(server, ended)
            await GOING_ON[scenario](server, ended)
            whole(await examined(server))
        finally:
            await server.stop()
        return state

    return asyncio.run(run())


@pytest.mark.slow
def test_a_kill_at_any_statement_loses_nothing_and_leaves_nothing_half_done(
    copies: Copies, child: Forking, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    points: Counter[str] = Counter()
    for scenario in SCENARIOS:
        with copies() as url:
            complete = child.run(url, tmp_path, scenario)
            assert complete.status == 0
            states = {len(complete.commits): found(url, tmp_path, scenario, complete)}
        for at in range(1, complete.statements + 1):
            for moment in (BEFORE, AFTER) if at in {*complete.commits, complete.statements} else (BEFORE,):
                with copies() as url:
                    ended = child.run(url, tmp_path, scenario, at=at, moment=moment)
                    assert ended.killed, (scenario, at, moment)
                    state = found(url, tmp_path, scenario, ended)
                passed = sum(commit < at or (commit == at and moment == AFTER) for commit in complete.commits)
                assert states.setdefault(passed, state) == state, (scenario, at, moment)
                points[scenario] += 1
        assert set(states) == set(range(len(complete.commits) + 1))
        for passed in range(len(complete.commits)):
            assert states[passed] != states[passed + 1], "each commit has changed something"
    engine = request.node.callspec.params["copies"]
    with capsys.disabled():
        told = ", ".join(f"{name} {number}" for name, number in points.items())
        print(f"\n{points.total()} kill points on {engine}, 0 lost, 0 torn ({told})", file=sys.stderr)
