"""The HTTP session for addresses that users enter and registries name: to admitted addresses, within one budget.

One `Outward` serves one operation with one registry: its trust, its budget, its connections. Left out on purpose, as
in `session`: proxies, .netrc and certificates from the environment, cookies, redirects (a redirect is an answer),
unpacking of bodies. Left out so far: retries, client certificates, egress proxies.

The core of the library is used without its client: what that adds is what must not be done here.

Sources: RFC 9110; RFC 9112; threats RC-02, RC-04, RC-09, RC-10.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from types import TracebackType
from typing import Final, Self

import httpcore2

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled, Unavailable
from portreeve.transport import tls
from portreeve.transport.address_rules import AddressRules, literal
from portreeve.transport.addresses import redacted
from portreeve.transport.budget import Budget
from portreeve.transport.exchange import Request, Response
from portreeve.transport.guarded import GuardedBackend, Resolver, resolve_here
from portreeve.transport.origin import Origin, split_url
from portreeve.transport.trust import Trust

BODY_BYTES: Final = 4 * 1024 * 1024
"""The most that a manifest may have, the largest answer that is read whole. Source: OCI Distribution 1.1, pushing."""

WAIT_S: Final = 10.0
"""For each wait on the other side. The whole is bounded by the budget."""

HEADERS: Final = 200
"""Lines of headers in an answer; registries and the proxies before them send twenty."""

OURS: Final = frozenset({"host", "accept-encoding", "content-length", "transfer-encoding", "connection"})
"""Headers that say how a request is carried; a caller's are not sent."""

for _logger in ("httpcore2.http11", "httpcore2.connection"):
    # They write requests and the headers of answers at DEBUG.
    logging.getLogger(_logger).addFilter(lambda record: False)  # noqa: ARG005 -- nothing of it is shown


class Outward:
    """An `AsyncExchange` for one operation with one registry. Use it in `async with`, which ends its connections."""

    def __init__(
        self,
        origin: str,
        trust: Trust,
        rules: AddressRules,
        budget: Budget,
        *,
        resolver: Resolver = resolve_here,
        body_bytes: int = BODY_BYTES,
    ) -> None:
        """
        Args:
            origin: the registry's own, as `https://registry.example.com`. Its trust is for this origin: elsewhere plain
                HTTP and unverified certificates are refused always.
            budget: its `monotonic` is the only clock that is asked.
            body_bytes: the most that one answer may have.
        Raises:
            Invalid: `url_refused`, `ca_bundle`.
        """
        self._origin = Origin.of(origin)
        self._trust, self._budget, self._body_bytes = trust, budget, body_bytes
        backend = GuardedBackend(rules, resolver, budget)
        self._own = _pool(backend, tls.context(trust))
        self._elsewhere = _pool(backend, tls.context_elsewhere(trust))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections."""
        await self._own.aclose()
        await self._elsewhere.aclose()

    async def send(self, request: Request) -> Response:
        """The answer to `request`; see `AsyncExchange`.

        Raises:
            Invalid: `url_refused`, `address_refused`.
            Unavailable: `name_unknown_host`, `connection_refused`, `no_answer`; `TlsUntrusted` for `tls_untrusted`.
            Stalled: `budget_spent`, `answer_too_large`, `answer_encoding`.
        """
        origin, path, query = split_url(request.url)
        literal(origin.host)
        self._encrypted(origin)
        self._budget.request()
        fault: PortreeveError
        try:
            async with asyncio.timeout(self._budget.seconds_left()):
                return await self._answer(request, origin, f"{path}?{query}" if query else path)
        except PortreeveError as error:
            fault = error
        except httpcore2.TimeoutException:
            fault = _no_answer(request.url, "it took too long")
        except TimeoutError:
            fault = _out_of_time(request.url)
        except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol):
            fault = _no_answer(request.url, "what it sent is not HTTP, or too much of it is headers")
        except (httpcore2.NetworkError, OSError):
            fault = _no_answer(request.url, "the connection ended early")
        # Raised here and not above: the library's own error holds the request, and with it every header.
        fault.__traceback__ = fault.__context__ = None
        raise fault from None

    def _encrypted(self, origin: Origin) -> None:
        if origin.scheme == "https" or (self._trust.plain_http and origin == self._origin):
            return
        raise Invalid(
            "url_refused",
            f"{origin} is not encrypted",
            hint="use https; plain HTTP has to be chosen for the registry, and is then for its own address alone",
        )

    async def _answer(self, request: Request, origin: Origin, target: str) -> Response:
        pool = self._own if origin == self._origin else self._elsewhere
        given = {name.lower(): _plain(value) for name, value in request.headers.items() if name.lower() not in OURS}
        sent = {"host": origin.address.encode("ascii"), "user-agent": b"portreeve", "accept-encoding": b"identity"}
        headers = [(name.encode("ascii"), value) for name, value in (sent | given).items()]
        body = request.body.reveal()
        if body or request.method in {"POST", "PUT", "PATCH"}:
            headers.append((b"content-length", str(len(body)).encode()))
        url = httpcore2.URL(
            scheme=origin.scheme.encode(), host=origin.host.encode(), port=origin.port, target=target.encode("ascii")
        )
        waits = {"timeout": {"connect": WAIT_S, "read": WAIT_S, "write": WAIT_S, "pool": WAIT_S}}
        async with pool.stream(request.method, url, headers=headers, content=body, extensions=waits) as answer:
            return await self._whole(answer, request)

    async def _whole(self, answer: httpcore2.Response, request: Request) -> Response:
        if len(answer.headers) > HEADERS:
            raise _too_large(request.url, f"{HEADERS} lines of headers")
        headers: dict[str, str] = {}
        for raw_name, raw_value in answer.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if headers.get("content-encoding", "identity").lower() not in {"identity", ""}:
            raise Stalled(
                "answer_encoding",
                f"{redacted(request.url)} answered in an encoding that was not asked for",
                hint="let the server, or the proxy before it, send answers as they are",
            )
        length = headers.get("content-length", "")
        if request.method != "HEAD" and length.isdecimal() and int(length[:20]) > self._body_bytes:
            raise _too_large(request.url, f"{self._body_bytes} bytes")
        body = bytearray()
        async for piece in answer.aiter_stream():
            body += piece
            if len(body) > self._body_bytes:
                raise _too_large(request.url, f"{self._body_bytes} bytes")
        return Response(answer.status, headers, SecretValue(bytes(body)))


def _pool(backend: GuardedBackend, context: ssl.SSLContext) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(
        ssl_context=context, max_connections=8, keepalive_expiry=30.0, retries=0, network_backend=backend
    )


def _plain(value: str | SecretValue) -> bytes:
    return value.reveal() if isinstance(value, SecretValue) else value.encode("ascii")


def _no_answer(url: str, why: str) -> Unavailable:
    return Unavailable(
        "no_answer", f"{redacted(url)} gave no answer: {why}", hint="see that it runs and can be reached from here"
    )


def _out_of_time(url: str) -> Stalled:
    return Stalled(
        "budget_spent",
        f"{redacted(url)} took all the time that one operation may take",
        hint="see that the address is that of a registry, and that it is not overloaded",
    )


def _too_large(url: str, limit: str) -> Stalled:
    return Stalled(
        "answer_too_large",
        f"{redacted(url)} answered with more than {limit}",
        hint="see that the address is that of a registry, not of a web page",
    )
