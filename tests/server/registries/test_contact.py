"""Whom a registry is asked as: the token that is delivered is used to browse, and none is minted for a page."""

from __future__ import annotations

from pathlib import Path

from portreeve.core.credential import Login
from portreeve.providers.contract import Minted
from tests.server.fakes import TokenService
from tests.server.plane import Clock, running
from tests.server.test_refresh import FIRST
from tests.server.test_refresh_over_days import scene


async def test_what_is_delivered_is_used_until_it_has_almost_ended(database_url: str, tmp_path: Path) -> None:
    clock = Clock()
    service = TokenService(clock)
    async with running(database_url, tmp_path, clock=clock, minter=service) as plane:
        await scene(plane)
        await plane.server.refresh.sweep()
        contacts, snapshot = plane.server.contacts, await plane.server.documents.snapshot()
        contact = await contacts.contact(snapshot, "ecr", ("pull",))
        async with contacts.line(contact) as line:
            login = await line.login()
        assert isinstance(login, Login)
        assert login.password.reveal().decode() == f"token-1-of-{FIRST}"
        assert service.minted[FIRST] == 1
        # A rotated credential has no token yet: the old one is delivered to clusters, and is not used to browse.
        admin = await plane.client("root2", "platform-admin")
        path = "/api/v1/registries/ecr/credentials/pull/rotate"
        assert (await admin.post(path, json={"secret": "second-secret"})).status_code == 200
        rotated = await contacts.contact(await plane.server.documents.snapshot(), "ecr", ("pull",))
        assert rotated.held is None or isinstance(rotated.held, Minted)
        if rotated.held is not None:  # the refresh was quicker than this test
            assert rotated.held.login.password.reveal().decode().endswith("second-secret")
