"""Moving stored keys to another one, over a real database: counted, recorded, resumed, and nothing opens elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select, update

from portreeve.core.audit import decode
from portreeve.core.estate import Key
from portreeve.core.rewrap import Failure, Phase
from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled, Unavailable
from portreeve.server.database.tables import AUDIT_EVENTS, CREDENTIAL_VERSIONS, OWNER_KEYS
from portreeve.server.database.writer import Transaction
from portreeve.vault import aead
from portreeve.vault.binding import Owner
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKeys
from tests.server.plane import Plane, document, running

OLD, NEW = LocalMasterKey(aead.new_key()), LocalMasterKey(aead.new_key())
PROJECTS = ("blog", "shop")
OWNERS = {f"{owner or 'base'}{more}": owner for owner in ("", *PROJECTS) for more in ("", "-two")}
"""Registry → the project that owns it, "" for none."""
DECLARED = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}


def registry(name: str, **spec: str) -> dict[str, object]:
    given = {"provider": "harbor", "host": f"{name}.example.com", "credentials": [DECLARED]}
    return document("Registry", name, **given | spec)


@asynccontextmanager
async def at(url: str, data: Path, masters: MasterKeys) -> AsyncIterator[tuple[Plane, httpx2.AsyncClient]]:
    async with running(url, data, masters) as plane:
        there = Key("User", "root") in (await plane.server.documents.snapshot()).documents
        yield plane, await plane.client("root", "" if there else "platform-admin")


async def filled(url: str, data: Path) -> None:
    """Three owners with two credentials each, under the old master key."""
    async with at(url, data, MasterKeys(OLD)) as (plane, admin):
        await plane.put(*(document("Project", name) for name in PROJECTS))
        await plane.put(*(registry(name, **({"project": owner} if owner else {})) for name, owner in OWNERS.items()))
        for name in OWNERS:
            path = f"/api/v1/registries/{name}/credentials/pull"
            assert (await admin.put(path, json={"secret": f"secret-{name}"})).status_code == 200


async def opened(plane: Plane) -> dict[str, str]:
    rows = (await plane.server.documents.snapshot()).credentials.values()
    async with plane.server.database.reader.connect() as connection:
        held = {row.registry: await plane.server.credentials.keeper.open(connection, row) for row in rows}
    return {name: secret.reveal().decode() for name, secret in held.items()}


async def rotated(plane: Plane) -> list[str]:
    """What the events of moved keys name."""
    async with plane.server.database.reader.connect() as connection:
        query = select(AUDIT_EVENTS.c.leaf).where(AUDIT_EVENTS.c.action == "key.rotate").order_by("sequence")
        return [decode(bytes(leaf)).target.name for leaf in (await connection.execute(query)).scalars()]


ALL = {name: f"secret-{name}" for name in OWNERS}


async def test_every_owners_key_moves_to_the_current_master_key_and_is_recorded(
    database_url: str, tmp_path: Path
) -> None:
    await filled(database_url, tmp_path)
    async with at(database_url, tmp_path, MasterKeys(NEW, (OLD,))) as (plane, _):
        await plane.server.rewrap.to_current_master()  # the one that the start began may have moved some already
        again = await plane.server.rewrap.to_current_master()
        assert (again.phase, again.left, again.moved, again.failures) == (Phase.DONE, 0, 0, ())
        uids = [(await plane.server.documents.snapshot()).documents[Key("Project", name)].uid for name in PROJECTS]
        assert sorted(await rotated(plane)) == sorted(["global#1", *(f"{uid}#1" for uid in uids)])
        assert await opened(plane) == ALL
    async with at(database_url, tmp_path, MasterKeys(NEW)) as (plane, _):
        assert await opened(plane) == ALL
    async with at(database_url, tmp_path, MasterKeys(OLD)) as (plane, _):
        with pytest.raises(Stalled):
            await opened(plane)


async def test_a_key_that_does_not_open_is_named_and_the_others_move(database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    async with at(database_url, tmp_path, MasterKeys(OLD)) as (plane, _):
        uid = (await plane.server.documents.snapshot()).documents[Key("Project", "shop")].uid
        async with plane.server.database.writer.begin() as connection:
            await connection.execute(update(OWNER_KEYS).where(OWNER_KEYS.c.owner == uid).values(wrapped=b"\0" * 60))
    async with at(database_url, tmp_path, MasterKeys(NEW, (OLD,))) as (plane, _):
        ended = await plane.server.rewrap.to_current_master()
        assert (ended.phase, ended.left) == (Phase.STALLED, 1)
        assert ended.failures == (Failure(f"{uid}#1", "ciphertext_refused"),)


async def test_a_key_service_that_is_away_stops_it_and_it_goes_on_afterwards(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(database_url, tmp_path)
    async with at(database_url, tmp_path, MasterKeys(OLD)) as (plane, _):
        keeper = plane.server.credentials.keeper
        keeper.masters = MasterKeys(NEW, (OLD,))
        calls = 0

        def wrap(self: LocalMasterKey, key: SecretValue, *, context: bytes) -> bytes:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise Unavailable("key_service_unavailable", "silent")
            return aead.encrypt(self.key, key, context)

        monkeypatch.setattr(LocalMasterKey, "wrap", wrap)
        with pytest.raises(Unavailable):
            await plane.server.rewrap.to_current_master()
        stopped = plane.server.rewrap.master
        assert stopped is not None
        assert (stopped.phase, stopped.moved) == (Phase.MOVING, 1)
        ended = await plane.server.rewrap.to_current_master()
        assert (ended.phase, ended.moved, calls) == (Phase.DONE, 3, 4)
        assert await opened(plane) == ALL


async def test_an_owners_next_key_takes_all_its_envelopes_and_no_others(database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    async with at(database_url, tmp_path, MasterKeys(OLD)) as (plane, admin):
        uid = (await plane.server.documents.snapshot()).documents[Key("Project", "shop")].uid
        before = await payloads(plane)
        ended = await plane.server.rewrap.rotate_owner(Owner(uid))
        assert (ended.phase, ended.moved, ended.left) == (Phase.DONE, 2, 0)
        assert sorted(await rotated(plane)) == sorted([f"{uid}#2", "shop-two/pull", "shop/pull"])
        assert await opened(plane) == ALL
        assert await payloads(plane) == before
        async with plane.server.database.reader.connect() as connection:
            rows = (await connection.execute(select(CREDENTIAL_VERSIONS.c.owner, CREDENTIAL_VERSIONS.c.epoch))).all()
        assert {(row.owner == uid, row.epoch) for row in rows} == {(True, 2), (False, 1)}
        path = "/api/v1/registries/shop/credentials/pull/rotate"
        assert (await admin.post(path, json={"secret": "third"})).status_code == 200
        assert (await plane.server.rewrap.finish_rotations()) == {}


async def payloads(plane: Plane) -> set[bytes]:
    async with plane.server.database.reader.connect() as connection:
        return {bytes(one)[69:] for one in (await connection.execute(select(CREDENTIAL_VERSIONS.c.envelope))).scalars()}


async def test_a_rotation_that_was_cut_short_is_finished(database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    async with at(database_url, tmp_path, MasterKeys(OLD)) as (plane, _):

        async def job(transaction: Transaction) -> None:
            await plane.server.credentials.keeper.next_key(transaction.connection, Owner(), transaction.now)

        await plane.server.writer.run(job)
        ended = await plane.server.rewrap.finish_rotations()
        assert {owner: (state.phase, state.moved) for owner, state in ended.items()} == {Owner(): (Phase.DONE, 2)}
        assert await opened(plane) == ALL


async def test_an_owner_without_a_key_has_nothing_to_rotate(database_url: str, tmp_path: Path) -> None:
    async with at(database_url, tmp_path, MasterKeys(OLD)) as (plane, _):
        ended = await plane.server.rewrap.rotate_owner(Owner("gone"))
        assert (ended.phase, ended.moved) == (Phase.DONE, 0)
        assert await rotated(plane) == []
