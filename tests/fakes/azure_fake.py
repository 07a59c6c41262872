"""Microsoft Entra ID and the exchange of an Azure container registry, in memory."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from portreeve.transport.exchange import Request, Response
from tests.fakes.network import form, says


@dataclass
class FakeAzure:
    """One principal with its secret, in one tenant. A refresh token ends `life` after `now`."""

    now: datetime
    app_id: str
    secret: str
    tenant: str = "acme.onmicrosoft.com"
    life: timedelta = timedelta(hours=3)
    authority: str = "login.microsoftonline.com"
    asked: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        url, fields = urlsplit(request.url), form(request)
        if url.netloc == self.authority:
            assert url.path == f"/{self.tenant}/oauth2/v2.0/token"
            if (fields["client_id"], fields["client_secret"]) != (self.app_id, self.secret):
                return says({"error": "invalid_client", "error_description": f"wrong: {self.secret}"}, 401)
            assert fields["grant_type"] == "client_credentials"
            return says({"access_token": "entra-access-token-0123456789", "expires_in": 3599})
        assert url.path == "/oauth2/exchange"
        assert (fields["service"], fields["tenant"], fields["grant_type"]) == (url.netloc, self.tenant, "access_token")
        if fields["access_token"] != "entra-access-token-0123456789":
            return says({"errors": [{"code": "UNAUTHORIZED"}]}, 401)
        return says({"refresh_token": self.refresh_token()})

    def refresh_token(self) -> str:
        """A JWT that nobody has to verify."""
        claims = {"exp": int((self.now + self.life).timestamp()), "grant_type": "refresh_token"}
        parts = [json.dumps({"alg": "RS256"}), json.dumps(claims), "signature"]
        return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)
