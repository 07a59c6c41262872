"""The token flow: a realm gives, for a login and a scope, what the registry accepts for a while.

Left out: refresh tokens and the OAuth2 form (POST); providers that need it mint by themselves.

Source: Docker's "Token Authentication Specification" and "Token Scope Documentation".
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, NotFound, PortreeveError, Stalled
from portreeve.oci import errors
from portreeve.oci.model import Token
from portreeve.oci.realms import Realm
from portreeve.oci.shapes import Shapes
from portreeve.transport import strict
from portreeve.transport.exchange import AsyncExchange, Request, Response, one_word

LIFE_S: Final = 60
"""What a realm that does not say means, and the least that any may mean. Source: the specification."""

LIFE_MOST_S: Final = 3600
"""A token is asked for again after an hour, whatever it says: an operation never takes so long."""

_ANSWER_BYTES: Final = 256 * 1024
"""Tokens with many permissions in them have been seen to take 30 KiB."""

_SCOPE_MOST: Final = 1024


def basic(login: Login) -> SecretValue:
    """The value of `Authorization` for Basic. Source: RFC 7617.

    Raises:
        Invalid: `credential_word`: the user name has a colon in it, which would end it early.
    """
    if ":" in login.username:
        raise Invalid("credential_word", "a user name holds a colon", hint="see the user name of the credential")
    plain = login.username.encode() + b":" + login.password.reveal()
    return SecretValue(b"Basic " + base64.b64encode(plain))


def bearer(token: Token) -> SecretValue:
    """The value of `Authorization` for a token."""
    return SecretValue(b"Bearer " + token.value.reveal())


async def fetch(
    exchange: AsyncExchange, realm: Realm, *, service: str, scope: str, login: Login | None, now: datetime
) -> Token:
    """A token for a scope, "" for none.

    Args:
        realm: as `realms.allowed` let it pass for this login.
        now: UTC, aware.
    Raises:
        Denied: `registry_unauthorized`, `registry_denied`. Throttled: `registry_throttled`.
        Unavailable: `registry_failed`. Stalled: `token_answer`, `answer_not_json` and its like; the realm's redirects
            are not followed (`realm_redirected`).
    """
    query = {"account": login.username if login else "", "scope": scope, "service": service[:_SCOPE_MOST]}
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
    headers = {"accept": "application/json"} | ({"authorization": basic(login)} if login else {})
    answer = await exchange.send(Request("GET", f"{realm}?{pairs}" if pairs else str(realm), headers))
    if answer.status != 200:
        raise _refusal(answer, realm, now, shown=login is not None)
    return _token(answer, realm, now)


def _refusal(answer: Response, realm: Realm, now: datetime, *, shown: bool) -> PortreeveError:
    if 300 <= answer.status < 400:
        return Stalled(
            "realm_redirected",
            f"the token service {realm} answers with a redirect, which is never followed with a credential",
            hint="let the registry name the service's final address, and approve that",
        )
    if answer.status in {400, 404}:
        return Stalled(
            "token_answer",
            f"the token service {realm} does not understand the question (status {answer.status})",
            hint="see that the registry names its own token service, and that the repository is spelled right",
        )
    return errors.fault(answer, where=f"the token service {realm}", now=now, shown=shown, missing=_missing)


def _missing(where: str) -> NotFound:
    return NotFound("repository_unknown", f"{where} does not know the repository", hint="see its spelling")


def _token(answer: Response, realm: Realm, now: datetime) -> Token:
    where = f"the token service {realm}"
    content = answer.body.reveal()
    if len(content) > _ANSWER_BYTES:
        raise Stalled("answer_too_large", f"{where} answered with too much", hint="see that it is one")
    body = Shapes(where).mapping(strict.read(content, where=where), ("token", "access_token", "expires_in"))
    value = body.get("token") or body.get("access_token")
    if isinstance(value, str):
        try:
            return Token(one_word(SecretValue(value)), now + timedelta(seconds=_life_s(body.get("expires_in"))))
        except Invalid:
            pass
    raise Stalled("token_answer", f"{where} gave no token", hint="see that the registry names its own token service")


def _life_s(value: Any) -> int:
    """Seconds; what is no number, or makes no sense, is the default."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return LIFE_S
    return int(min(max(value, LIFE_S), LIFE_MOST_S))
