"""Streams of changes: what is left behind when their readers hang up."""

from __future__ import annotations

import asyncio

import httpx2

from tests.server.plane import document
from tests.server.stream import begin_of_stream


async def test_readers_that_hang_up_together_do_not_stop_the_writer(admin: httpx2.AsyncClient) -> None:
    for number in range(3):
        async with asyncio.timeout(60):
            told = await asyncio.gather(
                *(begin_of_stream(admin, "/api/v1/watch", {"kind": "teams"}) for _ in range(12))
            )
            assert {one.status_code for one in told} == {200}
            stored = await admin.post("/api/v1/teams", json=document("Team", f"team-{number}"))
        assert stored.status_code == 201
