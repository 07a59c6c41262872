"""Checkpoints: signed when due, never against an earlier one, kept outside, with a key outside."""

from __future__ import annotations

import asyncio
import os
import stat
from base64 import b64decode
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from portreeve.core.audit_verify import Result
from portreeve.core.checkpoint import Note, opened, parse
from portreeve.core.merkle import verify_consistency, verify_inclusion
from portreeve.errors import PortreeveError
from portreeve.server.audit import key_file, store
from portreeve.server.audit.kept import KeptFile
from portreeve.server.audit.walk import grown
from portreeve.vault import notes
from tests.core.exports import log, signed
from tests.server.audit.scene import exported, fill, judged, kept_now, statement, trust
from tests.server.plane import Plane, running


async def test_a_checkpoint_is_signed_by_time_and_by_number(plane: Plane) -> None:
    signer = await plane.server.audit.signer()
    assert await signer.sign_when_due() is None
    await fill(plane, 1)
    first = await signer.sign_when_due()
    assert first is not None
    assert first.checkpoint.size == 1
    await fill(plane, 255)
    assert await signer.sign_when_due() is None
    await fill(plane, 1)
    second = await signer.sign_when_due()
    assert second is not None
    await fill(plane, 1)
    assert await signer.sign_when_due() is None
    plane.clock.move(timedelta(seconds=60))
    third = await signer.sign_when_due()
    assert third is not None
    plane.clock.move(timedelta(hours=1))
    assert await signer.sign_when_due() is None
    assert [one.checkpoint.size for one in (first, second, third)] == [1, 257, 258]


async def test_the_last_checkpoint_is_served_and_opens_with_the_served_key(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    missing = await admin.get("/api/v1/audit/checkpoint")
    assert (missing.status_code, missing.json()["code"]) == (404, "audit_no_checkpoint")
    await plane.server.audit.checkpoint()
    served = await admin.get("/api/v1/audit/checkpoint")
    assert served.headers["content-type"].startswith("text/plain")
    found = opened(parse(served.content), (await trust(plane)).keys, notes.verify)
    assert found.size == await plane.server.audit.size()
    key = (await admin.get("/api/v1/audit/key")).text
    assert key == f"{await plane.server.audit.verifier()}\n"
    assert key.startswith("portreeve/audit+")


async def test_each_checkpoint_is_also_outside_of_the_database(plane: Plane, tmp_path: Path) -> None:
    sizes = []
    for _ in range(3):
        await fill(plane, 2)
        sizes.append((await kept_now(plane)).size)
    text = (tmp_path / "checkpoints.txt").read_text(encoding="utf-8")
    parts = text.split("\n\n")
    pairs = zip(parts[::2], parts[1::2], strict=False)
    found = [parse(f"{body}\n\n{signature}\n".encode()) for body, signature in pairs]
    assert [note.checkpoint.size for note in found] == sizes
    assert stat.S_IMODE((tmp_path / "checkpoints.txt").stat().st_mode) == 0o600


async def test_proofs_verify_against_checkpoints(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await fill(plane, 5)
    old = await kept_now(plane)
    await fill(plane, 8)
    new = await kept_now(plane)
    answer = (await admin.get(f"/api/v1/audit/proof/consistency?old={old.size}&new={new.size}")).json()
    verify_consistency(old.size, new.size, raw(answer["hashes"]), old.root, new.root)
    assert raw([answer["oldRoot"], answer["newRoot"]]) == [old.root, new.root]
    for number in range(new.size):
        answer = (await admin.get(f"/api/v1/audit/proof/inclusion?sequence={number}&size={new.size}")).json()
        (leaf,) = raw([answer["leafHash"]])
        verify_inclusion(leaf, number, new.size, raw(answer["hashes"]), new.root)


def raw(values: list[str]) -> list[bytes]:
    return [b64decode(value) for value in values]


@pytest.mark.parametrize(
    "query", ["inclusion?sequence=5&size=5", "inclusion?sequence=0&size=99", "consistency?old=3&new=2",
              "consistency?old=1&new=99"],
)  # fmt: skip
async def test_a_proof_beyond_the_log_is_refused(plane: Plane, admin: httpx2.AsyncClient, query: str) -> None:
    await fill(plane, 5)
    found = await admin.get(f"/api/v1/audit/proof/{query}")
    assert (found.status_code, found.json()["code"]) == (422, "merkle_range")


async def refusal(plane: Plane) -> str:
    """The code with which signing is refused, which readiness names too."""
    with pytest.raises(PortreeveError) as caught:
        await plane.server.audit.checkpoint()
    plane.clock.move(timedelta(minutes=2))
    await plane.server.audit.attempt("checkpoint", plane.server.audit.checkpoint)
    assert caught.value.code in {problem.code for problem in plane.server.audit.problems()}
    return caught.value.code


async def cut(plane: Plane, size: int) -> None:
    """Put the database back to when the log had this size, as restoring a backup does."""
    async with plane.server.database.reader.connect() as connection:
        tree = await store.proven(connection, lambda read: grown(read, size))
    await statement(plane, "DELETE FROM audit_events WHERE sequence >= :size", size=size)
    for level in range(64):
        await statement(
            plane, "DELETE FROM audit_nodes WHERE level = :level AND position >= :position", level=level,
            position=size >> level,
        )  # fmt: skip
    await statement(plane, "DELETE FROM audit_checkpoints WHERE size > :size", size=size)
    await statement(plane, "UPDATE audit_head SET size = :size, peaks = :peaks", size=size, peaks=b"".join(tree.peaks))


@pytest.mark.parametrize("more", [0, 2, 50], ids=["cut", "and grown again", "and grown beyond"])
async def test_a_database_that_was_put_back_is_not_signed(plane: Plane, tmp_path: Path, more: int) -> None:
    await fill(plane, 10)
    await kept_now(plane)
    await fill(plane, 10)
    await kept_now(plane)
    await cut(plane, 12)
    if more:
        plane.clock.move(timedelta(seconds=1))
        await fill(plane, more)
    before = (tmp_path / "checkpoints.txt").read_bytes()
    assert await refusal(plane) == "audit_rolled_back"
    assert (tmp_path / "checkpoints.txt").read_bytes() == before
    # An operator who meant it says so by moving the file away; what was signed stays with them.
    (tmp_path / "checkpoints.txt").rename(tmp_path / "before-restore.txt")
    await fill(plane, 1)
    await plane.server.audit.checkpoint()
    plane.clock.move(timedelta(minutes=2))
    await plane.server.audit.attempt("checkpoint", plane.server.audit.checkpoint)
    assert plane.server.audit.problems() == ()


async def test_cutting_the_log_shows_in_an_export_with_a_kept_checkpoint(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await fill(plane, 30)
    kept = await kept_now(plane)
    await cut(plane, 20)
    report = await judged(plane, await exported(admin), kept)
    assert report.finding is not None
    assert report.finding.code == "audit_truncated"


async def test_a_log_goes_on_after_a_restart_with_the_same_key(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as first:
        await fill(first, 3)
        old, key = await kept_now(first), await first.server.audit.verifier()
    async with running(database_url, tmp_path) as second:
        await fill(second, 3)
        new = await kept_now(second)
        assert await second.server.audit.verifier() == key
        assert (old.size, new.size) == (3, 6)


async def test_a_log_whose_key_is_gone_gets_no_new_one(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as plane:
        await fill(plane, 3)
        await kept_now(plane)
    (tmp_path / "keys" / "audit.key").unlink()
    async with running(database_url, tmp_path) as plane:
        # Changes go on: only signing needs the key (F-53).
        await fill(plane, 1)
        assert await refusal(plane) == "audit_key_missing"
        assert not (tmp_path / "keys" / "audit.key").exists()


async def test_another_key_does_not_sign(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as plane:
        await fill(plane, 3)
        await kept_now(plane)
    path = tmp_path / "keys" / "audit.key"
    path.unlink()
    key_file.make(path, "portreeve/audit")
    async with running(database_url, tmp_path) as plane:
        await fill(plane, 1)
        assert await refusal(plane) == "audit_checkpoint_foreign"


async def test_what_signing_needs_may_come_later(plane: Plane, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")
    await fill(plane, 1)
    assert await refusal(plane) == "audit_key_file"
    (tmp_path / "keys").unlink()
    await plane.server.audit.checkpoint()
    (tmp_path / "checkpoints.txt").unlink()
    (tmp_path / "checkpoints.txt").mkdir()
    await fill(plane, 1)
    assert await refusal(plane) == "audit_checkpoint_file"
    (tmp_path / "checkpoints.txt").rmdir()
    assert await plane.server.audit.checkpoint() is not None


async def test_the_task_signs_by_itself(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as plane:
        await fill(plane, 3)
        changed = plane.server.writer.changed
        async with asyncio.timeout(30), changed:
            await changed.wait_for((tmp_path / "checkpoints.txt").exists)


# The files.


def test_the_key_file_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit.key"
    assert key_file.read(path) is None
    made = key_file.make(path, "a/audit")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    # Another replica that makes one at the same moment gets this one.
    assert key_file.make(path, "a/audit").verifier == made.verifier
    assert [one.name for one in path.parent.iterdir()] == ["audit.key"]
    read = key_file.read(path)
    assert read is not None
    assert read.verifier == made.verifier


@pytest.mark.parametrize("how", ["mode", "link", "fifo", "empty", "public", "cut"])
def test_a_key_file_that_others_may_use_or_that_holds_none_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "audit.key"
    text = key_file.make(path, "a/audit").reveal()
    if how == "mode":
        path.chmod(0o640)
    elif how == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif how == "fifo":
        path.unlink()
        os.mkfifo(path, 0o600)
    else:
        found = key_file.read(path)
        assert found is not None
        path.write_text({"empty": "", "public": f"{found.verifier}\n", "cut": text[:-8]}[how])
    with pytest.raises(PortreeveError) as caught:
        key_file.read(path)
    assert caught.value.code == "audit_key_file"
    assert text[-30:] not in caught.value.diagnostics()


def note(size: int) -> Note:
    return signed(log(size))


def test_half_a_note_is_passed_over(tmp_path: Path) -> None:
    file, path = KeptFile(tmp_path), tmp_path / "checkpoints.txt"
    assert file.last() is None
    file.append(note(1))
    whole = path.read_bytes()
    file.append(note(2))
    second = path.read_bytes()[len(whole) :]
    for length in range(len(second)):
        path.write_bytes(whole + second[:length])
        last = file.last()
        assert last is not None
        # A note that lacks only the empty line behind it is whole, and may count or not.
        assert last == note(1) or length >= len(second) - 1
        file.append(note(3))
        assert file.last() == note(3)
        assert note(1) == parse(path.read_bytes()[: len(whole) - 1])


async def test_an_export_is_signed_to_its_end(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await fill(plane, 3)
    assert (await judged(plane, await exported(admin))).result is Result.INTACT
