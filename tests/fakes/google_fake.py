"""Google's token endpoint and Artifact Registry in memory: the signature of the JWT is verified with the public key."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from portreeve.transport.exchange import Request, Response
from tests.fakes.network import form, header, query, says

EMAIL = "pull@acme.iam.gserviceaccount.com"


@cache
def private_key() -> rsa.RSAPrivateKey:
    """A key for all tests of a process: making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


def json_key(**changed: str) -> str:
    """A service account's key, as Google's console gives it."""
    pem = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "1f2e3d",
        "private_key": pem,
        "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps({**key, **changed})


@dataclass
class FakeGoogle:
    """Tokens live as long as `life`, for a JWT that was signed within an hour of `now`."""

    now: datetime
    life: timedelta = timedelta(hours=1)
    packages: dict[str, dict[str, str]] = field(default_factory=dict)
    """Package → tag → digest."""
    asked: list[Request] = field(default_factory=list)
    token: str = "google-access-token-0123456789"

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        if urlsplit(request.url).netloc == "oauth2.googleapis.com":
            return self._token(request)
        assert urlsplit(request.url).netloc == "artifactregistry.googleapis.com"
        if header(request, "authorization") != f"Bearer {self.token}":
            return says({"error": {"code": 401, "message": "no"}}, 401)
        return self._listed(request)

    def _token(self, request: Request) -> Response:
        fields = form(request)
        assert fields["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        signed, _, signature = fields["assertion"].rpartition(".")
        head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        try:
            private_key().public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return says({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
        assert head == {"alg": "RS256", "typ": "JWT", "kid": "1f2e3d"}
        assert (claims["iss"], claims["aud"]) == (EMAIL, "https://oauth2.googleapis.com/token")
        assert claims["exp"] - claims["iat"] == 3600
        if abs(self.now.timestamp() - claims["iat"]) > 300:
            return says({"error": "invalid_grant", "error_description": "iat is not near now"}, 400)
        return says({"access_token": self.token, "expires_in": int(self.life.total_seconds()), "token_type": "Bearer"})

    def _listed(self, request: Request) -> Response:
        parts = urlsplit(request.url).path.split("/")
        base = "/".join(parts[2:8])
        assert base == "projects/acme/locations/europe-west1/repositories/shop"
        if len(parts) == 9:
            rows: list[Any] = [{"name": f"{base}/packages/{name.replace('/', '%2F')}",
                                "updateTime": "2026-11-01T00:00:00.123456Z"} for name in self.packages]  # fmt: skip
            return _paged("packages", rows, request)
        package = unquote(parts[9])
        if package not in self.packages:
            return says({"error": {"code": 404}}, 404)
        rows = [{"name": f"{base}/packages/{package}/tags/{tag}", "version": f"{base}/packages/{package}/versions/{of}"}
                for tag, of in self.packages[package].items()]  # fmt: skip
        return _paged("tags", rows, request)


def _paged(name: str, rows: list[Any], request: Request) -> Response:
    fields = query(request)
    start, size = int(fields.get("pageToken", "0")), int(fields["pageSize"])
    end = start + size
    return says({name: rows[start:end], **({"nextPageToken": str(end)} if end < len(rows) else {})})


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
