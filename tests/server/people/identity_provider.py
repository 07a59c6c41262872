"""An identity provider on loopback, over real sockets, that behaves as it should or as it is told.

`behave` changes one thing; everything else stays right, so that a refusal is for that one thing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

CLIENT_ID = "portreeve"
SECRET = "the client's secret: %&+"
KID = "key-1"


@cache
def key(kind: str) -> Key:
    """A private key; making one takes a while."""
    if kind.startswith("RSA"):
        return RSAKey.generate_key(1024 if kind == "RSA-1024" else 2048)
    if kind == "OKP":
        return OKPKey.generate_key("Ed25519")
    return ECKey.generate_key("P-256")


def public(kind: str, **more: Any) -> dict[str, Any]:
    """The public half, as a key set has it."""
    return {**key(kind).as_dict(private=False), **more}


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


@dataclass
class IdentityProvider:
    """What it is asked and what it answers. Hooks change what would be right."""

    clock: Callable[[], datetime]
    issuer: str = ""
    algorithm: str = "RS256"
    kind: str = "RSA"
    subject: str = "0001"
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims that differ; None leaves one out."""
    offsets: dict[str, int] = field(default_factory=dict)
    """Claims that are times, in seconds from now."""
    header: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] | None = None
    token: Callable[[str], str] | None = None
    """Makes the token out of the right one's payload."""
    answers: dict[str, tuple[int, Mapping[str, str], bytes]] = field(default_factory=dict)
    """Path → what is answered there instead."""
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def behave(self, changed: Mapping[str, Any]) -> None:
        """Be honest again, but for what is changed."""
        honest = IdentityProvider(self.clock, self.issuer)
        for name in ("algorithm", "kind", "claims", "offsets", "header", "discovery", "keys", "token", "answers"):
            setattr(self, name, changed.get(name, getattr(honest, name)))

    def authorize(self, url: str) -> dict[str, str]:
        """What a person does who follows the address and signs in: the parameters that come back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT_ID
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.issuer}

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
            **self.discovery,
        }

    def exchange(self, form: Mapping[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint: each code once, for whoever has its verifier and the client's secret."""
        begun = self.codes.pop(form.get("code", ""), None)
        verifier = encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if begun is None or begun["code_challenge"] != verifier or begun["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "<script>alert(1)</script>"}
        if not authorization.startswith("Basic "):
            return 401, {"error": "invalid_client"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(begun["nonce"])}

    def id_token(self, nonce: str) -> str:
        now = int(self.clock().timestamp())
        right = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "preferred_username": "ada",
            "name": "Ada Example",
            "groups": ["shop-leads"],
        }
        times = {name: now + seconds for name, seconds in self.offsets.items()}
        claims = {name: value for name, value in {**right, **times, **self.claims}.items() if value is not None}
        payload = json.dumps(claims)
        if self.token is not None:
            return self.token(payload)
        header = {
            name: one for name, one in {"alg": self.algorithm, "kid": KID, **self.header}.items() if one is not None
        }
        registry = jws.JWSRegistry(algorithms=[self.algorithm], strict_check_header=False)
        return signed(header, payload, lambda data: _signature(data, key(self.kind), self.algorithm, registry))


def signed(header: Mapping[str, Any], payload: str, sign: Callable[[bytes], bytes]) -> str:
    """A token with any header at all, which no library would write."""
    data = f"{encoded(json.dumps(header).encode())}.{encoded(payload.encode())}"
    return f"{data}.{encoded(sign(data.encode()))}"


def _signature(data: bytes, private: Key, algorithm: str, registry: jws.JWSRegistry) -> bytes:
    return registry.get_alg(algorithm).sign(data, private)


def unsigned(payload: str) -> str:
    """`alg: none`."""
    return signed({"alg": "none"}, payload, lambda _: b"")


def by_public_key(payload: str) -> str:
    """HS256, with the public key as the secret: what a verifier takes that lets the token choose."""
    private = key("RSA")
    assert isinstance(private, RSAKey)
    secret = private.as_pem(private=False)
    return signed({"alg": "HS256", "kid": KID}, payload, lambda data: hmac.digest(secret, data, "sha256"))


def by_known_secret(payload: str) -> str:
    """HS256, with a secret that stands in the key set."""
    return signed({"alg": "HS256", "kid": KID}, payload, lambda data: hmac.digest(b"s" * 32, data, "sha256"))


def by_own_key(payload: str) -> str:
    """Signed by a key that the token brings along."""
    registry = jws.JWSRegistry(algorithms=["ES256"])
    header = {"alg": "ES256", "kid": KID, "jwk": public("EC")}
    return signed(header, payload, lambda data: _signature(data, key("EC"), "ES256", registry))


def by_another_key(payload: str) -> str:
    """Signed by somebody else."""
    registry = jws.JWSRegistry(algorithms=["RS256"])
    header = {"alg": "RS256", "kid": KID}
    return signed(header, payload, lambda data: _signature(data, key("RSA-other"), "RS256", registry))


@contextmanager
def serving(clock: Callable[[], datetime]) -> Iterator[IdentityProvider]:
    """One that listens on a free port."""
    provider = IdentityProvider(clock)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

        def _answer(self, body: bytes) -> None:
            path = urlsplit(self.path).path
            provider.asked.append(path)
            if path in provider.answers:
                self._send(*provider.answers[path])
            elif path == "/.well-known/openid-configuration":
                self._send(200, {}, json.dumps(provider.document()).encode())
            elif path == "/keys":
                keys = [public(provider.kind, kid=KID)] if provider.keys is None else provider.keys
                self._send(200, {}, json.dumps({"keys": keys}).encode())
            elif path == "/token":
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                status, found = provider.exchange(form, self.headers.get("Authorization", ""))
                self._send(status, {}, json.dumps(found).encode())
            else:
                self._send(404, {}, b"")

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name of the base class
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
