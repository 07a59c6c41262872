"""The HTTP session with one standing peer: kept connections, a client certificate, answers piece by piece.

For a server that whoever runs Portreeve has named, and that is talked to as long as the program runs: a Kubernetes API
server. Its answers may last for minutes (a watch), so each wait is bounded and not the whole.

Left out on purpose, as in `session`: proxies, .netrc and certificates from the environment, cookies, redirects (a
redirect is an answer), unpacking of bodies, addresses that users enter (`outward`). Names are resolved anew for each
connection. A read whose kept connection the server has just closed is asked again once; a write never is.

Sources: RFC 9110; RFC 9112; RFC 8446 section 4.4.2 (client certificates).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import httpcore2

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled, Unavailable
from portreeve.transport import tls
from portreeve.transport.addresses import parsed, redacted
from portreeve.transport.client_certificate import ClientCertificate, show
from portreeve.transport.connections import CONNECT_S, Backend
from portreeve.transport.exchange import Request, Response
from portreeve.transport.origin import Origin, split_url
from portreeve.transport.trust import Trust

WAIT_S: Final = 30.0
"""For each wait on an answer that is read whole."""

BODY_BYTES: Final = 64 * 1024 * 1024
"""Of an answer that is read whole: a page of 500 objects of 100 KB, which is far beyond what clusters hold."""

CONNECTIONS: Final = 64
"""At once; each watch keeps one. What is above it waits for one that becomes free."""

_CARRIES: Final = ("host", "accept-encoding", "content-length", "transfer-encoding", "connection")
"""Headers that say how a request is carried; a caller's are not sent."""

for _logger in ("httpcore2.http11", "httpcore2.connection"):
    # They write requests and the headers of answers at DEBUG.
    logging.getLogger(_logger).addFilter(lambda record: False)  # noqa: ARG005 -- nothing of it is shown


class Answer:
    """An answer whose body has not been read. Header names are in lower case, as in `Response`."""

    __slots__ = ("_answer", "_url", "headers", "status")

    def __init__(self, answer: httpcore2.Response, url: str) -> None:
        self._answer, self._url = answer, url
        self.status = answer.status
        self.headers: dict[str, str] = {}
        for raw_name, raw_value in answer.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body in the order in which it comes. Raises: as `Streaming.opened`."""
        try:
            async for piece in self._answer.aiter_stream():
                yield piece
            return
        except _LIBRARY as error:
            fault = _fault(error, self._url)
        # Raised here and not above: the library's own error leads to the request, and with it to every header.
        raise fault


class Streaming:
    """An `AsyncExchange` with one origin; use it in `async with`, which ends its connections. For one event loop."""

    def __init__(
        self, origin: str, trust: Trust, *, certificate: ClientCertificate | None = None, server_name: str = ""
    ) -> None:
        """
        Args:
            origin: `https://host:port`; plain http is for this machine alone.
            server_name: the name in the server's certificate where it is not the host's.
        Raises:
            Invalid: `url_refused`, `ca_bundle`, `client_certificate`.
        """
        parsed(origin)
        self.origin = Origin.of(origin)
        context = tls.context(trust)
        if certificate is not None:
            show(context, certificate)
        self._extensions: dict[str, Any] = {"sni_hostname": server_name} if server_name else {}
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=CONNECTIONS,
            keepalive_expiry=30.0,
            retries=0,
            network_backend=Backend(),
        )

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
        """The answer, whole; see `AsyncExchange`.

        Raises:
            As `opened`. Stalled: `answer_too_large`.
        """
        async with self.opened(request) as answer:
            body = bytearray()
            async for piece in answer.pieces():
                body += piece
                if len(body) > BODY_BYTES:
                    raise Stalled(
                        "answer_too_large",
                        f"{redacted(request.url)} answered with more than {BODY_BYTES} bytes",
                        hint="ask for less at once",
                    )
            return Response(answer.status, answer.headers, SecretValue(bytes(body)))

    @asynccontextmanager
    async def opened(self, request: Request, *, wait_s: float = WAIT_S) -> AsyncIterator[Answer]:
        """The answer with its body still to come; leaving the block early ends its connection.

        Args:
            wait_s: for each wait on the server, once it is connected.
        Raises:
            Invalid: `url_refused`: another origin than this session's.
            Unavailable: `name_unknown_host`, `connection_refused`, `no_answer`; `TlsUntrusted` for `tls_untrusted`.
                All of them also while the body is read.
            Stalled: `answer_encoding`.
        """
        url, headers = self._prepared(request)
        waits = {"connect": CONNECT_S, "read": wait_s, "write": WAIT_S, "pool": WAIT_S}
        try:
            async with self._begun(request, url, headers, {**self._extensions, "timeout": waits}) as answer:
                given = Answer(answer, request.url)
                if given.headers.get("content-encoding", "identity").lower() not in {"identity", ""}:
                    raise Stalled(
                        "answer_encoding",
                        f"{redacted(request.url)} answered in an encoding that was not asked for",
                        hint="let the server, or the proxy before it, send answers as they are",
                    )
                yield given
                return
        except _LIBRARY as error:
            fault = _fault(error, request.url)
        raise fault

    @asynccontextmanager
    async def _begun(
        self,
        request: Request,
        url: httpcore2.URL,
        headers: list[tuple[bytes, bytes]],
        extensions: dict[str, Any],
    ) -> AsyncIterator[httpcore2.Response]:
        """The library's answer; a read is begun a second time when a kept connection turns out to have ended."""
        for last in (request.method not in {"GET", "HEAD"}, True):
            began = False
            try:
                async with self._pool.stream(
                    request.method, url, headers=headers, content=request.body.reveal(), extensions=extensions
                ) as answer:
                    began = True
                    yield answer
                    return
            except (httpcore2.RemoteProtocolError, httpcore2.ReadError, httpcore2.WriteError):
                if began or last:
                    raise

    def _prepared(self, request: Request) -> tuple[httpcore2.URL, list[tuple[bytes, bytes]]]:
        origin, path, query = split_url(request.url)
        if origin != self.origin:
            raise Invalid(
                "url_refused", f"{redacted(request.url)} is not at {self.origin}", hint="open a session of its own"
            )
        sent = {b"host": origin.address.encode(), b"user-agent": b"portreeve", b"accept-encoding": b"identity"}
        for name, value in request.headers.items():
            if name.lower() not in _CARRIES:
                plain = value.reveal() if isinstance(value, SecretValue) else value.encode("ascii")
                sent[name.lower().encode("ascii")] = plain
        body = request.body.reveal()
        if body or request.method in {"POST", "PUT", "PATCH"}:
            sent[b"content-length"] = str(len(body)).encode()
        url = httpcore2.URL(
            scheme=origin.scheme.encode(),
            host=origin.host.encode(),
            port=origin.port,
            target=(f"{path}?{query}" if query else path).encode("ascii"),
        )
        return url, list(sent.items())


_LIBRARY: Final = (
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
    httpcore2.NetworkError,
    OSError,
)
"""What the library raises for an answer that does not come about."""


def _fault(error: Exception, url: str) -> Unavailable:
    match error:
        case httpcore2.TimeoutException():
            return _no_answer(url, "it took too long")
        case httpcore2.ProtocolError() | httpcore2.UnsupportedProtocol():
            return _no_answer(url, "what it sent is not HTTP, or ended early")
    return _no_answer(url, "the connection ended early")


def _no_answer(url: str, why: str) -> Unavailable:
    return Unavailable(
        "no_answer", f"{redacted(url)} gave no answer: {why}", hint="see that it runs and can be reached from here"
    )
