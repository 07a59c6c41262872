"""The one HTTP session: over TLS, to the named host and nowhere else, for a bounded time and a bounded answer.

What the library would do by itself and must not: read proxies, passwords and certificates from the environment and
from .netrc, follow redirects with our headers, keep cookies, unpack compressed bodies, log addresses with queries.

Left out: addresses that users enter or registries name (`outward`). Left out so far: retries and proxies. A server
that sends its *headers* byte by byte is bounded by the library's limit on their size, not by `budget_s`.

Sources: RFC 9110; RFC 9112.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx2

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled, Unavailable
from portreeve.transport.addresses import parsed, redacted
from portreeve.transport.exchange import Request, Response

LIMIT_BYTES: Final = 64 * 1024
"""Wrapped keys and tokens take a few hundred bytes; what is larger is no answer to any of our questions."""

TIMEOUT_S: Final = 10.0
"""For connecting, and for each wait on the server after it."""

BUDGET_S: Final = 30.0
"""For an answer as a whole, so that a server which sends a byte now and then does not hold us."""


for _logger in ("httpx2", "httpcore2.http11"):
    # The first writes whole addresses, with their queries, at INFO; the second the headers of answers at DEBUG.
    logging.getLogger(_logger).addFilter(lambda record: False)  # noqa: ARG005 -- nothing of it is shown


class Session:
    """An `Exchange` over HTTP/1.1 that keeps its connections. Threads may share it."""

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        budget_s: float = BUDGET_S,
        limit_bytes: int = LIMIT_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            ca_file: the only authorities to trust, as PEM; those of this machine when left out.
            monotonic: seconds from any start; tests hand in their own.
        Raises:
            Invalid: `ca_file` cannot be read or holds no certificate.
        """
        self._budget_s, self._limit_bytes, self._monotonic = budget_s, limit_bytes, monotonic
        self._client = httpx2.Client(
            verify=True if ca_file is None else _trusting(ca_file),
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_s,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"accept-encoding": "identity", "user-agent": "portreeve"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    def send(self, request: Request) -> Response:
        """The answer to `request`; see `Exchange`."""
        parsed(request.url)
        headers = [(name.encode("ascii"), _plain(value)) for name, value in request.headers.items()]
        until = self._monotonic() + self._budget_s
        why = "the connection failed"
        try:
            with self._client.stream(
                request.method, request.url, headers=headers, content=request.body.reveal()
            ) as answer:
                return self._whole(answer, request.url, until)
        except httpx2.TimeoutException:
            why = "it took too long"
        except (httpx2.TransportError, httpx2.InvalidURL):
            pass
        # Raised here and not above: the library's own error holds the request, and with it every header.
        raise _no_answer(request.url, why)

    def _whole(self, answer: httpx2.Response, url: str, until: float) -> Response:
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise Stalled(
                "answer_encoding",
                f"{redacted(url)} answered in an encoding that was not asked for",
                hint="let the server, or the proxy before it, send answers as they are",
            )
        body = bytearray()
        for piece in answer.iter_raw():
            body += piece
            if len(body) > self._limit_bytes:
                raise Stalled(
                    "answer_too_large",
                    f"{redacted(url)} answered with more than {self._limit_bytes} bytes",
                    hint="see that the address is that of the service, not of a web page",
                )
            if self._monotonic() > until:
                raise _no_answer(url, "it took too long")
        return Response(answer.status_code, dict(answer.headers), SecretValue(bytes(body)))


def _no_answer(url: str, why: str) -> Unavailable:
    return Unavailable(
        "no_answer", f"{redacted(url)} gave no answer: {why}", hint="see that it runs and can be reached from here"
    )


def _plain(value: str | SecretValue) -> bytes:
    return value.reveal() if isinstance(value, SecretValue) else value.encode("ascii")


def _trusting(ca_file: Path) -> ssl.SSLContext:
    """TLS that trusts the authorities in `ca_file` and no others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with suppress(OSError, ValueError):  # ssl.SSLError is an OSError
        context.load_verify_locations(cafile=ca_file)
    if not context.cert_store_stats()["x509"]:
        raise Invalid(
            "ca_file", f"{ca_file} cannot be read or holds no certificate", hint="name a file of certificates in PEM"
        )
    return context
