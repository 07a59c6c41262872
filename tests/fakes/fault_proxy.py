"""A proxy before a real API server that answers in its place, waits, cuts off, or loses an answer.

    async with FaultProxy(cluster) as proxy:
        proxy.inject(Says(429, {"Retry-After": "3"}), "GET /api/v1/namespaces")
        ...  # the first such request is answered by the proxy; the next one reaches the server

Plain HTTP on loopback to the test, TLS with the administrator's certificate to the server; a request's own
Authorization counts where there is one. One request for each connection. Nothing here takes time by itself: a delay
lasts until the test ends it.

Sources: reliability F-02 to F-06, F-11; toxiproxy's toxics.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from tests.tools.cluster import Cluster


@dataclass(frozen=True)
class Says:
    """An answer of the proxy's own; the server is not asked. `body` is what a `Status` would be."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Delays:
    """The request waits until the test sets the event; then it is passed on."""

    until: asyncio.Event


class Resets:
    """The connection ends before anything is asked of the server."""


class LosesAnswer:
    """The server is asked, and its answer never arrives."""


@dataclass(frozen=True)
class Truncates:
    """The connection ends after so many bytes of the answer's body."""

    after_bytes: int


Fault = Says | Delays | Resets | LosesAnswer | Truncates


class FaultProxy:
    """Attributes: url; asked: `METHOD target` of every request, in order; faulted: how often each fault has struck."""

    def __init__(self, cluster: Cluster) -> None:
        upstream = urlsplit(cluster.url)
        assert upstream.hostname is not None
        assert upstream.port is not None
        self._upstream = (upstream.hostname, upstream.port)
        self._plain = ssl.create_default_context(cafile=str(cluster.ca_file))
        self._admin = ssl.create_default_context(cafile=str(cluster.ca_file))
        self._admin.load_cert_chain(cluster.client_cert, cluster.client_key)
        self._planned: list[tuple[str, Fault, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.asked: list[str] = []
        self.faulted: dict[str, int] = {}

    def inject(self, fault: Fault, request: str, *, times: int = 1, contains: str = "") -> None:
        """Strike the next `times` requests whose `METHOD target` begins with `request` and holds `contains`."""
        self._planned.append((f"{request}\0{contains}", fault, times))

    def cut(self) -> None:
        """End every connection that is open now, in both directions."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fault(self, request: str) -> Fault | None:
        for index, (pattern, fault, times) in enumerate(self._planned):
            begins, _, contains = pattern.partition("\0")
            if request.startswith(begins) and contains in request:
                if times > 1:
                    self._planned[index] = (pattern, fault, times - 1)
                else:
                    del self._planned[index]
                name = type(fault).__name__
                self.faulted[name] = self.faulted.get(name, 0) + 1
                return fault
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._one(reader, writer)
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = " ".join(first.split(" ")[:2])
        self.asked.append(request)
        match self._fault(request):
            case Says(status, extra, answer):
                data = json.dumps(answer).encode() if answer is not None else b""
                given = {"Content-Type": "application/json", **extra, "Content-Length": str(len(data))}
                text = "".join(f"{name}: {value}\r\n" for name, value in given.items())
                writer.write(f"HTTP/1.1 {status} Fault\r\n{text}Connection: close\r\n\r\n".encode() + data)
                await writer.drain()
                return
            case Delays(until):
                await until.wait()
                limit = None
            case Resets():
                writer.transport.abort()
                return
            case LosesAnswer():
                limit = -1
            case Truncates(after):
                limit = after
            case None:
                limit = None
        await self._forward(first, headers, body, writer, limit)

    async def _forward(
        self, first: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter, limit: int | None
    ) -> None:
        context = self._plain if "authorization" in headers else self._admin
        upstream, to_upstream = await asyncio.open_connection(*self._upstream, ssl=context)
        self._writers.add(to_upstream)
        try:
            sent = {**headers, "connection": "close"}
            text = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
            to_upstream.write(f"{first}\r\n{text}\r\n".encode("latin-1") + body)
            await to_upstream.drain()
            head = await upstream.readuntil(b"\r\n\r\n")
            if limit == -1:
                await upstream.read()
                writer.transport.abort()
                return
            writer.write(head)
            passed = 0
            while data := await upstream.read(65536):
                if limit is not None and passed + len(data) >= limit:
                    writer.write(data[: limit - passed])
                    await writer.drain()
                    writer.close()
                    return
                passed += len(data)
                writer.write(data)
                await writer.drain()
        finally:
            self._writers.discard(to_upstream)
            to_upstream.transport.abort()
