"""Minting itself: the provider's own way, over a line of its own for each attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from portreeve import providers
from portreeve.core.policy import Registry
from portreeve.providers.contract import Minted, Outside
from portreeve.providers.contract import Stored as StoredCredential
from portreeve.server.credentials.material import place_of
from portreeve.server.documents.stored import Stored
from portreeve.server.registries.contact import trust_of
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget
from portreeve.transport.guarded import Resolver
from portreeve.transport.outward import Outward
from portreeve.vault.jws import sign_rs256


class Minter(Protocol):
    """Exchanges a stored credential for a token."""

    async def mint(self, registry: Stored, credential: StoredCredential, now: datetime) -> Minted:
        """As `providers.contract.Provider.mint`, of the registry's provider."""


class NetworkMinter:
    """The real one. A line has the registry's trust and the administrator's address rules, as validation has."""

    def __init__(self, rules: AddressRules, resolver: Resolver) -> None:
        self._rules = rules
        self._resolver = resolver

    async def mint(self, registry: Stored, credential: StoredCredential, now: datetime) -> Minted:
        """As `Minter`."""
        assert isinstance(registry.value, Registry)
        provider, place, trust = providers.named(registry.value.provider), place_of(registry), trust_of(registry.spec)
        origin = provider.origin(place, plain_http=trust.plain_http)
        async with Outward(origin, trust, self._rules, Budget(), resolver=self._resolver) as outward:
            return await provider.mint(place, credential, Outside(outward, now, sign_rs256))
