"""Logins tried at their registries, from this machine: each once, over HTTPS, to the registry that it stands for.

A login goes where a kubelet would take it and to no other host: to the registry's own origin, and to the token services
that its provider has. Addresses of one's own networks are allowed, as registries live there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from portreeve import providers
from portreeve.cli import clock
from portreeve.core.adoption import Report
from portreeve.core.credential import Login
from portreeve.core.found_logins import FoundLogin
from portreeve.errors import PortreeveError
from portreeve.oci.client import Client
from portreeve.providers.contract import Place
from portreeve.providers.recognise import recognise
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust

OWN_NETWORKS: Final = (
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "::1/128",
)  # fmt: skip

AT_ONCE: Final = 4

REFUSED: Final = frozenset({"registry_unauthorized", "registry_denied"})


def probed(found: Report, ca_file: str | None) -> dict[str, str]:
    """Fingerprint → "accepted", "refused", or the code of why it could not be told."""
    logins = {
        one.fingerprint: one.login
        for row in found.rows
        for one in row.logins
        if not one.login.problem and not row.secret.ours
    }
    trust = Trust(Path(ca_file).read_text(encoding="ascii", errors="replace")) if ca_file else Trust()
    return asyncio.run(_every(logins, trust))


async def _every(logins: dict[str, FoundLogin], trust: Trust) -> dict[str, str]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(login: FoundLogin) -> str:
        async with gate:
            return await _probe(login, trust)

    answers = await asyncio.gather(*(one(login) for login in logins.values()))
    return dict(zip(logins, answers, strict=True))


async def _probe(login: FoundLogin, trust: Trust) -> str:
    assert login.place is not None, "what has no place has a problem"
    assert login.password is not None, "so has what has no password"
    place = Place(login.place.host, login.place.path)
    try:
        provider = providers.named(recognise(str(login.place))[0].provider)
        origin, budget = provider.origin(place), Budget()
        async with Outward(origin, trust, AddressRules.of(OWN_NETWORKS), budget) as outward:
            client = Client(
                origin,
                outward,
                login=Login(login.username, login.password),
                realms=tuple(provider.realms(place)),
                now=clock.now,
                budget=budget,
            )
            await client.sign_in()
    except PortreeveError as error:
        return "refused" if error.code in REFUSED else error.code
    return "accepted"
