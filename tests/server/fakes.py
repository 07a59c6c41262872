"""Providers and a token service for tests of the control plane: small subclasses of the contract, and no network."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import PortreeveError
from portreeve.providers.contract import BASIC, Field, Method, Minted, Place, Provider, Stored
from portreeve.server.documents.snapshot import EXPIRING_PROVIDERS
from portreeve.wire.documents.models import PROVIDERS

KEY = Method(
    "access-key",
    "Access key",
    "Secret access key",
    (Field("region", "Region"), Field("access_key_id", "Access key id")),
    ends=False,
    life=timedelta(hours=12),
)
"""A method that mints."""


class Plain(Provider):
    """A registry with users."""

    def problems(self, method: str, parameters: Mapping[str, str]) -> tuple[()]:
        return ()


class Minting(Plain):
    """A registry whose stored credential pulls nothing by itself."""

    methods = (KEY,)

    def mint_key(self, place: Place, stored: Stored) -> str:
        return stored.parameters.get("region", "")


def fake(name: str) -> Provider:
    """A provider of this name: "ecr" mints, the others do not."""
    provider: Provider = Minting() if name == "ecr" else Plain()
    kind = type(provider)
    basic = replace(BASIC, ends=name in EXPIRING_PROVIDERS)
    methods = kind.methods if name == "ecr" else (basic,)
    made: Provider = type(name, (kind,), {"name": name, "title": name, "methods": methods})()
    return made


FAKES: Mapping[str, Provider] = {name: fake(name) for name in PROVIDERS}


@dataclass
class TokenService:
    """A minter that is told how to behave, with a clock of its own. `minted` counts the tokens of each secret."""

    clock: Callable[[], datetime]
    life: timedelta = timedelta(hours=12)
    failure: PortreeveError | None = None
    gate: asyncio.Event | None = None
    asked: Counter[str] = field(default_factory=Counter)
    minted: Counter[str] = field(default_factory=Counter)

    async def mint(self, provider: str, place: Place, stored: Stored, now: datetime) -> Minted:
        """As `Minter`: the token names the secret that it came from, and its number."""
        secret = stored.secret.reveal().decode()
        self.asked[secret] += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.minted[secret] += 1
        token = SecretValue(f"token-{self.minted[secret]}-of-{secret}")
        return Minted(Login("AWS", token), self.clock() + self.life)
