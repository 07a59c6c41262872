"""A token service for tests of the control plane: what minting would be over the network."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import PortreeveError
from portreeve.providers.contract import Minted
from portreeve.providers.contract import Stored as StoredCredential
from portreeve.server.documents.stored import Stored


@dataclass
class TokenService:
    """A minter that is told how to behave, with a clock of its own. `minted` counts the tokens of each secret."""

    clock: Callable[[], datetime]
    life: timedelta = timedelta(hours=12)
    failure: PortreeveError | None = None
    gate: asyncio.Event | None = None
    asked: Counter[str] = field(default_factory=Counter)
    minted: Counter[str] = field(default_factory=Counter)

    async def mint(self, registry: Stored, credential: StoredCredential, now: datetime) -> Minted:
        """As `Minter`: the token names the secret that it came from, and its number."""
        secret = credential.secret.reveal().decode()
        self.asked[secret] += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.minted[secret] += 1
        token = SecretValue(f"token-{self.minted[secret]}-of-{secret}")
        return Minted(Login("AWS", token), self.clock() + self.life)
