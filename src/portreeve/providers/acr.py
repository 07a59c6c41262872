"""Azure Container Registry: <name>.azurecr.io, its geo-replicas, and azurecr.cn.

Four ways to sign in. A service principal's id and secret pull as they are stored (`azure-service-principal`), or are
exchanged: Microsoft Entra ID gives an access token, and the registry's `/oauth2/exchange` a refresh token for it, which
pulls as user 00000000-0000-0000-0000-000000000000 (`azure-token`). The end of that token is read from its own `exp`; it
is some three hours away. Further there are the admin user and tokens that are scoped to repositories.

Needs: the role AcrPull on the registry (with ABAC: Container Registry Repository Reader); to browse also metadata read
(Repository Catalog Lister). A scoped token: content/read, and metadata/read to browse.
Lists: `_catalog`, where the credential may; a token that is scoped to repositories may not.
Limits: by SKU, 429; not told in headers.

Sources: Azure docs, "Authenticate with an Azure container registry", "ACR permissions and roles"; AAD-OAuth.md of
Azure/acr.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from portreeve.core.credential import Login
from portreeve.core.egress import Purpose
from portreeve.core.secret import SecretValue
from portreeve.providers._answers import (
    FORM,
    Minting,
    asked,
    ending,
    failed,
    form,
    jwt_end,
    mapping,
    parsed,
    secret,
    segment,
    stored_word,
    text,
)
from portreeve.providers.contract import (
    PROBE_NOTE,
    Claim,
    Field,
    Host,
    Method,
    Minted,
    Outside,
    Place,
    Provider,
    Stored,
    own_host,
)
from portreeve.transport.exchange import Request, Response

NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""The user name of a refresh token. Source: Azure docs, "az acr login with --expose-token"."""

LIFE: Final = timedelta(hours=3)
"""The longest that a refresh token has been seen to live; its own `exp` tells the truth."""

_GUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_HOST: Final = re.compile(r"(?:[a-z0-9-]+|[*])(?:\.(?:[a-z0-9]+|[*])\.geo)?\.azurecr\.(?P<tld>io|cn)")
_AUTHORITY: Final = {"io": "login.microsoftonline.com", "cn": "login.partner.microsoftonline.cn"}
_SCOPE: Final = {
    "io": "https://containerregistry.azure.net/.default",
    "cn": "https://management.chinacloudapi.cn/.default",
}
_APP: Final = Field("appId", "Application id", pattern=_GUID, example="11111111-2222-3333-4444-555555555555")
_TENANT: Final = Field("tenant", "Tenant", pattern=rf"{_GUID}|[A-Za-z0-9.-]{{1,253}}", example="acme.onmicrosoft.com")
_MINTING: Final = Minting(
    "Azure Container Registry", "see that the secret has not ended, and that the principal has AcrPull here"
)
# What Entra ID says when the request is wrong and no other will do. Source: RFC 6749, 5.2.
_DENIED: Final = frozenset({"invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope", "access_denied"})


class Acr(Provider):
    """Azure Container Registry."""

    name = "acr"
    title = "Azure Container Registry"
    methods = (
        Method(
            "azure-service-principal",
            "Service principal",
            "Client secret",
            (_APP, Field("tenant", "Tenant", False, _TENANT.pattern, _TENANT.example)),
            needs=("AcrPull on the registry", "to browse: Container Registry Repository Catalog Lister"),
        ),
        Method(
            "azure-token",
            "Service principal, exchanged for a token of three hours",
            "Client secret",
            (_APP, _TENANT),
            life=LIFE,
            needs=("AcrPull on the registry", "to browse: Container Registry Repository Catalog Lister"),
        ),
        Method(
            "token",
            "Token that is scoped to repositories",
            "Password of the token",
            (Field("username", "Token name", pattern="[A-Za-z0-9-]{5,50}", example="pull-shop"),),
            needs=("content/read on the repositories", "to list tags: metadata/read"),
        ),
        Method(
            "admin",
            "Admin user",
            "One of its two passwords",
            (Field("username", "User name", pattern="[A-Za-z0-9]{5,50}", hint="the registry's own name"),),
            ends=False,
            needs=("everything: it cannot have less",),
            advice="the admin user is shared, never ends and may push and delete everything: use a service principal",
        ),
    )
    notes = (
        "a registry with dedicated data endpoints sends layers from <name>.<region>.data.azurecr.io",
        "on AKS, delivery mode cluster-identity needs no stored credential to pull",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        found = _HOST.fullmatch(host)
        return Claim(self.name, Place(host)) if found is not None and ".data." not in host else None

    def realms(self, place: Place) -> Sequence[str]:
        return (f"https://{place.host}/oauth2/token",)

    def hosts(self, place: Place) -> tuple[Host, ...]:
        found = _HOST.fullmatch(place.host)
        if found is None:
            return super().hosts(place)
        entra, tld = "only to sign in with Entra ID tokens", found["tld"]
        data = f"a registry with dedicated data endpoints uses <name>.<region>.data.azurecr.{tld} instead"
        if tld == "io":
            return (
                own_host(place),
                Host(_AUTHORITY[tld], Purpose.AUTH, entra),
                Host("*.blob.core.windows.net", Purpose.BLOBS, data),
            )
        return (
            own_host(place),
            Host(_AUTHORITY[tld], Purpose.AUTH, f"{entra}; {PROBE_NOTE}", certain=False),
            Host("*.blob.core.chinacloudapi.cn", Purpose.BLOBS, f"{data}; {PROBE_NOTE}", certain=False),
        )

    def login(self, place: Place, stored: Stored) -> Login | None:
        if self.method(stored.method).life is not None:
            return None
        names = stored.parameters
        return Login(names.get("appId") or names.get("username", ""), stored.secret)

    async def mint(self, place: Place, stored: Stored, outside: Outside) -> Minted:
        if self.method(stored.method).life is None:
            return await super().mint(place, stored, outside)
        access = await _entra(place, stored, outside)
        tenant = stored.parameters.get("tenant", "")
        fields: dict[str, str | SecretValue] = {
            "grant_type": "access_token",
            "service": place.host,
            "tenant": tenant,
            "access_token": access,
        }
        request = Request("POST", f"https://{place.host}/oauth2/exchange", FORM, form(fields))
        token = secret(_answer(await asked(outside, request, _MINTING)).get("refresh_token"), _MINTING)
        return Minted(Login(NOBODY, token), ending(jwt_end(token), outside, LIFE, _MINTING))


async def _entra(place: Place, stored: Stored, outside: Outside) -> SecretValue:
    """An access token of the principal for this registry. Source: RFC 6749, 4.4."""
    found = _HOST.fullmatch(place.host)
    tld = found["tld"] if found is not None else "io"
    fields: dict[str, str | SecretValue] = {
        "grant_type": "client_credentials",
        "client_id": stored.parameters.get("appId", ""),
        "client_secret": stored_word(stored.secret, "Azure"),
        "scope": _SCOPE[tld],
    }
    tenant = segment(stored.parameters.get("tenant", ""))
    url = f"https://{_AUTHORITY[tld]}/{tenant}/oauth2/v2.0/token"
    answer = _answer(await asked(outside, Request("POST", url, FORM, form(fields)), _MINTING))
    return secret(answer.get("access_token"), _MINTING)


def _answer(response: Response) -> dict[str, object]:
    if response.status == 400:
        if text(mapping(parsed(response, _MINTING)).get("error"), 64) in _DENIED:
            raise _MINTING.denied("the service principal is not accepted")
        raise _MINTING.unreadable("it answered 400")
    if response.status != 200:
        raise failed(response, _MINTING)
    return dict(mapping(parsed(response, _MINTING)))


PROVIDER: Final = Acr()
