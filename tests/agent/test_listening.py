"""The agent's port under whatever is sent to it: it answers two paths, and goes on answering them.

Source: mission, "everything that listens is attacked"; RFC 9112.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from portreeve.agent import listening
from portreeve.agent.listening import HEAD_BYTES, MOST_OPEN, Address, Listening, read_address
from portreeve.errors import Invalid

PAGE = b"# HELP a b\n# TYPE a gauge\na 1\n"


@dataclass
class Told:
    """What is behind the port."""

    healthy: bool = True
    page: Callable[[], bytes] = field(default=lambda: PAGE)


@dataclass
class Port:
    address: Address
    told: Told

    async def send(self, data: bytes, *, end: bool = True) -> bytes:
        """Everything that comes back for these bytes, until the other side closes."""
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
        try:
            writer.write(data)
            await writer.drain()
            if end:
                writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        answer = await self.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), end=False)
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    told = Told()
    async with Listening(lambda: told.page(), lambda: told.healthy).at(Address("127.0.0.1", 0)) as address:  # noqa: PLW0108 -- a test puts another page in
        yield Port(address, told)


async def test_two_paths_are_answered_and_nothing_else(port: Port) -> None:
    assert await port.get("/metrics") == (200, PAGE)
    assert await port.get("/metrics?a=b") == (200, PAGE)
    assert await port.get("/metrics", "HEAD") == (200, b"")
    assert await port.get("/healthz") == (200, b"ok\n")
    port.told.healthy = False
    assert (await port.get("/healthz"))[0] == 503
    for path in ("/", "/metrics/", "//metrics", "/../metrics", "/%6detrics", "/Metrics", "/healthz/../metrics"):
        assert (await port.get(path))[0] == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT"):
        assert (await port.get("/metrics", method))[0] == 405, method


HOSTILE = {
    "nothing": b"",
    "no head": b"GET /metrics HTTP/1.1\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /metrics HTTP/9.9\r\n\r\n",
    "absolute": b"GET http://a/metrics HTTP/1.1\r\n\r\n",
    "nul": b"GET /met\x00rics HTTP/1.1\r\n\r\n",
    "bare line feeds": b"GET /metrics HTTP/1.1\n\n",
    "a space more": b"GET  /metrics HTTP/1.1\r\n\r\n",
    "two lines in one": b"GET /metrics\rX HTTP/1.1\r\n\r\n",
    "endless line": b"GET /" + b"a" * (20 * HEAD_BYTES),
    "endless headers": b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * HEAD_BYTES,
    "no letters": bytes(range(256)) * 8 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_request_is_cut_off(name: str, port: Port) -> None:
    answer = await port.send(HOSTILE[name])
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert b"a 1" not in answer
    assert await port.get("/healthz") == (200, b"ok\n")


async def test_a_body_is_not_read_and_one_request_is_all(port: Port) -> None:
    answer = await port.send(
        b"GET /healthz HTTP/1.1\r\nContent-Length: 9\r\n\r\n" + b"GET /metrics HTTP/1.1\r\n\r\n" * 3
    )
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"ok\n")


async def test_those_who_hold_theirs_open_keep_nobody_out(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "REQUEST_S", 3600.0)
    held = [await asyncio.open_connection(port.address.host, port.address.port) for _ in range(MOST_OPEN + 8)]
    for _, writer in held:
        writer.write(b"GET /metrics HTTP/1.1\r\nX: ")
    assert await port.get("/healthz") == (200, b"ok\n")
    # The oldest was ended for it.
    async with asyncio.timeout(10):
        assert await held[0][0].read() == b""
    for _, writer in held:
        writer.close()


async def test_whoever_is_slow_is_cut_off(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "REQUEST_S", 0.05)
    async with asyncio.timeout(10):
        assert await port.send(b"GET /metrics HTTP/1.1\r\nX: ", end=False) == b""


async def test_a_mistake_behind_it_is_an_answer(port: Port) -> None:
    def broken() -> bytes:
        raise RuntimeError("canary")

    port.told.page = broken
    status, body = await port.get("/metrics")
    assert (status, body) == (500, b"failed\n")
    assert await port.get("/healthz") == (200, b"ok\n")


async def test_where_somebody_else_listens_it_says_so(port: Port) -> None:
    with pytest.raises(Invalid) as refused:
        async with Listening(lambda: b"", lambda: True).at(port.address):
            pass
    assert refused.value.code == "metrics_address"


def test_a_port_alone_is_one_of_loopback() -> None:
    assert read_address("9464") == Address("127.0.0.1", 9464)
    assert read_address("0.0.0.0:9464") == Address("0.0.0.0", 9464)
    assert read_address("[::1]:0") == Address("::1", 0)
    assert str(Address("::1", 9)) == "[::1]:9"
    for text in ("", ":", ":9464", "a:", "a:b", "65536", "-1", "127.0.0.1:99999", "٣", "1e3"):
        with pytest.raises(ValueError, match="neither"):
            read_address(text)
