"""Minted tokens over a real database: once for all environments, delivered, renewed, rotated, re-wrapped, erased.

Source: mission rules 6 and 7; reliability I10, I12, F-37 and F-61; requirements U-02 and U-20.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from portreeve.core.audit import decode
from portreeve.core.credential import decode_login
from portreeve.core.estate import Key
from portreeve.core.refresh import Notice
from portreeve.core.rewrap import Phase
from portreeve.errors import Denied, Unavailable
from portreeve.server.database.tables import AUDIT_EVENTS, METADATA, MINT_LEASES, MINTED_TOKENS
from portreeve.server.database.writer import Transaction
from portreeve.server.desired.store import save_sealing_key
from portreeve.vault import aead, sealing
from portreeve.vault.binding import Owner
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKeys
from portreeve.vault.sealing import Delivery, OpeningKey
from tests.server.fakes import TokenService
from tests.server.plane import Clock, Plane, document, running

PATH = "/api/v1/registries/ecr/credentials/pull"
DECLARED = {"purpose": "pull", "method": "aws-key", "parameters": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}}
FIRST = "canary-5b1f-secret"


def registry(name: str = "ecr", account: int = 123456789012, **spec: Any) -> dict[str, Any]:
    host = f"{account:012}.dkr.ecr.eu-central-1.amazonaws.com"
    return document("Registry", name, **{"provider": "ecr", "host": host, "credentials": [DECLARED]} | spec)


SCENE = (
    document("EnvironmentGroup", "development"),
    *(document("Environment", name, tier="development", group="development") for name in ("one", "two")),
    registry(),
    *(
        document("RegistryAccess", name, registry="ecr", environment=name, namespaces={"names": ["shop", "pay"]})
        for name in ("one", "two")
    ),
)


@pytest.fixture
def service() -> TokenService:
    return TokenService(Clock())


@pytest.fixture
async def plane(database_url: str, tmp_path: Path, service: TokenService) -> AsyncIterator[Plane]:
    assert isinstance(service.clock, Clock)
    async with running(database_url, tmp_path, clock=service.clock, minter=service) as plane:
        yield plane


@pytest.fixture
async def scene(plane: Plane, admin: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await plane.put(*SCENE)
    assert (await admin.put(PATH, json={"secret": FIRST})).status_code == 200
    return admin


async def enrolled(plane: Plane, environment: str = "one") -> OpeningKey:
    key = sealing.generate()
    public = sealing.public_bytes(key.sealing_key)

    async def job(transaction: Transaction) -> None:
        await save_sealing_key(transaction.connection, environment, public, transaction.now)

    await plane.server.writer.run(job)
    return key


async def settled(plane: Plane) -> None:
    """All that is due is minted and delivered. The plane's own sweeps may have been there first."""
    for _ in range(40):
        if not await plane.server.refresh.sweep() and not plane.server.refresh.minting:
            break
    await plane.server.desired.sweep()


async def delivered(plane: Plane, key: OpeningKey | None = None, environment: str = "one") -> Any:
    """The grant's credential as the agent of the environment gets it, and the password in it."""
    held = await plane.server.desired.current(environment)
    assert held is not None
    credential = json.loads(held.document)["document"]["grants"][0]["credential"]
    if key is None or credential is None:
        return credential
    delivery = Delivery(environment, "ecr", credential["id"], credential["version"], held.generation)
    login = decode_login(sealing.open_sealed(base64.b64decode(credential["sealed"]), delivery, key))
    return login.username, login.password.reveal().decode()


async def status(client: httpx2.AsyncClient, name: str = "ecr") -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/v1/registries/{name}")).json()["status"]
    return found


async def ready(client: httpx2.AsyncClient) -> tuple[str, str]:
    (one,) = [one for one in (await status(client))["conditions"] if one["type"] == "Ready"]
    return one["status"], one["reason"]


async def events(plane: Plane, *actions: str) -> list[tuple[str, str | None]]:
    async with plane.server.database.reader.connect() as connection:
        query = select(AUDIT_EVENTS.c.leaf).where(AUDIT_EVENTS.c.action.in_(actions)).order_by("sequence")
        leaves = (await connection.execute(query)).scalars().all()
    return [(str(one.outcome), one.reason) for one in (decode(bytes(leaf)) for leaf in leaves)]


async def test_one_token_is_minted_for_all_environments_and_delivered_in_place_of_the_secret(
    plane: Plane, scene: httpx2.AsyncClient, service: TokenService
) -> None:
    keys = {name: await enrolled(plane, name) for name in ("one", "two")}
    await settled(plane)
    for name, key in keys.items():
        assert await delivered(plane, key, name) == ("AWS", f"token-1-of-{FIRST}")
    assert service.minted == {FIRST: 1}
    credential = await delivered(plane)
    assert credential["expiresAt"] == "2026-11-21T00:00:00Z"
    held = await plane.server.desired.current("one")
    assert held is not None
    assert FIRST.encode() not in held.document
    assert await events(plane, "token.mint") == [("done", None)]


async def test_before_there_is_a_token_nothing_is_delivered_and_the_status_says_why(
    plane: Plane, service: TokenService, admin: httpx2.AsyncClient
) -> None:
    service.failure = Denied("mint_denied", "no")
    await plane.put(*SCENE)
    await admin.put(PATH, json={"secret": FIRST})
    await settled(plane)
    assert await delivered(plane) is None
    assert await ready(admin) == ("False", "Unauthorized")
    assert (await events(plane, "token.mint")) == [("refused", "mint_denied")]
    # A person's fix: the next version is tried at once, though a refusal waits for a quarter of an hour.
    service.failure = None
    await admin.post(f"{PATH}/rotate", json={"secret": "second"})
    await settled(plane)
    assert (await delivered(plane))["expiresAt"] == "2026-11-21T00:00:00Z"
    assert await ready(admin) == ("True", "CredentialsValid")


async def test_a_new_token_is_a_new_generation_before_the_old_one_ends(
    plane: Plane, scene: httpx2.AsyncClient, service: TokenService
) -> None:
    await settled(plane)
    first = await plane.server.desired.current("one")
    plane.clock.move(timedelta(hours=6))
    await settled(plane)
    second = await plane.server.desired.current("one")
    assert first is not None
    assert second is not None
    assert (second.generation, second.previous_hash) == (first.generation + 1, first.hash)
    assert (await delivered(plane))["expiresAt"] == "2026-11-21T06:00:00Z"
    assert service.minted == {FIRST: 2}
    await settled(plane)
    assert service.minted == {FIRST: 2}


async def test_a_rotation_mints_at_once_and_keeps_the_old_token_until_then(
    plane: Plane, scene: httpx2.AsyncClient, service: TokenService
) -> None:
    key = await enrolled(plane)
    await settled(plane)
    service.failure = Unavailable("mint_unavailable", "down")
    await scene.post(f"{PATH}/rotate", json={"secret": "second"})
    await settled(plane)
    assert await delivered(plane, key) == ("AWS", f"token-1-of-{FIRST}")
    service.failure = None
    plane.clock.move(timedelta(minutes=2))
    await settled(plane)
    assert await delivered(plane, key) == ("AWS", "token-1-of-second")


async def test_other_parameters_mint_anew_and_keep_the_old_token_until_then(
    plane: Plane, scene: httpx2.AsyncClient, service: TokenService
) -> None:
    await settled(plane)
    service.failure = Unavailable("mint_unavailable", "down")
    changed = registry(credentials=[DECLARED | {"parameters": {"accessKeyId": "AKIAI44QH8DHBEXAMPLE"}}])
    plan = (await scene.post("/api/v1/plans", json={"documents": [changed]})).json()
    assert (await scene.post(f"/api/v1/plans/{plan['id']}/confirm")).status_code == 200
    await settled(plane)
    assert await delivered(plane) is not None
    service.failure = None
    plane.clock.move(timedelta(minutes=2))
    await settled(plane)
    assert service.minted == {FIRST: 2}


async def test_no_table_holds_a_token_or_a_secret_in_plain_text(plane: Plane, scene: httpx2.AsyncClient) -> None:
    await enrolled(plane)
    await settled(plane)
    async with plane.server.database.reader.connect() as connection:
        for table in METADATA.sorted_tables:
            for row in (await connection.execute(select(table))).all():
                assert not any(FIRST in str(value) or f"-of-{FIRST}" in str(value) for value in row), table.name


async def test_an_outage_is_told_in_steps_and_its_end_withdraws_the_token(
    plane: Plane, scene: httpx2.AsyncClient, service: TokenService
) -> None:
    await settled(plane)
    service.failure = Unavailable("mint_unavailable", "down")
    told = []
    for hours in (6, 9.9, 10.1, 11.1, 11.9, 12.1):
        assert isinstance(plane.clock, Clock)
        plane.clock.now = Clock().now + timedelta(hours=hours)
        await settled(plane)
        (token,) = (await plane.server.documents.snapshot()).tokens.values()
        there = await delivered(plane) is not None
        told.append((token.told, await ready(scene), there))
    assert told == [
        (Notice.FAILING, ("True", "Unreachable"), True),
        (Notice.FAILING, ("True", "Unreachable"), True),
        (Notice.SOON, ("True", "CredentialsExpiring"), True),
        (Notice.VERY_SOON, ("True", "CredentialsExpiring"), True),
        (Notice.VERY_SOON, ("True", "CredentialsExpiring"), True),
        (Notice.ENDED, ("False", "CredentialsExpired"), False),
    ]
    assert await events(plane, "credential.expiring") == [("refused", "mint_unavailable")] * 3
    assert [problem.code for problem in plane.server.refresh.problems()] == ["mint_unavailable"]
    service.failure = None
    plane.clock.move(timedelta(minutes=2))
    await settled(plane)
    assert await delivered(plane) is not None
    assert plane.server.refresh.problems() == ()
    assert await ready(scene) == ("True", "CredentialsValid")


async def test_a_registry_that_is_deleted_takes_its_token_and_its_lease_with_it(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    await settled(plane)
    assert await counted(plane) == (1, 1)
    assert (await scene.delete(PATH)).status_code == 204
    assert (await counted(plane))[0] == 0
    await settled(plane)
    assert await counted(plane) == (0, 0)
    assert await delivered(plane) is None


async def counted(plane: Plane) -> tuple[int, int]:
    async with plane.server.database.reader.connect() as connection:
        tokens = await connection.scalar(select(func.count()).select_from(MINTED_TOKENS))
        leases = await connection.scalar(select(func.count()).select_from(MINT_LEASES))
    return int(tokens or 0), int(leases or 0)


async def test_tokens_move_with_their_owners_key_and_open_as_before(
    plane: Plane, admin: httpx2.AsyncClient, service: TokenService
) -> None:
    await plane.put(document("Project", "shop"), registry(project="shop"), *(one for one in SCENE if one != SCENE[3]))
    await admin.put(PATH, json={"secret": FIRST})
    key = await enrolled(plane)
    await settled(plane)
    uid = (await plane.server.documents.snapshot()).documents[Key("Project", "shop")].uid
    ended = await plane.server.rewrap.rotate_owner(Owner(uid))
    assert (ended.phase, ended.moved, ended.left) == (Phase.DONE, 2, 0)
    async with plane.server.database.reader.connect() as connection:
        assert (await connection.execute(select(MINTED_TOKENS.c.epoch))).scalars().all() == [2]
    await enrolled(plane, "two")
    key = await enrolled(plane)
    await settled(plane)
    assert await delivered(plane, key) == ("AWS", f"token-1-of-{FIRST}")
    assert service.minted == {FIRST: 1}
    # A rotation that was cut short between the two tables is found again.
    async with plane.server.database.writer.begin() as connection:
        await connection.execute(update(MINTED_TOKENS).values(epoch=1))
    assert await plane.server.rewrap.finish_rotations() != {}


async def test_crypto_erasing_a_project_takes_its_tokens(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(document("Project", "shop"), registry(project="shop"))
    await admin.put(PATH, json={"secret": FIRST})
    await settled(plane)
    uid = (await plane.server.documents.snapshot()).documents[Key("Project", "shop")].uid
    caller = Owner(uid)

    async def job(transaction: Transaction) -> None:
        from portreeve.server.credentials.store import destroy_owner_keys

        await destroy_owner_keys(transaction.connection, caller, transaction.now)

    await plane.server.writer.run(job)
    assert (await counted(plane))[0] == 0


async def test_an_unknown_provider_keeps_nobody_else_from_their_credentials(
    plane: Plane, scene: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    harbor = document(
        "Registry", "harbor", provider="harbor", host="harbor.example.com",
        credentials=[{"purpose": "pull", "method": "unheard-of", "parameters": {"username": "u"}}],
    )  # fmt: skip
    access = document("RegistryAccess", "h", registry="harbor", environment="one", namespaces={"names": ["shop"]})
    await plane.put(harbor, access)
    await scene.put("/api/v1/registries/harbor/credentials/pull", json={"secret": "x"})
    await enrolled(plane)
    await settled(plane)
    held = await plane.server.desired.current("one")
    assert held is not None
    grants = {one["registry"]: one["credential"] for one in json.loads(held.document)["document"]["grants"]}
    assert grants["harbor"] is None
    assert grants["ecr"]["sealed"]
    (condition,) = (await status(scene, "harbor"))["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "MethodUnknown")


MASTERS = MasterKeys(LocalMasterKey(aead.new_key()))


async def test_two_replicas_mint_two_hundred_tokens_once_each_and_one_takes_over_from_the_other(
    postgres_database: str, tmp_path: Path, service: TokenService
) -> None:
    clock = service.clock
    assert isinstance(clock, Clock)
    names = [f"r{number:03}" for number in range(200)]
    async with running(postgres_database, tmp_path, MASTERS, clock=clock, minter=service) as one:
        client = await one.client("root", "platform-admin")
        async with running(postgres_database, tmp_path, MASTERS, clock=clock, minter=service) as two:
            await one.put(*(registry(name, number) for number, name in enumerate(names)))
            for name in names:
                await client.put(f"/api/v1/registries/{name}/credentials/pull", json={"secret": name})
            for _ in range(60):
                clock.move(timedelta(seconds=5))
                await one.server.refresh.sweep()
                await two.server.refresh.sweep()
            assert set(service.minted) == set(names)
            assert set(service.asked.values()) == {1}
            # The second is killed while its requests are under way: what it held is taken over after the lease.
            import asyncio

            service.gate = asyncio.Event()
            clock.move(timedelta(hours=6))
            begun = await two.server.refresh._claim()
            assert begun
            await two.server.refresh.stop()
        service.gate = None
        taken = sum(service.asked.values())
        for _ in range(60):
            clock.move(timedelta(seconds=5))
            await one.server.refresh.sweep()
        assert set(service.minted.values()) == {2}
        assert sum(service.asked.values()) - taken >= len(begun)
