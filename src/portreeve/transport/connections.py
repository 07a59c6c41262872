"""Connections for the HTTP library on asyncio's own streams, which say why they did not come about.

For peers that whoever runs Portreeve has named (`streaming`). Left out: rules on addresses (`guarded`).
"""

# ruff: noqa: ARG002, ASYNC109 -- the arguments are those that the library passes

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import httpcore2

from portreeve.errors import Stalled, Unavailable
from portreeve.transport import tls

CONNECT_S: Final = 10.0
"""For a connection, and for its handshake."""


GATHERED_BYTES: Final = 64 * 1024
"""Of a request that is gathered before it is sent: the Secrets of almost everybody, and all that is asked."""


class Stream(httpcore2.AsyncNetworkStream):
    """A connection as the library reads and writes it: asyncio's own streams, and between them the request being made.

    The library writes headers, body and end of a request one after the other. They are sent together, when the answer
    is awaited: one record of TLS and one packet, which the server reads at once.
    """

    def __init__(self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._where, self._reader, self._writer = where, reader, writer
        self._unsent = bytearray()
        self._send_s: float | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            # As where the library writes by itself: a server that has closed may have said why, and that is read.
            with suppress(httpcore2.WriteError):
                await self._send()
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError:
            raise httpcore2.ReadTimeout from None
        except OSError:
            raise httpcore2.ReadError from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent += buffer
        self._send_s = timeout
        if len(self._unsent) > GATHERED_BYTES:
            await self._send()

    async def _send(self) -> None:
        """What was gathered."""
        gathered, self._unsent = self._unsent, bytearray()
        try:
            async with asyncio.timeout(self._send_s):
                self._writer.write(gathered)
                await self._writer.drain()
        except TimeoutError:
            raise httpcore2.WriteTimeout from None
        except OSError:
            raise httpcore2.WriteError from None

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Raises: TlsUntrusted; Unavailable: `no_answer`."""
        fault: Unavailable
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
            return self
        except TimeoutError:
            fault = Unavailable(
                "no_answer", f"{self._where} did not finish the TLS handshake", hint="see that the port is that of TLS"
            )
        except (OSError, ValueError) as error:
            fault = tls.TlsUntrusted(
                self._where, tls.cause_of(error) if isinstance(error, OSError) else tls.TlsCause.HANDSHAKE
            )
        await self.aclose()
        raise fault

    async def aclose(self) -> None:
        """End it at once: whoever does not say goodbye in TLS is not waited for."""
        self._writer.transport.abort()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    def get_extra_info(self, info: str) -> Any:
        """What the library asks: the TLS object, and whether an idle connection was closed by the other side."""
        if info == "is_readable":
            return self._reader.at_eof() or self._writer.transport.is_closing()
        return self._writer.get_extra_info(info)


class Backend(httpcore2.AsyncNetworkBackend):
    """Where the library's connections come from."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        fault: Unavailable
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(host, port)
            return Stream(where, reader, writer)
        except ConnectionRefusedError:
            fault = Unavailable("connection_refused", f"{where} refused the connection", hint="see that it runs")
        except TimeoutError:
            fault = Unavailable("no_answer", f"{where} gave no answer within {CONNECT_S:g} s", hint="see the firewalls")
        except (OSError, UnicodeError) as error:
            # getaddrinfo's own numbers are negative; a route that is missing has one of the system's.
            unknown = isinstance(error, UnicodeError) or (error.errno or 0) < 0
            fault = (
                Unavailable("name_unknown_host", f"{host} has no address", hint="see that it is known here")
                if unknown
                else Unavailable("no_answer", f"{where} cannot be reached", hint="see the routes and firewalls between")
            )
        raise fault

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Raises: Stalled: always; this session is with a host."""
        raise Stalled("registry_unsupported", "no server is asked through a file", hint="name a host")

    async def sleep(self, seconds: float) -> None:
        """Between the library's own retries, of which there are none."""
        await asyncio.sleep(seconds)
