"""What is sent in a wrong place may be a secret: it is not repeated in an answer, and not kept as it was sent."""

from __future__ import annotations

import httpx2
from sqlalchemy import select

from portreeve.server.database.tables import ANSWERS
from tests.server.plane import Plane, document


async def test_nothing_that_was_sent_in_a_wrong_place_is_repeated_or_kept(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    secret = "canary.5f1e77c09a"
    created = await admin.post("/api/v1/teams", json=document("Team", "shop"), headers={"Idempotency-Key": secret})
    assert created.status_code == 201
    again = await admin.post("/api/v1/teams", json=document("Team", "shop"), headers={"Idempotency-Key": secret})
    assert again.headers["Idempotency-Replayed"] == "true"
    async with plane.server.database.reader.connect() as connection:
        assert secret not in str((await connection.execute(select(ANSWERS))).all())
    changed = document("Team", "shop", title="Shop")
    twice = f'{{"{secret}": 1, "{secret}": 2}}'
    for answer in (
        await admin.put("/api/v1/teams/shop", json=changed, headers={"If-Match": f'"{secret}"'}),
        await admin.get("/api/v1/teams", params={secret: "1"}),
        await admin.post("/api/v1/plans", json={secret: []}),
        await admin.post("/api/v1/teams", content=twice, headers={"Content-Type": "application/json"}),
    ):
        assert 400 <= answer.status_code < 500
        assert secret not in answer.text
