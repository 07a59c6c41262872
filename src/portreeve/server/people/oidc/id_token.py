"""Verifying an ID token: who is it, says whom, to whom, for which sign-in, and when.

Theory of operation. The header is read first and only to choose: its algorithm must be one that is pinned for this
issuer, its key id names a key of the issuer's own set, and any header that would bring a key along or change the rules
(`jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64`) refuses the token. Then the signature is verified with that algorithm
and that key, and only then is the payload read, strictly. Every claim that is needed must be there: what is missing is
never taken for "any".

Who somebody is, is (issuer, subject). An e-mail address or a name can be changed at many providers by whoever has it.

Sources: OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725 (JWT best practices), sections 3.1 to 3.10; threat API-05.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from portreeve.errors import PortreeveError
from portreeve.server.http.body import parse
from portreeve.server.people.oidc.issuers import Issuer
from portreeve.server.people.oidc.refused import Refused

LEEWAY_S: Final = 60
"""How far two clocks may be apart."""
MAX_TOKEN: Final = 64 * 1024
MAX_SUBJECT: Final = 255
"""Characters. Source: OpenID Connect Core 1.0, section 2."""
MAX_GROUPS: Final = 1000
MAX_GROUP: Final = 256

_BRINGS_ITS_OWN: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"})
_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `name` and `title` are wishes of the person's, and prove nothing."""

    issuer: str
    subject: str
    name: str
    title: str
    groups: tuple[str, ...]


async def verified(
    token: str, issuer: Issuer, key: Callable[[str | None], Awaitable[Key]], *, nonce: str, now: datetime
) -> Claims:
    """The claims of a token that this issuer made for us and for this sign-in.

    Args:
        key: the key of an id out of the issuer's own set.
    Raises:
        Refused: with the reason.
        Unavailable: the issuer's keys cannot be read.
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        raise Refused("oidc_token")
    header = _header(token)
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in issuer.algorithms:
        raise Refused("oidc_algorithm")
    if _BRINGS_ITS_OWN & header.keys() or not (kid is None or isinstance(kid, str)):
        raise Refused("oidc_header")
    return _claims(_payload(token, str(algorithm), await key(kid)), issuer, nonce, now.timestamp())


def _header(token: str) -> Mapping[str, Any]:
    first, _, rest = token.partition(".")
    if rest.count(".") != 1:
        raise Refused("oidc_token")
    try:
        found = parse(base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, PortreeveError):
        raise Refused("oidc_token") from None
    if not isinstance(found, dict):
        raise Refused("oidc_token")
    return found


def _payload(token: str, algorithm: str, key: Key) -> Mapping[str, Any]:
    if key.key_type != _TYPES[algorithm[:2]] or key.get("alg", algorithm) != algorithm:
        raise Refused("oidc_key")
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        found = jws.deserialize_compact(token, key, registry=registry)
    except (JoseError, ValueError, TypeError):
        raise Refused("oidc_signature") from None
    try:
        payload = parse(found.payload)
    except PortreeveError:
        raise Refused("oidc_token") from None
    if not isinstance(payload, dict):
        raise Refused("oidc_token")
    return payload


def _claims(claims: Mapping[str, Any], issuer: Issuer, nonce: str, now: float) -> Claims:
    if claims.get("iss") != issuer.issuer:
        raise Refused("oidc_issuer")
    _check_audience(claims, issuer.client_id)
    _check_times(claims, now)
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise Refused("oidc_nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _fits(subject, MAX_SUBJECT):
        raise Refused("oidc_subject")
    name, title = claims.get("preferred_username"), claims.get("name")
    return Claims(
        issuer.issuer,
        subject,
        name if isinstance(name, str) else "",
        title if isinstance(title, str) and _fits(title, 100) else "",
        _groups(claims, issuer.groups_claim),
    )


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Ours and nobody else's; if others may have it, too, it must have been made for us (`azp`)."""
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or client_id not in named:
        raise Refused("oidc_audience")
    party = claims.get("azp", client_id if len(named) == 1 else None)
    if party != client_id:
        raise Refused("oidc_audience")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued, begins = (_seconds(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None or ("nbf" in claims and begins is None):
        raise Refused("oidc_time")
    if now >= expires + LEEWAY_S or issued > now + LEEWAY_S or (begins or 0) > now + LEEWAY_S:
        raise Refused("oidc_time")


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _groups(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """The groups, each once. One text is not a list of one: it would be read letter by letter somewhere."""
    found = claims.get(claim, []) if claim else []
    if not isinstance(found, list) or len(found) > MAX_GROUPS:
        raise Refused("oidc_groups")
    if not all(isinstance(one, str) and _fits(one, MAX_GROUP) for one in found):
        raise Refused("oidc_groups")
    return tuple(sorted(set(found)))


def _fits(text: str, most: int) -> bool:
    return bool(text.strip()) and len(text) <= most and not _CONTROLS.search(text)
