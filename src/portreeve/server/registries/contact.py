"""How a registry is reached from the control plane: its provider, where it is, what is trusted, and as whom.

Theory of operation. A `Contact` is made of the registry's document and its stored credential, opened for this one use;
`Line` is the open line to it: an exchange with a budget of its own for each operation, and the OCI API over it. Whoever
may validate or browse never gets the credential; and as a credential is bound to host, provider, TLS trust and token
realm (`credential_bound`), nobody can have it sent elsewhere by changing the document first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve import providers
from portreeve.core.credential import Login, decode_login
from portreeve.core.estate import Key
from portreeve.core.policy import Registry
from portreeve.errors import Stalled
from portreeve.oci.client import Client
from portreeve.oci.distribution import Distribution
from portreeve.providers.contract import Minted, Outside, Place, Provider, Reader
from portreeve.providers.contract import Stored as Credential
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.credentials.material import material, place_of
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import unavailable
from portreeve.server.documents.proposal import declared
from portreeve.server.documents.snapshot import CredentialRow, Snapshot, TokenRow
from portreeve.server.documents.stored import Stored
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget
from portreeve.transport.guarded import Resolver, resolve_here
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust
from portreeve.vault.jws import sign_rs256

MOST_LINES: Final = 16
"""Lines that are open at once: each holds a connection or two and some MiB, and whoever asks for more waits."""

LEFT: Final = timedelta(minutes=2)
"""A token with less than this left is not used any more: a page may take a minute."""

PURPOSES: Final = ("management", "pull")
"""Which credential is used to browse, in this order: that of management is made for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Contact:
    """A registry as it is to be reached. `credential` None is nobody; `purpose` says which it is, "" then."""

    name: str
    provider: Provider
    place: Place
    trust: Trust
    realms: tuple[str, ...]
    credential: Credential | None = None
    purpose: str = ""
    stored_as: tuple[str, int] = ("", 0)
    """Id and version of the credential."""
    held: Minted | None = None
    """The token that was minted from the credential and is delivered now, if there is one that has not ended."""

    @property
    def origin(self) -> str:
        """Scheme, host and port of the OCI API."""
        return self.provider.origin(self.place, plain_http=self.trust.plain_http)

    @property
    def ends(self) -> bool:
        """Whether the provider lets such a credential end."""
        return self.credential is not None and self.provider.method(self.credential.method).ends


class Line:
    """An open line to one registry, for one operation."""

    def __init__(
        self,
        contact: Contact,
        outward: Outward,
        budget: Budget,
        clock: Callable[[], datetime],
        minted: dict[tuple[str, int], Minted],
    ) -> None:
        self.contact = contact
        self._minted = minted
        self.outward = outward
        self._budget = budget
        self._clock = clock

    @property
    def outside(self) -> Outside:
        """What a provider may touch."""
        return Outside(self.outward, self._clock(), sign_rs256)

    async def login(self, *, fresh: bool = False) -> Login | None:
        """What pulls: as it is stored, or minted from it; None for nobody. A token that is there is used again.

        `fresh` mints whatever is there: that shows whether it can be done.

        Raises:
            As `Provider.mint`.
        """
        contact = self.contact
        if contact.credential is None:
            return None
        login = contact.provider.login(contact.place, contact.credential)
        if login is not None:
            return login
        now = self._clock()
        for found in () if fresh else (contact.held, self._minted.get(contact.stored_as)):
            if found is not None and (found.expires_at is None or found.expires_at - now > LEFT):
                return found.login
        minted = await contact.provider.mint(contact.place, contact.credential, self.outside)
        for key in [key for key in self._minted if key[0] == contact.stored_as[0]]:
            del self._minted[key]  # that of an older version, or one that is about to end
        self._minted[contact.stored_as] = minted
        return minted.login

    def distribution(self, login: Login | None) -> Distribution:
        """The OCI API, as this login."""
        contact = self.contact
        return Client(
            contact.origin, self.outward, login=login, realms=contact.realms, now=self._clock, budget=self._budget
        )

    async def reader(self) -> Reader:
        """Whom browsing asks."""
        return Reader(
            self.distribution(await self.login()),
            self.outside,
            self.contact.credential,
            plain_http=self.contact.trust.plain_http,
        )


class Contacts:
    """Makes contacts, and opens lines to them."""

    def __init__(
        self,
        keeper: Keeper,
        database: Database,
        rules: AddressRules,
        clock: Callable[[], datetime],
        resolver: Resolver = resolve_here,
    ) -> None:
        self._keeper = keeper
        self._database = database
        self.rules = rules
        self.resolver = resolver
        self._open = asyncio.Semaphore(MOST_LINES)
        self._minted: dict[tuple[str, int], Minted] = {}
        self._clock = clock

    async def contact(self, snapshot: Snapshot, name: str, purposes: tuple[str, ...] = PURPOSES) -> Contact:
        """The contact of a registry that exists, with the first of these credentials that is stored.

        Raises:
            Invalid: `provider_unknown`, `credential_method`. Stalled: the stored secret cannot be opened.
            Unavailable: the database does not answer.
        """
        stored = snapshot.documents[Key("Registry", name)]
        assert isinstance(stored.value, Registry)
        provider, place = providers.named(stored.value.provider), place_of(stored)
        found = await self._credential(snapshot, stored, purposes)
        published = tuple(provider.realms(place))
        realm = str(stored.spec.get("tokenRealm") or "")
        return Contact(
            name,
            provider,
            place,
            trust_of(stored.spec),
            (*published, realm) if realm else published,
            *found,
        )

    async def _credential(
        self, snapshot: Snapshot, stored: Stored, purposes: tuple[str, ...]
    ) -> tuple[Credential | None, str, tuple[str, int], Minted | None]:
        there = declared(stored)
        for purpose in purposes:
            row = snapshot.credentials.get((stored.key.name, purpose))
            if row is None or purpose not in there:
                continue
            try:
                async with self._database.reader.connect() as connection:
                    secret = await self._keeper.open(connection, row)
                    held = await self._token(connection, row, snapshot.tokens.get(row.id))
            except (SQLAlchemyError, OSError) as error:
                raise unavailable(error) from None
            return material(stored, row, secret), purpose, (row.id, row.version), held
        return None, "", ("", 0), None

    async def _token(self, connection: AsyncConnection, row: CredentialRow, token: TokenRow | None) -> Minted | None:
        if token is None or token.held is None or token.held.source != row.version:
            return None
        try:
            sealed = await self._keeper.open_token(connection, row, token.held.serial)
        except Stalled:
            return None  # Another has taken its place since the snapshot: this use mints one of its own.
        return Minted(decode_login(sealed), token.held.expires_at)

    @asynccontextmanager
    async def line(self, contact: Contact, budget: Budget | None = None) -> AsyncIterator[Line]:
        """A line that is closed at the end. Without a budget it has that of one ordinary operation."""
        budget = budget or Budget()
        async with (
            self._open,
            Outward(contact.origin, contact.trust, self.rules, budget, resolver=self.resolver) as outward,
        ):
            yield Line(contact, outward, budget, self._clock, self._minted)


def trust_of(spec: Mapping[str, Any]) -> Trust:
    """The trust that a registry's document declares."""
    tls = spec.get("tls") or {}
    return Trust(
        str(tls.get("caBundle", "")), bool(tls.get("insecureSkipVerify", False)), bool(tls.get("plainHTTP", False))
    )
