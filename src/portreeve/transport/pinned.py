"""The HTTP session of an agent with its control plane: one server, known by certificates that were pinned before.

Nothing but the pinned certificates counts: not the authorities of this machine, so that a valid public certificate is
no way in (threat AG-03), and no setting turns that off. What is pinned may be an authority, one in between, or the
server's own certificate. `fetched_unverified` is there for the one moment before: it brings what is then held against
a hash, sends nothing, and is believed nothing.

Left out, as in `session`: proxies and certificates from the environment, redirects, cookies, unpacking of bodies.

Sources: RFC 9110; RFC 5280, section 6.1 (trust anchors); OpenSSL, X509_V_FLAG_PARTIAL_CHAIN.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpcore2

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled, Unavailable
from portreeve.transport import tls
from portreeve.transport.addresses import redacted
from portreeve.transport.exchange import Request, Response
from portreeve.transport.origin import split_url

BODY_BYTES: Final = 32 << 20
"""The most that an answer may have. A desired state of ten thousand namespaces has a few megabytes."""

TRUST_BYTES: Final = 65_536
CONNECT_S: Final = 10.0
ANSWER_S: Final = 90.0
"""For a whole answer. The control plane answers a poll after 50 s."""


class Pinned:
    """An `AsyncExchange` with one control plane. Use it in `async with`, which ends its connections."""

    def __init__(self, trust: str, *, identity: Path | None = None, answer_s: float = ANSWER_S) -> None:
        """
        Args:
            trust: the certificates that count, in PEM.
            identity: file of our own certificate and its key, in PEM; None shows none.
        Raises:
            Invalid: `ca_bundle`: there is no certificate in `trust`; `agent_key`: the file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        tls.load(context, trust)
        if identity is not None:
            try:
                context.load_cert_chain(identity)
            except (OSError, ValueError):
                raise Invalid("agent_key", f"{identity} holds no certificate with its key") from None
        self._answer_s = answer_s
        self._pool = _pool(context)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections."""
        await self._pool.aclose()

    async def send(self, request: Request) -> Response:
        """The answer to `request`; see `AsyncExchange`.

        Raises:
            Invalid: `url_refused`. Unavailable: `no_answer`; `TlsUntrusted` for `tls_untrusted`.
            Stalled: `answer_too_large`.
        """
        return await _sent(self._pool, request, self._answer_s, BODY_BYTES)


async def fetched_unverified(url: str) -> Response:
    """What is answered at an address by whoever is there. It proves nothing: hold the body against a hash.

    Raises:
        Invalid, Unavailable, Stalled: as `Pinned.send`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with _pool(context) as pool:
        return await _sent(pool, Request("GET", url), CONNECT_S, TRUST_BYTES)


def _pool(context: ssl.SSLContext) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(ssl_context=context, max_connections=4, keepalive_expiry=60.0, retries=0)


async def _sent(pool: httpcore2.AsyncConnectionPool, request: Request, answer_s: float, limit: int) -> Response:
    origin, path, query = split_url(request.url)
    if origin.scheme != "https":
        raise Invalid("url_refused", f"{redacted(request.url)} is not encrypted", hint="a control plane has https")
    headers = [
        (b"host", origin.address.encode()),
        (b"user-agent", b"portreeve-agent"),
        (b"accept-encoding", b"identity"),
    ]
    headers += [(name.encode("ascii"), _plain(value)) for name, value in request.headers.items()]
    body = request.body.reveal()
    if body or request.method == "POST":
        headers.append((b"content-length", str(len(body)).encode()))
    target = f"{path}?{query}" if query else path
    url = httpcore2.URL(scheme=b"https", host=origin.host.encode(), port=origin.port, target=target.encode("ascii"))
    waits = {"timeout": {"connect": CONNECT_S, "read": answer_s, "write": CONNECT_S, "pool": CONNECT_S}}
    fault: PortreeveError
    try:
        async with (
            asyncio.timeout(answer_s + CONNECT_S),
            pool.stream(request.method, url, headers=headers, content=body, extensions=waits) as answer,
        ):
            found = bytearray()
            async for piece in answer.aiter_stream():
                found += piece
                if len(found) > limit:
                    raise Stalled("answer_too_large", f"{redacted(request.url)} answered with more than {limit} bytes")
            named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            return Response(answer.status, named, SecretValue(bytes(found)))
    except PortreeveError as error:
        fault = error
    except httpcore2.ConnectError as error:
        fault = _not_connected(request.url, error)
    except (httpcore2.TimeoutException, TimeoutError):
        fault = _no_answer(request.url, "it took too long")
    except (httpcore2.ProtocolError, httpcore2.NetworkError, httpcore2.UnsupportedProtocol, OSError):
        fault = _no_answer(request.url, "the connection ended early")
    # Raised here and not above: the library's own error holds the request, and with it every header.
    fault.__traceback__ = fault.__context__ = None
    raise fault from None


def _not_connected(url: str, error: BaseException) -> Unavailable:
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLError):
            return tls.TlsUntrusted(redacted(url), tls.cause_of(found))
        found = found.__cause__ or found.__context__
    return _no_answer(url, "nobody listens there")


def _plain(value: str | SecretValue) -> bytes:
    return value.reveal() if isinstance(value, SecretValue) else value.encode("ascii")


def _no_answer(url: str, why: str) -> Unavailable:
    return Unavailable(
        "no_answer", f"{redacted(url)} gave no answer: {why}", hint="see that it runs and can be reached from here"
    )
