"""What a provider says of itself: its addresses and its keys, kept for a while, and the exchange of a code.

The document that is found below the issuer's address must name that very issuer, else another one answers for it.
Keys come from the address in that document alone. A key that is not known is looked for once more, but not more often
than every `KEYS_AGAIN`, whoever asks: else anybody with made-up tokens could make us call the provider without end.

Sources: OpenID Connect Discovery 1.0, sections 4.2 and 4.3; RFC 8414, section 3.3; RFC 7517, section 5; RFC 9700.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx2
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped] # Authlib has no types
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped] # as above
from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped] # as above
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from portreeve.errors import Unavailable
from portreeve.server.people.oidc.fetching import TIMEOUT_S, get_json, options, unavailable
from portreeve.server.people.oidc.issuers import Issuer, allowed
from portreeve.server.people.oidc.refused import Refused

KEPT_FOR: Final = timedelta(hours=1)
"""Addresses and keys. A key that was taken back is no use after that."""
KEYS_AGAIN: Final = timedelta(seconds=60)
FAILED_FOR: Final = timedelta(seconds=5)
"""After a failure nobody waits for the next one: ten seconds each would pile up."""
MOST_KEYS: Final = 100
MIN_RSA_BITS: Final = 2048
"""Source: RFC 7518, section 3.3."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The addresses of a provider. `names_itself`: its answers carry `iss` (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    secret_in_body: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    at: datetime
    metadata: Metadata
    keys: Mapping[str, Key]
    unnamed: tuple[Key, ...]


class Provider:
    """One provider. `clock` gives the time in UTC."""

    def __init__(self, issuer: Issuer, clock: Callable[[], datetime]) -> None:
        self.issuer = issuer
        self._clock = clock
        self._kept: _Kept | None = None
        self._failed_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Its addresses.

        Raises:
            Unavailable: `oidc_unavailable`.
        """
        return (await self._current(KEPT_FOR)).metadata

    async def key(self, kid: str | None) -> Key:
        """The key of this id; without one the only key there is.

        Raises:
            Refused: `oidc_key`.
            Unavailable: `oidc_unavailable`.
        """
        found = _key(await self._current(KEPT_FOR), kid)
        if found is None:
            found = _key(await self._current(KEYS_AGAIN), kid)
        if found is None:
            raise Refused("oidc_key")
        return found

    async def authorization(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """The address at which a person signs in.

        Raises:
            Unavailable: `oidc_unavailable`.
        """
        endpoint = (await self.metadata()).authorization_endpoint
        client = OAuth2Client(None, **self._who(redirect_uri))
        url, _ = client.create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier)
        return str(url)

    async def exchange(self, code: str, redirect_uri: str, verifier: str) -> str:
        """The ID token for a code.

        Raises:
            Refused: `oidc_code`: the provider does not take the code, or gives no ID token for it.
            Unavailable: `oidc_unavailable`.
        """
        metadata = await self.metadata()
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._client(redirect_uri, secret_in_body=metadata.secret_in_body) as client,
            ):
                found = await client.fetch_token(
                    metadata.token_endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except OAuthError:
            raise Refused("oidc_code") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError, ValueError) as error:
            raise unavailable(type(error).__name__) from None
        token = found.get("id_token")
        if not isinstance(token, str):
            raise Refused("oidc_code")
        return token

    def _client(self, redirect_uri: str, *, secret_in_body: bool) -> Any:
        secret = self.issuer.client_secret
        method = "none" if secret is None else "client_secret_post" if secret_in_body else "client_secret_basic"
        plain = None if secret is None else secret.reveal().decode()
        who = self._who(redirect_uri)
        return AsyncOAuth2Client(**who, client_secret=plain, token_endpoint_auth_method=method, **options())

    def _who(self, redirect_uri: str) -> dict[str, Any]:
        scope = " ".join(self.issuer.scopes)
        return {
            "client_id": self.issuer.client_id,
            "scope": scope,
            "redirect_uri": redirect_uri,
            "code_challenge_method": "S256",
        }

    async def _current(self, within: timedelta) -> _Kept:
        async with self._reading:
            now, kept = self._clock(), self._kept
            if kept is not None and kept.at + within > now:
                return kept
            if self._failed_at is not None and self._failed_at + FAILED_FOR > now:
                raise unavailable("it failed a moment ago")
            try:
                self._kept = await self._read(now)
            except Unavailable:
                self._failed_at = now
                raise
            return self._kept

    async def _read(self, now: datetime) -> _Kept:
        base = self.issuer.issuer.rstrip("/")
        metadata = self._metadata(await get_json(f"{base}/.well-known/openid-configuration"))
        named, unnamed = _keys(await get_json(metadata.jwks_uri))
        return _Kept(now, metadata, named, unnamed)

    def _metadata(self, found: Mapping[str, Any]) -> Metadata:
        if found.get("issuer") != self.issuer.issuer:
            raise unavailable("it calls itself by another name")
        urls = [str(found.get(name, "")) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if not all(allowed(url, loopback=self.issuer.loopback) for url in urls):
            raise unavailable("one of its addresses is not https")
        methods = found.get("token_endpoint_auth_methods_supported")
        in_body = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
        names_itself = found.get("authorization_response_iss_parameter_supported") is True
        return Metadata(urls[0], urls[1], urls[2], names_itself, in_body)


def _key(kept: _Kept, kid: str | None) -> Key | None:
    if kid is not None:
        return kept.keys.get(kid)
    every = (*kept.keys.values(), *kept.unnamed)
    return every[0] if len(every) == 1 else None


def _keys(found: Mapping[str, Any]) -> tuple[dict[str, Key], tuple[Key, ...]]:
    """Id → public key for signatures, and those without an id. Any other, a symmetric one above all, is left out."""
    entries = found.get("keys")
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise unavailable("its keys are no list")
    named: dict[str, Key] = {}
    unnamed: list[Key] = []
    for entry in entries:
        key = _public(entry)
        if key is None:
            continue
        kid = entry.get("kid")
        if kid is None:
            unnamed.append(key)
        elif not isinstance(kid, str) or kid in named:
            raise unavailable("two of its keys have one id")
        else:
            named[kid] = key
    return named, tuple(unnamed)


def _public(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or entry.get("kty") not in {"RSA", "EC", "OKP"} or entry.get("use", "sig") != "sig":
        return None
    if "d" in entry:
        return None  # whoever publishes a private key has none
    try:
        key = JWKRegistry.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAKey):
        return key if key.public_key.key_size >= MIN_RSA_BITS else None
    return key if isinstance(key, ECKey | OKPKey) else None
