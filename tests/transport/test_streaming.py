"""The standing session: one origin, answers whole or in pieces, and failures that show nothing of the request."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled, Unavailable
from portreeve.transport import streaming
from portreeve.transport.client_certificate import ClientCertificate
from portreeve.transport.connections import GATHERED_BYTES
from portreeve.transport.exchange import Request
from portreeve.transport.streaming import Streaming
from portreeve.transport.tls import TlsUntrusted
from portreeve.transport.trust import Trust
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import Answer, Raw, Says, answering

SECRET = "hunter2-hunter2-hunter2"


def asking(url: str, method: str = "GET", path: str = "/") -> Request:
    return Request(method, url + path, {"Authorization": SecretValue(SECRET), "Host": "other"}, SecretValue(b""))


async def test_an_answer_comes_whole_and_in_pieces() -> None:
    body = b"x" * 200_000
    with answering(lambda asked: Says(404, body, {"X-More": "1"})) as server:
        async with Streaming(server.url, Trust()) as session:
            whole = await session.send(asking(server.url, path="/a%2Fb?c=%64"))
            async with session.opened(asking(server.url)) as answer:
                pieces = [piece async for piece in answer.pieces()]
    assert (whole.status, whole.headers["x-more"], whole.body.reveal()) == (404, "1", body)
    assert (answer.status, b"".join(pieces)) == (404, body)
    assert server.asked[0].path == "/a%2Fb?c=%64"
    assert server.asked[0].headers["authorization"] == SECRET
    assert server.asked[0].headers["host"] in server.url


@pytest.mark.parametrize("size", [1_000, 2_000_000])
async def test_a_request_is_sent_in_one_piece_unless_it_is_large(size: int) -> None:
    pieces: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sum(map(len, pieces)) < size:
            pieces.append(await reader.read(1 << 22))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Streaming(url, Trust()) as session:
        answer = await session.send(Request("PUT", f"{url}/x", {}, SecretValue(b"x" * size)))
    assert answer.body.reveal() == b"ok"
    assert b"".join(pieces).endswith(b"\r\n\r\n" + b"x" * size)
    assert (len(pieces) == 1) == (size < GATHERED_BYTES)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (Raw(b"not http at all"), Unavailable, "no_answer"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Unavailable, "no_answer"),
        (Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"), Unavailable, "no_answer"),
        (Says(200, b"x", {"Content-Encoding": "gzip"}), Stalled, "answer_encoding"),
    ],
)
async def test_what_is_no_whole_answer_shows_nothing_of_the_request(
    answer: Answer, kind: type[PortreeveError], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with answering(lambda asked: answer) as server:
        async with Streaming(server.url, Trust()) as session:
            with pytest.raises(kind) as why:
                await session.send(asking(server.url, path=f"/?key={SECRET}"))
    assert why.value.code == code
    assert SECRET not in why.value.diagnostics() + caplog.text
    assert why.value.__context__ is None


async def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BODY_BYTES", 1000)
    with answering(lambda asked: Says(200, b"x" * 1001)) as server:
        async with Streaming(server.url, Trust()) as session:
            with pytest.raises(Stalled) as why:
                await session.send(asking(server.url))
    assert why.value.code == "answer_too_large"


async def test_it_talks_to_its_own_origin_and_follows_nobody_elsewhere() -> None:
    with (
        answering(lambda asked: Says(200)) as elsewhere,
        answering(lambda asked: Says(302, headers={"Location": elsewhere.url})) as server,
    ):
        async with Streaming(server.url, Trust()) as session:
            assert (await session.send(asking(server.url))).status == 302
            with pytest.raises(Invalid):
                await session.send(asking(elsewhere.url))
    assert elsewhere.asked == []


@pytest.mark.parametrize("url", ["http://cluster.example.com", "https://u:p@cluster.example.com", "ftp://x"])
def test_an_address_that_is_not_encrypted_or_holds_a_password_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as why:
        Streaming(url, Trust())
    assert why.value.code == "url_refused"


async def test_nobody_listens_and_nobody_is_known_are_told_apart() -> None:
    with answering(lambda asked: Says(200)) as server:
        url = server.url
    for address, code in {url: "connection_refused", "https://cluster.invalid": "name_unknown_host"}.items():
        async with Streaming(address, Trust()) as session:
            with pytest.raises(Unavailable) as why:
                await session.send(asking(address))
        assert why.value.code == code


async def test_a_server_that_is_not_trusted_is_asked_nothing(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "server", hosts=("elsewhere.example.com",))
    trust = Trust(ca_bundle=authority.file.read_text())
    with answering(lambda asked: Says(200), certificate=certificate) as server:
        async with Streaming(server.url, trust) as session:
            with pytest.raises(TlsUntrusted):
                await session.send(asking(server.url))
        async with Streaming(server.url, trust, server_name="elsewhere.example.com") as session:
            assert (await session.send(asking(server.url))).status == 200
    assert len(server.asked) == 1


@pytest.mark.parametrize("memory", [True, False])
def test_a_certificate_that_cannot_be_shown_is_told_without_its_key(
    memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once through memory, once through a file, where the system has no other way."""
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
    authority = CertificateAuthority(tmp_path)
    chain, key = authority.issue("client", "client")
    _, other = authority.issue("other", "other")
    Streaming("https://c.example.com", Trust(), certificate=ClientCertificate(chain.read_text(), secret(key)))
    for wrong in (secret(other), SecretValue(SECRET)):
        with pytest.raises(Invalid) as why:
            Streaming("https://c.example.com", Trust(), certificate=ClientCertificate(chain.read_text(), wrong))
        assert why.value.code == "client_certificate"
        assert SECRET not in repr(why.value.__context__)


def secret(path: Path) -> SecretValue:
    return SecretValue(path.read_bytes())
