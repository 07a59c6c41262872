"""Minting itself: the provider's own way, over the network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from portreeve import providers
from portreeve.core.secret import SecretValue
from portreeve.errors import Unavailable
from portreeve.providers.contract import Minted, Outside, Place, Stored
from portreeve.transport.exchange import AsyncExchange, Request, Response


class Minter(Protocol):
    """Exchanges a stored credential for a token."""

    async def mint(self, provider: str, place: Place, stored: Stored, now: datetime) -> Minted:
        """As `providers.contract.Provider.mint`, of the provider with this name."""


class ProviderMinter:
    """The real one."""

    def __init__(self, exchange: AsyncExchange, sign_rs256: Callable[[SecretValue, bytes], bytes]) -> None:
        self._exchange = exchange
        self._sign = sign_rs256

    async def mint(self, provider: str, place: Place, stored: Stored, now: datetime) -> Minted:
        """As `Minter`."""
        return await providers.named(provider).mint(place, stored, Outside(self._exchange, now, self._sign))


class NoNetwork:
    """An exchange of a control plane that was built without one: every request fails, and says why."""

    async def send(self, request: Request) -> Response:  # noqa: ARG002 -- protocol
        """As `AsyncExchange`.

        Raises:
            Unavailable: `mint_no_network`.
        """
        raise Unavailable("mint_no_network", "this control plane was built without a way to the network")


def no_signature(pem: SecretValue, message: bytes) -> bytes:  # noqa: ARG001 -- as `Outside.sign_rs256`
    """The signature of a control plane that was built without one.

    Raises:
        Unavailable: `mint_no_network`.
    """
    raise Unavailable("mint_no_network", "this control plane was built without a way to sign")
