"""TLS handshakes on real sockets and both event loops: so many at once, slow ones cut off, nobody else kept waiting.

Source: reliability, F-49; threat AG-10.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from portreeve.server.handshakes import Handshakes, holder
from portreeve.server.protocol import BoundedProtocol
from portreeve.server.settings import Settings
from portreeve.server.start import configured
from tests.tools.certificates import CertificateAuthority

ASK = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
LOOPS = pytest.mark.parametrize(
    "run",
    [pytest.param(uvloop.run, id="uvloop"), pytest.param(asyncio.run, id="asyncio", marks=pytest.mark.wide)],
)
"""The one that programs have, and that of other tests."""


class Served:
    """A server of one word, its places, and how to come to it."""

    def __init__(self, handshakes: Handshakes, port: int, trusted: ssl.SSLContext) -> None:
        self.handshakes, self.port, self.trusted = handshakes, port, trusted

    async def connected(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.trusted, server_hostname="localhost", local_addr=(source, 0)
        )

    async def asked(self, source: str = "127.0.0.1") -> bytes:
        """Connect, ask, and what was answered."""
        reader, writer = await self.connected(source)
        return await answer(reader, writer)

    async def silent(self, count: int, source: str) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connections that say nothing."""
        return [await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0)) for _ in range(count)]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(ASK)
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(2)


async def word(scope: Any, receive: Any, send: Any) -> None:
    """The application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok" if scope["scheme"] == "https" else b"no"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    made = CertificateAuthority(directory)
    return made.file, *made.issue("server", "localhost", hosts=("localhost",))


@asynccontextmanager
async def serving(authority: tuple[Path, Path, Path], **bounds: Any) -> AsyncIterator[Served]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority[1:])
    handshakes = Handshakes(context, BoundedProtocol, **bounds)
    config = uvicorn.Config(word, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=5)
    config.load()
    config.http_protocol_class = handshakes  # type: ignore[assignment] # as the control plane does it
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(handshakes, port, ssl.create_default_context(cafile=str(authority[0])))
    finally:
        server.should_exit = True
        await task


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.005)


def hello(trusted: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A client whose bytes go where the test says."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusted.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return client, incoming, outgoing


@LOOPS
def test_two_hundred_that_connect_at_once_are_all_answered_eight_at_a_time(
    run: Any, authority: tuple[Path, Path, Path]
) -> None:
    async def body() -> None:
        async with serving(authority, at_once=8) as served:
            found = await asyncio.gather(*(served.asked() for _ in range(200)))
            assert found == [b"ok"] * 200
            assert 1 < served.handshakes.most <= 8
            assert (served.handshakes.in_flight, served.handshakes.waiting) == (0, 0)

    run(body())


@LOOPS
def test_no_more_than_the_cap_are_answered_before_one_of_them_ends(
    run: Any, authority: tuple[Path, Path, Path]
) -> None:
    async def body() -> None:
        async with serving(authority, at_once=2) as served:
            loop, there = asyncio.get_running_loop(), []
            for _ in range(6):
                one = socket.socket()
                one.setblocking(False)
                await loop.sock_connect(one, ("127.0.0.1", served.port))
                await loop.sock_sendall(one, hello(served.trusted)[2].read())
                there.append(one)
            heard = [asyncio.create_task(loop.sock_recv(one, 1)) for one in there]
            await until(lambda: served.handshakes.waiting == 4 and sum(task.done() for task in heard) == 2)
            # One goes away, and the next gets its place.
            first = next(number for number, task in enumerate(heard) if task.done())
            there[first].close()
            await until(lambda: served.handshakes.waiting == 3 and sum(task.done() for task in heard) == 3)
            for task in heard:
                task.cancel()
            await asyncio.gather(*heard, return_exceptions=True)
            for one in there:
                one.close()

    run(body())


@LOOPS
def test_slow_handshakes_of_one_address_are_cut_off_and_keep_no_other_address_waiting(
    run: Any, authority: tuple[Path, Path, Path]
) -> None:
    async def body() -> None:
        async with serving(authority, at_once=2, longest_s=0.2) as served:
            standing = await served.connected()
            slow = await served.silent(20, "127.0.0.2")
            await until(lambda: served.handshakes.waiting == 18)
            assert await answer(*standing) == b"ok"
            assert await served.asked("127.0.0.3") == b"ok"
            # Behind the queue of the slow ones it would be the last.
            assert served.handshakes.waiting > 4
            with suppress(ConnectionError):
                assert await slow[0][0].read(1) == b""
            for _, writer in slow:
                writer.close()
            await until(lambda: served.handshakes.waiting == served.handshakes.in_flight == 0)

    run(body())


@LOOPS
def test_a_request_in_the_very_bytes_that_end_the_handshake_is_answered(
    run: Any, authority: tuple[Path, Path, Path]
) -> None:
    async def body() -> None:
        async with serving(authority) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            client, incoming, outgoing = hello(served.trusted)
            writer.write(outgoing.read())
            while True:
                incoming.write(await reader.read(65_536))
                with suppress(ssl.SSLWantReadError):
                    client.do_handshake()
                    break
            client.write(ASK)
            writer.write(outgoing.read())
            heard = b""
            while not heard.endswith(b"ok"):
                incoming.write(await reader.read(65_536))
                with suppress(ssl.SSLWantReadError):
                    while True:
                        heard += client.read(65_536)
            assert heard.startswith(b"HTTP/1.1 200")
            writer.transport.abort()

    run(body())


@LOOPS
def test_who_speaks_no_tls_or_hangs_up_gives_the_place_back(run: Any, authority: tuple[Path, Path, Path]) -> None:
    async def body() -> None:
        async with serving(authority, at_once=1, longest_s=20) as served:
            plain = await asyncio.open_connection("127.0.0.1", served.port)
            plain[1].write(ASK)
            (gone,) = await served.silent(1, "127.0.0.1")
            gone[1].close()
            assert await served.asked() == b"ok"

    run(body())


@LOOPS
def test_a_full_queue_drops_the_last_of_whoever_has_most_in_it(run: Any, authority: tuple[Path, Path, Path]) -> None:
    async def body() -> None:
        async with serving(authority, at_once=1, longest_s=60, most_waiting=3) as served:
            slow = await served.silent(4, "127.0.0.2")
            await until(lambda: served.handshakes.waiting == 3)
            slow += await served.silent(1, "127.0.0.3")
            with suppress(ConnectionError):
                assert await slow[3][0].read(1) == b""
            assert (served.handshakes.in_flight, served.handshakes.waiting) == (1, 3)
            for _, writer in slow:
                writer.close()

    run(body())


@LOOPS
def test_the_servers_end_does_not_wait_for_those_who_wait(run: Any, authority: tuple[Path, Path, Path]) -> None:
    async def body() -> None:
        async with serving(authority, at_once=1, longest_s=60) as served:
            slow = await served.silent(3, "127.0.0.1")
            await until(lambda: served.handshakes.waiting == 2)
        for reader, writer in slow:
            with suppress(ConnectionError):
                assert await reader.read(1) == b""
            writer.close()
        assert served.handshakes.waiting == 0

    run(body())


def test_the_cap_is_a_setting(authority: tuple[Path, Path, Path], tmp_path: Path) -> None:
    certificate, key = authority[1:]
    settings = Settings(data=tmp_path, tls_certificate=certificate, tls_key=key, tls_handshakes=3)
    found = configured(settings, word, authority[0].read_text()).http_protocol_class
    assert isinstance(found, Handshakes)
    assert found.at_once == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:0:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_an_ipv6_network_takes_its_turns_as_one(one: str, other: str, same: bool) -> None:
    assert (holder(one) == holder(other)) is same
