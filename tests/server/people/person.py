"""A person in front of a browser: cookies, and the headers that a browser sends by itself."""

from __future__ import annotations

from typing import Any

import httpx2
from sqlalchemy import select

from portreeve.core.audit import Event, decode
from portreeve.core.secret import SecretValue
from portreeve.server.database.tables import AUDIT_EVENTS
from tests.server.plane import Plane, document

PASSWORD = "a sentence that nobody guesses"
OWN = {"Sec-Fetch-Site": "same-origin"}


async def new_user(plane: Plane, name: str = "ada", **spec: Any) -> None:
    await plane.put(document("User", name, **spec))


async def link(plane: Plane, user: str) -> str:
    """The token of a one-time link."""
    issued = await plane.server.writer.run(lambda transaction: plane.server.people.issue_link(transaction, user))
    return _fragment(issued.address)


def _fragment(address: SecretValue) -> str:
    return address.reveal().decode().partition("#t=")[2]


def browser(plane: Plane, address: str = "198.51.100.7") -> httpx2.AsyncClient:
    """A browser on a page of ours, at this address."""
    transport = httpx2.ASGITransport(app=plane.app, raise_app_exceptions=False, client=(address, 4711))
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=OWN)


async def by_link(plane: Plane, user: str = "ada") -> httpx2.AsyncClient:
    """A browser that is signed in by a one-time link."""
    found = browser(plane)
    answer = await found.post("/api/v1/sign-in/link", json={"token": await link(plane, user)})
    assert answer.status_code == 200, answer.text
    return found


async def with_password(plane: Plane, user: str = "ada", password: str = PASSWORD) -> httpx2.AsyncClient:
    """A browser that has set a password, and is signed in."""
    found = await by_link(plane, user)
    answer = await found.put("/api/v1/me/password", json={"password": password})
    assert answer.status_code == 200, answer.text
    return found


async def sign_in(
    who: httpx2.AsyncClient, user: str = "ada", password: str = PASSWORD, **headers: str
) -> httpx2.Response:
    return await who.post("/api/v1/sign-in/password", json={"user": user, "password": password}, headers=headers)


async def events(plane: Plane, action: str = "") -> list[Event]:
    """The audit events so far, of one action if it is named."""
    async with plane.server.database.reader.connect() as connection:
        leaves = (await connection.execute(select(AUDIT_EVENTS.c.leaf).order_by(AUDIT_EVENTS.c.sequence))).scalars()
        found = [decode(bytes(leaf)) for leaf in leaves]
    return [one for one in found if not action or one.action == action]


def code(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    return answer.status_code, answer.json()["code"]
