"""Nothing that opens anything is stored or recorded in clear: every cell of every table is looked at."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from portreeve.server.database.tables import METADATA
from tests.server.people.person import PASSWORD, browser, link, new_user, sign_in, with_password
from tests.server.plane import NOW, Plane


async def test_no_password_and_no_token_is_in_any_table(plane: Plane) -> None:
    await new_user(plane)
    who = await with_password(plane)
    made = await who.post("/api/v1/me/tokens", json={"title": "ci", "expiresAt": (NOW + timedelta(1)).isoformat()})
    await sign_in(browser(plane), password="a guess that was wrong")
    await sign_in(browser(plane), user="typed in the wrong field")
    await browser(plane).post("/api/v1/sign-in/link", json={"token": "a link that never was"})
    secrets = [
        PASSWORD,
        "a guess that was wrong",
        "typed in the wrong field",
        "a link that never was",
        made.json()["token"],
        who.cookies["portreeve"],
        await link(plane, "ada"),
    ]
    cells = []
    async with plane.server.database.reader.connect() as connection:
        for table in METADATA.sorted_tables:
            for row in await connection.execute(select(table)):
                cells += [bytes(one) if isinstance(one, bytes) else str(one).encode() for one in row]
    assert any(b"ci" in cell for cell in cells)
    assert [secret for secret in secrets if any(secret.encode() in cell for cell in cells)] == []
