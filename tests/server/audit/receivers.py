"""Receivers of copies of the log, on loopback: they keep what they read, and fail as they are told to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Receiver:
    """`connections` holds the bytes of each connection, datagram or request."""

    port: int = 0
    connections: list[bytes] = field(default_factory=list)
    resets: int = 0
    """So many connections are broken off after some bytes."""
    answers: list[bytes] = field(default_factory=list)
    """For HTTP: the answers, the last of which is repeated."""


@asynccontextmanager
async def stream(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Reads each connection to its end, then closes it."""
    receiver = Receiver()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if receiver.resets:
            receiver.resets -= 1
            await reader.read(100)
            # Closing then sends a reset, as a machine does that has lost the connection.
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return
        receiver.connections.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver


@asynccontextmanager
async def silent() -> AsyncIterator[Receiver]:
    """Takes connections and never reads or closes one."""
    held: list[asyncio.StreamWriter] = []

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield Receiver(server.sockets[0].getsockname()[1])
        for writer in held:
            writer.transport.abort()


@asynccontextmanager
async def datagrams() -> AsyncIterator[Receiver]:
    """Keeps each datagram."""
    receiver = Receiver()

    class Protocol(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            receiver.connections.append(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    receiver.port = transport.get_extra_info("sockname")[1]
    yield receiver
    transport.close()


@asynccontextmanager
async def http(context: ssl.SSLContext) -> AsyncIterator[Receiver]:
    """Keeps each request, head and body."""
    receiver = Receiver(answers=[b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"])

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        receiver.connections.append(head + await reader.readexactly(length))
        writer.write(receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
