"""A control plane whose clock is moved through three days: tokens are renewed with nobody asking for it.

What the agent of an environment would open is opened at every step: there is always a token in it that has not ended.
Source: issue "Registry providers", point 4; requirements D-09, U-02 and B-42.
"""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from portreeve.core.credential import decode_login
from portreeve.errors import Unavailable
from portreeve.server.refresh import service as refresh_service
from portreeve.vault import sealing
from portreeve.vault.sealing import Delivery, OpeningKey
from tests.server.fakes import TokenService
from tests.server.plane import NOW, Clock, Plane, running
from tests.server.test_refresh import FIRST, PATH, SCENE, enrolled

STEP = timedelta(minutes=10)


class Agent:
    """What opens the credential of environment "one", and knows by the token's number when it ends."""

    def __init__(self, plane: Plane, key: OpeningKey) -> None:
        self.plane, self.key = plane, key

    async def pulls_with(self) -> tuple[str, datetime] | None:
        """The password, and its end as the document tells it; None if there is none."""
        held = await self.plane.server.desired.current("one")
        assert held is not None
        credential = json.loads(held.document)["document"]["grants"][0]["credential"]
        if credential is None:
            return None
        delivery = Delivery("one", "ecr", credential["id"], credential["version"], held.generation)
        login = decode_login(sealing.open_sealed(base64.b64decode(credential["sealed"]), delivery, self.key))
        return login.password.reveal().decode(), datetime.fromisoformat(credential["expiresAt"])


async def lived(plane: Plane, hours: float) -> list[tuple[str, datetime] | None]:
    """What the agent had at each step."""
    agent, found = Agent(plane, await enrolled(plane)), []
    for _ in range(int(hours * 6)):
        plane.clock.move(STEP)
        # What the tasks of the plane do every few seconds, as often as the moved clock needs it.
        await plane.server.refresh.sweep()
        await plane.server.desired.sweep()
        found.append(await agent.pulls_with())
    return found


async def scene(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    await plane.put(*SCENE)
    assert (await admin.put(PATH, json={"secret": FIRST})).status_code == 200


async def test_three_days_with_an_outage_of_five_hours_lose_no_token(database_url: str, tmp_path: Path) -> None:
    clock = Clock()
    service = TokenService(clock)
    async with running(database_url, tmp_path, clock=clock, minter=service) as plane:
        await scene(plane)
        seen = await lived(plane, 24)
        service.failure = Unavailable("mint_unavailable", "down")
        seen += await lived(plane, 5)
        service.failure = None
        seen += await lived(plane, 43)
    ends = [held[1] for held in seen if held is not None]
    assert len(ends) == 72 * 6
    assert all(end > NOW + STEP * (at + 1) for at, end in enumerate(ends))
    assert 72 / 6 <= service.minted[FIRST] <= 72 / 4.8 + 2


async def test_thirteen_hours_without_tokens_deliver_the_last_one_to_its_end_and_recover(
    database_url: str, tmp_path: Path
) -> None:
    clock = Clock()
    service = TokenService(clock)
    async with running(database_url, tmp_path, clock=clock, minter=service) as plane:
        await scene(plane)
        await lived(plane, 1)
        last = plane.clock.now
        service.failure = Unavailable("mint_unavailable", "down")
        seen = await lived(plane, 13)
        there = [held is not None for held in seen]
        # The first was minted within the first step, so it ends eleven hours after the outage began, or a step later.
        assert there.index(False) in {11 * 6 - 1, 11 * 6, 11 * 6 + 1}
        assert there == sorted(there, reverse=True), "it went once, and nothing came in its place"
        service.failure = None
        clock.move(timedelta(minutes=2))
        await plane.server.refresh.sweep()
        # Each life has a key of its own, and the next document is sealed for it.
        key = await enrolled(plane)
        await plane.server.desired.sweep()
        held = await Agent(plane, key).pulls_with()
        assert held is not None
        assert held[1] > last + timedelta(hours=24)


async def test_the_tasks_of_the_plane_do_it_by_themselves(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh_service, "TICK_S", 0.01)
    clock = Clock()
    service = TokenService(clock)
    async with running(database_url, tmp_path, clock=clock, minter=service) as plane:
        await scene(plane)
        for count in (1, 2, 3):
            async with asyncio.timeout(60), plane.server.writer.changed:
                await plane.server.writer.changed.wait_for(lambda: service.minted[FIRST] == count)  # noqa: B023 -- awaited here
            clock.move(timedelta(hours=6, minutes=1))
