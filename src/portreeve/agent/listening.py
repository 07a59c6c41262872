"""The port of an agent: two paths, for whoever scrapes it and for the kubelet. Off unless it is asked for.

Theory of operation. One request for each connection; whoever sends too much, too slowly or no HTTP is cut off. The head
has `HEAD_BYTES`, everything together `REQUEST_S`. There are `MOST_OPEN` connections: one more ends the oldest, so that
those who hold theirs open keep nobody out. A body is not read. Nothing of a request is logged or answered.

Left out: TLS and questions, as what is told is counts of this agent's own work (docs/adr/0027); keep-alive.
Sources: RFC 9112; Kubernetes, "Configure Liveness, Readiness and Startup Probes".
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from portreeve.errors import Invalid
from portreeve.wire.exposition import CONTENT_TYPE

HEAD_BYTES: Final = 8_192
REQUEST_S: Final = 5.0
MOST_OPEN: Final = 32

_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]")
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_PLAIN: Final = "text/plain; charset=utf-8"

log = logging.getLogger("portreeve.agent")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """`HOST:PORT`, or a port alone, which is one of loopback.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65_536) or (colon and not host):
        raise ValueError(f"{text!r} is neither HOST:PORT nor a port")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    return Address(host or "127.0.0.1", int(port))


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = _PLAIN


class Listening:
    """Answers at a port. `page` is the metrics as they are now; `healthy` whether the agent still does its work."""

    def __init__(self, page: Callable[[], bytes], healthy: Callable[[], bool]) -> None:
        self._page = page
        self._healthy = healthy
        self._open: dict[asyncio.Task[None], None] = {}

    @asynccontextmanager
    async def at(self, address: Address) -> AsyncIterator[Address]:
        """Until the end of the block; where it listens, as port 0 takes a free one.

        Raises:
            Invalid: `metrics_address`: it cannot listen there.
        """
        try:
            server = await asyncio.start_server(self._connected, address.host, address.port, limit=HEAD_BYTES)
        except OSError as error:
            reason = f"cannot listen at {address}: {error.strerror or 'no such address'}"
            raise Invalid("metrics_address", reason, hint="name another one: --metrics HOST:PORT") from None
        found = Address(address.host, int(server.sockets[0].getsockname()[1]))
        log.info("metrics at http://%s/metrics", found)
        try:
            yield found
        finally:
            server.close()
            for task in tuple(self._open):
                task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MOST_OPEN:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.cancel()
        self._open[task] = None
        try:
            async with asyncio.timeout(REQUEST_S):
                answer = await self._answered(reader)
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        except (OSError, asyncio.CancelledError):
            # Too slow, gone, or in the way of somebody else. Nobody awaits this task, so it ends here.
            pass
        finally:
            self._open.pop(task, None)
            with suppress(OSError):
                writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _written(_Answer(431, b"too large\n"))
        except asyncio.IncompleteReadError:
            return None
        line = _LINE.fullmatch(head.partition(b"\r\n")[0])
        if line is None:
            return _written(_Answer(400, b"no request\n"))
        if line[1] not in {b"GET", b"HEAD"}:
            return _written(_Answer(405, b"GET alone\n"))
        answer = self._of(line[2].partition(b"?")[0])
        return _written(answer, with_body=line[1] == b"GET")

    def _of(self, path: bytes) -> _Answer:
        try:
            if path == b"/metrics":
                return _Answer(200, self._page(), CONTENT_TYPE)
            if path == b"/healthz":
                return _Answer(200, b"ok\n") if self._healthy() else _Answer(503, b"stalled\n")
        except Exception:
            # A mistake of ours here must not end the agent, whose work is elsewhere.
            log.exception("the metrics could not be told")
            return _Answer(500, b"failed\n")
        return _Answer(404, b"not found\n")


def _written(answer: _Answer, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n"
    )
    return head.encode("ascii") + b"\r\n" + (answer.body if with_body else b"")
