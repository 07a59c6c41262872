"""Whoever can write the database, or has an export in their hands, is found out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.core.audit_verify import Result
from portreeve.core.checkpoint import Checkpoint
from portreeve.errors import PortreeveError
from tests.cli.program import PROGRAM
from tests.server.audit.scene import entry, exported, fill, judged, kept_now, record, statement
from tests.server.plane import Plane, running

pytestmark = pytest.mark.wide

EVENTS = 1000
SAMPLE = 23
"""Every so many of a kind are tried one by one; that every byte counts is a law of core (tests/core)."""


async def test_an_export_of_a_thousand_events_is_verified_by_the_command(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    kept = ""
    for part in range(4):
        await record(plane, *(entry(number) for number in range(EVENTS // 4)))
        await plane.server.audit.checkpoint()
        if part == 1:
            kept = (await admin.get("/api/v1/audit/checkpoint")).text
    file, key, old = tmp_path / "audit.jsonl", tmp_path / "audit.pub", tmp_path / "kept.txt"
    lines = await exported(admin)
    file.write_bytes(b"".join(lines))
    key.write_text((await admin.get("/api/v1/audit/key")).text)
    old.write_text(kept)

    def command(data: bytes) -> tuple[int, dict[str, Any]]:
        file.write_bytes(data)
        arguments = ["verify", "audit", str(file), "--key-file", str(key), "--checkpoint", str(old), "-o", "json"]
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, check=False)
        assert done.stdout, done.stderr.decode()
        return done.returncode, json.loads(done.stdout)

    code, found = command(b"".join(lines))
    assert (code, found["result"]) == (0, "intact")
    assert (found["events"], found["checkpoints"]) == (await plane.server.audit.size(), 5)
    assert found["events"] >= EVENTS
    last = json.loads(lines[-2])["event"]
    assert (last["action"], last["actor"]["principal"]) == ("audit.export", "root")
    assert command(b"".join(lines[:-1]))[0] == 3
    assert command(b"".join(lines[:300]))[0] == 1
    assert command(b"".join(lines).replace(b"registry-77", b"registry-78", 1))[0] == 1


def mutations(lines: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A sample of every class of byte in an export, and of what can be done with whole lines."""
    event, note = lines[5], next(number for number, line in enumerate(lines) if b"checkpoint" in line)
    for number, line in ((5, event), (note, lines[note])):
        for at in range(0, len(line), 7):
            for flip in (1, 0x20):
                changed = bytearray(line)
                changed[at] ^= flip
                yield f"byte {at} of line {number}", [*lines[:number], bytes(changed), *lines[number + 1 :]]
    other = json.loads(event)
    for name, value in other["event"].items():
        changed_event = {**other["event"], name: value + 1 if isinstance(value, int) else f"{value}x"}
        text = json.dumps({"event": changed_event, "type": "event"}, sort_keys=True, separators=(",", ":")).encode()
        yield f"field {name}", [*lines[:5], text + b"\n", *lines[6:]]
    yield "a line dropped", [*lines[:5], *lines[6:]]
    yield "a line twice", [*lines[:6], *lines[5:]]
    yield "two lines exchanged", [*lines[:5], lines[6], lines[5], *lines[7:]]
    yield "an empty line", [*lines[:5], b"\n", *lines[5:]]
    yield "a checkpoint moved", [*lines[:note], lines[note + 1], lines[note], *lines[note + 2 :]]
    yield "the end cut off", lines[: note + 1]
    yield "cut in a line", [*lines[:-1], lines[-1][:-9]]


async def test_every_class_of_change_to_an_export_is_found(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await fill(plane, 20)
    await kept_now(plane)
    await fill(plane, 20)
    lines = await exported(admin)
    kept = await kept_now(plane)
    assert (await judged(plane, lines)).result is Result.INTACT
    for what, changed in mutations(lines):
        assert changed != lines
        assert (await judged(plane, changed, kept)).result is Result.TAMPERED, what


FOUND_OUT = {"audit_damaged", "audit_rolled_back", "audit_checkpoint_foreign"}


async def detected(plane: Plane, admin: httpx2.AsyncClient, kept: Checkpoint) -> set[str]:
    """Who notices: signing, walking, or verifying an export with a kept checkpoint."""
    found = set()
    await fill(plane, 1)
    for name, step in (("signing", plane.server.audit.checkpoint), ("walking", plane.server.audit.walk)):
        try:
            await step()
        except PortreeveError as error:
            found.add(name if error.code in FOUND_OUT else error.code)
    report = await judged(plane, await exported(admin), kept)
    if report.result is Result.TAMPERED:
        found.add("verifying")
    return found


async def thousand(plane: Plane) -> Checkpoint:
    await fill(plane, EVENTS // 2)
    await kept_now(plane)
    await fill(plane, EVENTS // 2)
    return await kept_now(plane)


CHANGED: dict[str, object] = {
    "leaf": b"{}", "principal": "somebody", "action": "team.create", "kind": "lease", "name": "other",
    "environment": "prod-eu", "project": "shop", "outcome": "done!", "request": "req", "time": 1,
}  # fmt: skip


async def test_each_changed_column_is_found_wherever_it_stands(plane: Plane) -> None:
    await fill(plane, 60)
    await kept_now(plane)
    await fill(plane, 60)
    for number in (0, 59, 60, 119):
        where = f"WHERE sequence = {number}"
        for column, value in CHANGED.items():
            (row,) = await statement(plane, f"SELECT {column} FROM audit_events {where}")
            await statement(plane, f"UPDATE audit_events SET {column} = :value {where}", value=value)
            with pytest.raises(PortreeveError, match=f"event {number} ") as caught:
                await plane.server.audit.walk()
            assert caught.value.code == "audit_damaged"
            await statement(plane, f"UPDATE audit_events SET {column} = :value {where}", value=row[0])
    await plane.server.audit.walk()


async def test_each_changed_leaf_is_found_by_who_verifies_an_export(plane: Plane, admin: httpx2.AsyncClient) -> None:
    kept = await thousand(plane)
    for number in range(0, EVENTS, SAMPLE * 7):
        where = f"WHERE sequence = {number}"
        (row,) = await statement(plane, f"SELECT leaf FROM audit_events {where}")
        # A change that leaves a whole event of the same number: nothing but the tree can tell.
        changed = bytes(row[0]).replace(b'"request":"', b'"request":"x')
        await statement(plane, f"UPDATE audit_events SET leaf = :leaf {where}", leaf=changed)
        report = await judged(plane, await exported(admin), kept)
        assert report.finding is not None
        assert report.finding.code in {"audit_root", "audit_rewritten"}
        await statement(plane, f"UPDATE audit_events SET leaf = :leaf {where}", leaf=row[0])
    assert (await judged(plane, await exported(admin), kept)).result is Result.INTACT


async def test_each_changed_or_missing_node_is_found_by_walking(plane: Plane) -> None:
    await thousand(plane)
    nodes = await statement(plane, "SELECT level, position, hash FROM audit_nodes ORDER BY level, position")
    assert len(nodes) == sum(EVENTS >> level for level in range(10))
    for row in [*nodes[::SAMPLE * 7], nodes[-1]]:  # fmt: skip
        where = f"WHERE level = {row.level} AND position = {row.position}"
        for number in (0, 31):
            changed = bytearray(row.hash)
            changed[number] ^= 1
            await statement(plane, f"UPDATE audit_nodes SET hash = :hash {where}", hash=bytes(changed))
            with pytest.raises(PortreeveError, match=f"level {row.level}, position {row.position}"):
                await plane.server.audit.walk()
        await statement(plane, f"DELETE FROM audit_nodes {where}")
        with pytest.raises(PortreeveError, match=f"level {row.level}, position {row.position}"):
            await plane.server.audit.walk()
        values = {"level": row.level, "position": row.position, "hash": row.hash}
        await statement(plane, "INSERT INTO audit_nodes VALUES (:level, :position, :hash)", **values)
    await plane.server.audit.walk()


@pytest.mark.parametrize(
    ("what", "by"),
    [
        # What is new when the next checkpoint is due is hashed anew before it is signed.
        ("UPDATE audit_events SET leaf = :other WHERE sequence = 60", {"signing", "walking", "verifying"}),
        ("UPDATE audit_events SET principal = 'x' WHERE sequence = 60", {"signing", "walking"}),
        ("DELETE FROM audit_events WHERE sequence = 60", {"signing", "walking", "verifying"}),
        ("UPDATE audit_nodes SET hash = :hash WHERE level = 0 AND position = 60", {"signing", "walking"}),
        # What was signed before: its full subtrees are read again, its leaves by who walks or verifies.
        ("UPDATE audit_events SET leaf = :other WHERE sequence = 7", {"walking", "verifying"}),
        ("DELETE FROM audit_events WHERE sequence = 7", {"walking", "verifying"}),
        ("UPDATE audit_nodes SET hash = :hash WHERE level = 5 AND position = 0", {"signing", "walking"}),
        ("UPDATE audit_head SET peaks = :peaks", {"signing", "walking"}),
        ("UPDATE audit_checkpoints SET note = :other", {"signing", "verifying"}),
        ("DELETE FROM audit_checkpoints", set()),
    ],
)  # fmt: skip
async def test_what_was_changed_behind_our_back_is_found(
    plane: Plane, admin: httpx2.AsyncClient, what: str, by: set[str]
) -> None:
    await fill(plane, 50)
    kept = await kept_now(plane)
    await fill(plane, 20)
    (head,) = await statement(plane, "SELECT size, peaks FROM audit_head")
    values = {
        "other": b'{"v":1}',
        "hash": bytes(32),
        "peaks": bytes([bytes(head.peaks)[0] ^ 1]) + bytes(head.peaks)[1:],
    }
    await statement(plane, what, **{name: value for name, value in values.items() if f":{name}" in what})
    assert by <= await detected(plane, admin, kept)


@pytest.mark.parametrize("size", [0, 1, 40])
async def test_a_head_that_was_put_back_is_found(plane: Plane, size: int) -> None:
    """Only the head: the next event would take a number that is there, and the database refuses it."""
    await fill(plane, 50)
    await kept_now(plane)
    peaks = bytes(32 * size.bit_count())
    await statement(plane, "UPDATE audit_head SET size = :size, peaks = :peaks", size=size, peaks=peaks)
    with pytest.raises(PortreeveError) as caught:
        await plane.server.audit.checkpoint()
    assert caught.value.code == "audit_rolled_back"
    with pytest.raises(PortreeveError) as caught:
        await fill(plane, 1)
    assert caught.value.code == "database_unavailable"


async def test_a_head_of_no_tree_stops_changes(plane: Plane) -> None:
    await fill(plane, 5)
    await statement(plane, "UPDATE audit_head SET size = 4")
    with pytest.raises(PortreeveError) as caught:
        await fill(plane, 1)
    assert caught.value.code == "audit_damaged"


async def test_a_log_written_anew_with_its_key_is_found_by_a_kept_checkpoint(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as plane:
        await fill(plane, 10)
        kept = await kept_now(plane)
    # Another database, and the file of checkpoints out of the way: all that somebody with the machine can do.
    anew = f"sqlite:///{tmp_path / 'anew.db'}"
    async with running(anew, tmp_path, audit_checkpoints=tmp_path / "elsewhere") as plane:
        plane.clock.move(timedelta(seconds=1))
        await fill(plane, 30)
        lines = await exported(await plane.client("root", "platform-admin"))
        assert (await judged(plane, lines)).result is Result.INTACT
        report = await judged(plane, lines, kept)
        assert report.finding is not None
        assert report.finding.code == "audit_rewritten"


async def test_tables_written_anew_as_a_whole_are_not_signed(plane: Plane, tmp_path: Path) -> None:
    """Events, nodes and head fit together, and even the file is gone: the stored checkpoint is left to contradict."""
    await fill(plane, 10)
    await kept_now(plane)
    for table in ("audit_events", "audit_nodes"):
        await statement(plane, f"DELETE FROM {table}")
    await statement(plane, "UPDATE audit_head SET size = 0, peaks = :none", none=b"")
    (tmp_path / "checkpoints.txt").unlink()
    plane.clock.move(timedelta(seconds=1))
    await fill(plane, 30)
    with pytest.raises(PortreeveError, match="its first 10 events do not have the root that was signed") as caught:
        await plane.server.audit.checkpoint()
    assert caught.value.code == "audit_damaged"
