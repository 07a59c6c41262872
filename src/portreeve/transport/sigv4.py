"""AWS Signature Version 4 in the Authorization header: a pure function of request, credentials and time.

All headers of the request are signed, with `host`, `x-amz-date` and, for temporary credentials, `x-amz-security-token`.

Left out: presigned addresses, chunked and unsigned bodies, S3's own way with paths, and tidying of paths: what is
signed is the path and query as they stand in the address, percent-encoded already and without dot segments.

Sources: AWS Identity and Access Management User Guide, "Create a signed AWS API request"; RFC 3986 section 2.3.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from portreeve.core.secret import SecretValue
from portreeve.transport.exchange import Request, one_word

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """Who signs, each part one word of ASCII. `session_token` is there for temporary credentials only."""

    access_key_id: str = field(repr=False)
    secret_access_key: SecretValue
    session_token: SecretValue | None = None

    def __post_init__(self) -> None:
        for word in (SecretValue(self.access_key_id), self.secret_access_key, self.session_token):
            if word is not None:
                one_word(word)


def signed(request: Request, credentials: Credentials, *, region: str, service: str, now: datetime) -> Request:
    """`request` with the headers that prove who sent it; AWS accepts it for five minutes around `now`.

    Args:
        now: aware.
    """
    at = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    url = urlsplit(request.url)
    added: dict[str, str | SecretValue] = {"x-amz-date": at}
    if credentials.session_token is not None:
        added["x-amz-security-token"] = credentials.session_token
    headers = {**request.headers, **added}
    lines = {**_lines(headers), "host": _host(url)}
    names = ";".join(sorted(lines))
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(_canonical(request, url, lines, names)).hexdigest()
    signature = _mac(_signing_key(credentials, at[:8], region, service), f"{_ALGORITHM}\n{at}\n{scope}\n{digest}").hex()
    proof = f"Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return replace(request, headers={**headers, "authorization": f"{_ALGORITHM} {proof}"})


def _canonical(request: Request, url: SplitResult, lines: Mapping[str, str], names: str) -> bytes:
    return "\n".join(
        (
            request.method,
            # The path is encoded once more than it already is: every service but S3 wants it so.
            quote(url.path or "/", safe="/~"),
            "&".join("=".join(pair) for pair in sorted(_pairs(url.query))),
            *(f"{name}:{lines[name]}" for name in sorted(lines)),
            "",
            names,
            hashlib.sha256(request.body.reveal()).hexdigest(),
        )
    ).encode()


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


def _lines(headers: Mapping[str, str | SecretValue]) -> dict[str, str]:
    """Name in lower case → value without spaces at its ends, and with single ones inside."""
    return {name.lower(): " ".join(_plain(value).split()) for name, value in headers.items()}


def _plain(value: str | SecretValue) -> str:
    return value.reveal().decode("ascii") if isinstance(value, SecretValue) else value


def _host(url: SplitResult) -> str:
    """The host as the HTTP library sends it: with its port, unless that is the scheme's own."""
    host = url.netloc.lower()
    return host.removesuffix(f":{url.port}") if url.port == _DEFAULT_PORTS.get(url.scheme) else host


def _signing_key(credentials: Credentials, day: str, region: str, service: str) -> bytes:
    key = b"AWS4" + credentials.secret_access_key.reveal()
    for part in (day, region, service, "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
