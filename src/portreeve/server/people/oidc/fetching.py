"""HTTP to an identity provider: bounded in time and size, and never anywhere that was not named.

No proxy or other setting of the environment counts, no redirect is followed, nothing compressed is taken (a small
answer could become a huge one), and an answer is read to `MAX_BYTES` and no further.

Sources: OWASP ASVS 5.0, 10.5 and 15.3; threat API-06.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import Any, Final

import httpx2

from portreeve.errors import PortreeveError, Unavailable
from portreeve.server.http.body import parse

TIMEOUT_S: Final = 10.0
"""For one request as a whole. A person waits for it."""
MAX_BYTES: Final = 256 * 1024
"""The largest key sets and discovery documents of the public providers have some 20 KB."""


@cache
def _trust() -> ssl.SSLContext:
    """The authorities that the machine trusts. They are read once: each time would hold everybody up."""
    return ssl.create_default_context()


class Bounded(httpx2.AsyncBaseTransport):
    """A transport whose answers have an end."""

    def __init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=_trust(), trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer.

        Raises:
            httpx2.DecodingError: it is larger than `MAX_BYTES`, or compressed.
        """
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        data = bytearray()
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise httpx2.DecodingError("the answer is compressed", request=request)
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            async for chunk in response.stream:
                data += chunk
                if len(data) > MAX_BYTES:
                    raise httpx2.DecodingError(f"the answer is larger than {MAX_BYTES} bytes", request=request)
        finally:
            await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, content=bytes(data), request=request)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


def options() -> dict[str, Any]:
    """What every client of a provider is made with."""
    return {"transport": Bounded(), "trust_env": False, "follow_redirects": False, "timeout": TIMEOUT_S}


async def get_json(url: str) -> dict[str, Any]:
    """The JSON object at an address.

    Raises:
        Unavailable: `oidc_unavailable`.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S), httpx2.AsyncClient(**options()) as client:
            answer = await client.get(url, headers={"Accept": "application/json"})
        found = parse(answer.content) if answer.status_code == 200 else None
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, PortreeveError, OSError) as error:
        raise unavailable(type(error).__name__) from None
    if not isinstance(found, dict):
        raise unavailable(f"status {answer.status_code}")
    return found


def unavailable(why: str) -> Unavailable:
    """The provider does not answer as it should. Nothing that it said is repeated: it could be anything."""
    hint = "try again shortly; an administrator sees whether its address and certificate are right"
    return Unavailable("oidc_unavailable", f"the identity provider does not answer as it should ({why})", hint=hint)
