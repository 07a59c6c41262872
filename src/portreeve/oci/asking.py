"""Requests to one registry, with the credential shown where the registry asks for it and nowhere else.

Theory of operation. The first request goes without a credential. A 401 says how to ask: Basic shows the login to the
registry's own origin; Bearer fetches a token for *our* scope from an allowed realm. What was learned is kept for this
client's life, so that the second request of a scope needs one round and not three.

Redirects of content are followed here, without any credential, also where they lead back.

Sources: OCI Distribution Specification 1.1; Docker's "Token Authentication Specification"; threats RC-01, RC-03.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled
from portreeve.oci import errors, realms, tokens
from portreeve.oci.challenge import chosen
from portreeve.oci.model import Challenge, Scheme, Token
from portreeve.transport.addresses import redacted
from portreeve.transport.budget import Budget
from portreeve.transport.exchange import AsyncExchange, Request, Response
from portreeve.transport.origin import Origin, joined, split_url

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One request. `path` is below the origin and holds only what fits the grammar; `scope` is "" for none."""

    method: str
    path: str
    scope: str = ""
    query: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes = b""


class Asking:
    """One registry as one login, or nobody, asks it."""

    def __init__(
        self,
        origin: str,
        exchange: AsyncExchange,
        *,
        login: Login | None,
        realms: Sequence[str],
        now: Callable[[], datetime],
        budget: Budget,
    ) -> None:
        self.origin = Origin.of(origin)
        self.login, self.now, self.budget = login, now, budget
        self._exchange, self._realms = exchange, tuple(realms)
        self._basic = False
        self._tokens: dict[str, Token] = {}

    def where(self, question: Question) -> str:
        """The address of a question, for messages."""
        return redacted(f"{self.origin}{question.path}")

    async def ask(self, question: Question) -> Response:
        """The answer, whatever it is, after the registry was told who asks."""
        answer = await self._send(question, self._held(question.scope))
        if answer.status != 401:
            return answer
        challenge = chosen(answer.headers.get("www-authenticate", ""), where=self.where(question))
        if challenge is None:
            return answer
        authorization = await self._answer_to(challenge, question.scope)
        return answer if authorization is None else await self._send(question, authorization)

    async def plain(self, question: Question) -> Response:
        """The answer to a request that shows nothing."""
        return await self._send(question, None)

    async def follow(self, question: Question) -> Response:
        """As `ask`; where the answer is a redirect, what it leads to.

        Raises:
            Invalid: `url_refused`: it leads to what is not https. Stalled: `budget_spent`.
        """
        answer = await self.ask(question)
        at = f"{self.origin}{question.path}"
        while answer.status in REDIRECTS and "location" in answer.headers:
            at = self.target(answer.headers["location"], at)
            self.budget.redirect()
            answer = await self._exchange.send(Request(question.method, at, dict(question.headers or {})))
        return answer

    def target(self, location: str, at: str) -> str:
        """The address that a redirect leads to.

        Raises:
            Invalid: `url_refused`.
        """
        url = joined(at, location)
        origin = split_url(url)[0]
        if origin.scheme != "https" and origin != self.origin:
            raise Invalid(
                "url_refused",
                f"{self.origin} sends us to {origin}, which is not encrypted",
                hint="let the registry name its store by https",
            )
        return url

    def fault(
        self, question: Question, answer: Response, missing: errors.Missing = errors.repository_unknown
    ) -> PortreeveError:
        """What an answer means that is not the one hoped for.

        A 401 to a token that the realm has just given for this scope is about rights and not about who we are.
        """
        where, known = self.where(question), self.login is not None
        if answer.status == 401 and known and question.scope in self._tokens:
            return errors.denied(where)
        return errors.fault(answer, where=where, now=self.now(), shown=known, missing=missing)

    async def sign_in(self, challenge: Challenge, question: Question) -> None:
        """Show the credential and have it accepted, as the challenge wants it.

        Raises:
            Denied: `registry_unauthorized`, `realm_not_pinned`.
        """
        if challenge.scheme is Scheme.NONE:
            return
        authorization = await self._answer_to(challenge, question.scope)
        if authorization is None:
            raise errors.unauthorized(self.where(question), shown=False)
        if challenge.scheme is Scheme.BASIC:
            answer = await self._send(question, authorization)
            if answer.status != 200:
                raise self.fault(question, answer)

    async def _send(self, question: Question, authorization: SecretValue | None) -> Response:
        url = f"{self.origin}{question.path}"
        headers: dict[str, str | SecretValue] = dict(question.headers or {})
        if authorization is not None:
            headers["authorization"] = authorization
        if question.query:
            url = f"{url}?{question.query}"
        return await self._exchange.send(Request(question.method, url, headers, SecretValue(question.body)))

    def _held(self, scope: str) -> SecretValue | None:
        if self._basic and self.login is not None:
            return tokens.basic(self.login)
        token = self._tokens.get(scope)
        return tokens.bearer(token) if token is not None and token.expires_at > self.now() else None

    async def _answer_to(self, challenge: Challenge, scope: str) -> SecretValue | None:
        """What to show; None where it would be a login and there is none."""
        if challenge.scheme is Scheme.BASIC:
            self._basic = self.login is not None
            return None if self.login is None else tokens.basic(self.login)
        realm = realms.allowed(challenge.realm, self.origin, self._realms, credential=self.login is not None)
        token = await tokens.fetch(
            self._exchange, realm, service=challenge.service, scope=scope, login=self.login, now=self.now()
        )
        self._tokens[scope] = token
        return tokens.bearer(token)


def looped(where: str) -> Stalled:
    """The failure of a list that leads back to where it was."""
    return Stalled("pagination_loop", f"{where} is a list that goes in a circle", hint="see the registry's version")
