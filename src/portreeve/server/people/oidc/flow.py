"""The code flow: off to the provider, and back with a code.

Theory of operation. Each sign-in has a state, a nonce, a code verifier and a cookie, all random. Of state and cookie
the hashes are stored; whoever comes back must have both, and the row is taken by an atomic delete, so each is used
once and only by the browser that began (no login CSRF, no code of somebody else's). The verifier makes a stolen code
worthless, the nonce binds the ID token to this very sign-in, and `iss` in the answer, with an address of its own for
each provider, keeps one provider's answer from being taken to another (mix-up). Only then is the code exchanged.

Sources: RFC 9700, sections 2.1 and 4.4 to 4.7; RFC 7636; RFC 9207; OWASP ASVS 5.0, 10.5; threat API-06.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Row
from starlette.requests import Request

from portreeve.core.audit import Action, Actor, ObjectKind, Outcome, Target, Via, ViaKind, escaped
from portreeve.core.authorization import Authentication
from portreeve.core.secret import SecretValue
from portreeve.errors import NotFound, Throttled, Unavailable
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Refusal, Transaction
from portreeve.server.people import bodies, cookies, sessions, store, throttle
from portreeve.server.people.authenticator import People
from portreeve.server.people.oidc import id_token, newcomers
from portreeve.server.people.oidc.id_token import Claims
from portreeve.server.people.oidc.issuers import Issuer
from portreeve.server.people.oidc.newcomers import Newcomer
from portreeve.server.people.oidc.provider import Provider
from portreeve.server.people.oidc.refused import Refused
from portreeve.server.people.principals import Account, account
from portreeve.server.people.sessions import Beginning, Started
from portreeve.server.people.sign_in import NOBODY, SIGN_IN, SignIn, of_client
from portreeve.server.people.tokens import digest, new_token

LASTS: Final = timedelta(minutes=10)
"""How long somebody may take at the provider: a password, a second factor, a page on terms of use."""
MOST_UNDER_WAY: Final = 10_000
MOST_PER_ADDRESS: Final = 500
"""Beginning costs nothing and is open to all, so what it stores is bounded. Many people may share one address."""

_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


class TooMany(Throttled):
    """More sign-ins under way than are kept."""

    retry_after_s = 60


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the cookie that it takes along."""

    url: str
    browser: SecretValue


@dataclass(frozen=True, slots=True)
class Finished:
    """A session, and where in the console it goes on."""

    started: Started
    next: str


def local_path(text: str) -> str:
    """A path of ours to go on at: no other host, however it is written.

    Raises:
        Invalid: `request_invalid`.
    """
    if len(text) > 2048 or not _PATH.fullmatch(text) or urlsplit(text).netloc:
        raise bodies.wrong("next", "must be a path that begins with one slash")
    return text


class OidcSignIn:
    """The service."""

    def __init__(self, people: People, sign_in: SignIn, issuers: Mapping[str, Issuer]) -> None:
        self._people = people
        self._sign_in = sign_in
        self._providers = {name: Provider(issuer, people.clock) for name, issuer in issuers.items()}

    def choices(self) -> list[dict[str, str]]:
        """The providers to choose from, as they are answered."""
        return [
            {"name": name, "title": provider.issuer.title or name, "start": f"/api/v1/sign-in/oidc/{name}/start"}
            for name, provider in self._providers.items()
        ]

    async def begin(self, request: Request, name: str, following: str) -> Begun:
        """Send a browser to the provider.

        Raises:
            NotFound: there is no such provider.
            Throttled: `sign_in_throttled`.
            Unavailable: `oidc_unavailable`.
        """
        people, provider = self._people, self._provider(name)
        following = local_path(following)
        state, nonce, verifier, browser = (new_token() for _ in range(4))
        url = await provider.authorization(
            self._callback(request, name), state=_plain(state), nonce=_plain(nonce), verifier=_plain(verifier)
        )
        address = of_client(request).key

        async def job(transaction: Transaction) -> None:
            connection = transaction.connection
            await store.sweep_sign_ins(connection, transaction.now)
            if (
                await store.sign_ins(connection, address) >= MOST_PER_ADDRESS
                or await store.sign_ins(connection) >= MOST_UNDER_WAY
            ):
                raise TooMany("sign_in_throttled", "too many sign-ins have begun", hint="try again in a minute")
            await store.insert_sign_in(
                connection,
                state=digest(state),
                browser=digest(browser),
                address=address,
                issuer=name,
                nonce=_plain(nonce),
                code_verifier=_plain(verifier),
                next=following,
                expires_at=transaction.now + LASTS,
            )

        await people.writer.run(job)
        return Begun(url, browser)

    async def finish(self, request: Request, name: str) -> Finished:
        """Take the provider's answer, and begin a session.

        Raises:
            NotFound: there is no such provider.
            Unauthenticated: `oidc_refused`.
            Throttled: `sign_in_throttled`.
            Unavailable: `oidc_unavailable`.
        """
        people, provider = self._people, self._provider(name)
        by_address = of_client(request)
        await self._sign_in.charge(by_address)
        try:
            row = await self._taken(request)
            claims = await self._claims(request, provider, row)
        except Refused as refused:
            await self._record(refused, request)
            raise
        except Unavailable:
            # It is the provider's failure, and a whole office may share the address.
            await people.writer.run(lambda one: throttle.forgive(one.connection, user=None, address=by_address))
            raise
        beginning = self._sign_in.beginning(request, Authentication.OIDC, claims.groups)
        uid = people.new_id()

        async def job(transaction: Transaction) -> Started:
            await throttle.forgive(transaction.connection, user=None, address=by_address)
            who = await self._account(transaction, claims, uid, beginning)
            return await sessions.begin(transaction, who, beginning)

        return Finished(await people.writer.run(job), row.next)

    def _provider(self, name: str) -> Provider:
        found = self._providers.get(name)
        if found is None:
            raise NotFound("not_found", "there is no identity provider of this name")
        return found

    def _callback(self, request: Request, name: str) -> str:
        origins = self._people.origins
        base = origins.public_url or origins.asked(request.headers["host"])
        return f"{base}/api/v1/sign-in/oidc/{name}/callback"

    async def _taken(self, request: Request) -> Row[Any]:
        """The sign-in that this browser began with this state. It is used up, whatever comes of it."""
        browser = self._people.cookies.read(request.cookies, cookies.SIGN_IN)
        state = _once(request, "state")
        if browser is None or state is None:
            raise Refused("oidc_state")
        row = await self._people.writer.run(
            lambda one: store.take_sign_in(one.connection, digest(state), digest(browser), one.now)
        )
        if row is None:
            raise Refused("oidc_state")
        return row

    async def _claims(self, request: Request, provider: Provider, row: Row[Any]) -> Claims:
        issuer = provider.issuer
        if row.issuer != issuer.name:
            raise Refused("oidc_mix_up")
        said = _once(request, "iss")
        if said != issuer.issuer and (said is not None or (await provider.metadata()).names_itself):
            raise Refused("oidc_mix_up")
        code = _once(request, "code")
        if "error" in request.query_params or code is None:
            raise Refused("oidc_error")
        token = await provider.exchange(code, self._callback(request, issuer.name), row.code_verifier)
        return await id_token.verified(token, issuer, provider.key, nonce=row.nonce, now=self._people.clock())

    async def _account(self, transaction: Transaction, claims: Claims, uid: str, beginning: Beginning) -> Account:
        """The user who this is; somebody new becomes one, if that is wanted."""
        connection = transaction.connection
        known = await store.identity(connection, claims.issuer, claims.subject)
        if known is not None:
            stored = transaction.snapshot.of_kind("User").get(known.user)
            if stored is not None and stored.uid == known.user_uid:
                who = account(transaction.snapshot, known.user)
                if who is None:
                    raise _refusal(Refused("oidc_disabled"), beginning.request, known.user)
                return who
        if not self._people.settings.oidc_create_users:
            raise _refusal(Refused("oidc_unknown_user"), beginning.request)
        by = Via(ViaKind.SESSION, beginning.id)
        newcomer = Newcomer(claims.name, claims.title, uid)
        who = await newcomers.welcome(transaction, newcomer, by=by, request=beginning.request)
        await store.insert_identity(
            connection, issuer=claims.issuer, subject=claims.subject, user=who.name, uid=who.uid, now=transaction.now
        )
        target = Target(ObjectKind.USER, escaped(who.name))
        transaction.record(Entry(Actor(escaped(who.name), by), Action.USER_LINK, target, beginning.request))
        return who

    async def _record(self, refused: Refused, request: Request) -> None:
        async def job(_: Transaction) -> None:
            raise _refusal(refused, request.state.request_id)

        await self._people.writer.run(job)


def _refusal(refused: Refused, request: str, user: str = NOBODY) -> Refusal:
    target = Target(ObjectKind.USER, escaped(user))
    entry = Entry(Actor(NOBODY, SIGN_IN), Action.SESSION_START, target, request, Outcome.REFUSED, refused.reason)
    return Refusal(refused, entry)


def _once(request: Request, name: str) -> str | None:
    """A parameter; None if it is missing.

    Raises:
        Refused: it stands there twice. Source: RFC 6749, section 3.1.
    """
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise Refused("oidc_error")
    return values[0] if values and values[0] else None


def _plain(token: SecretValue) -> str:
    return token.reveal().decode()
