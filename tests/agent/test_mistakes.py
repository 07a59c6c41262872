"""What an agent makes of mistakes, its own and those of its disk: it says so, and goes on."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portreeve.agent.connection import Connection
from portreeve.agent.loop import Loop
from portreeve.agent.main import main
from portreeve.agent.state import DOCUMENT, StateDirectory
from portreeve.core.channel import Began
from portreeve.errors import Invalid, PortreeveError, Unavailable
from portreeve.transport import pinned
from portreeve.transport.exchange import Request
from portreeve.wire.channel import read_signed
from tests.agent.secure import server_certificate
from tests.agent.test_process import dead_cluster
from tests.agent.test_state import AUTHORITY, ENROLLED, NOW, certified


class Acting:
    """An actor that makes a mistake each time."""

    async def act(self, document: Mapping[str, Any]) -> None:
        raise KeyError(document["generation"])


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(tmp_path / "state")
    found.enrol(ENROLLED, certified(found), AUTHORITY.pem)
    return found


def loop(state: StateDirectory, pauses: list[float]) -> Loop:
    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    def clock() -> datetime:
        return NOW

    return Loop(state, Connection(state, clock), Acting(), clock=clock, chance=lambda: 0.5, pause=pause)


@pytest.mark.parametrize("kept", [b"", b"{", b'{"document":{},"signature":"AA=="}', b"\xff", b"[" * 5_000])
async def test_a_document_that_is_damaged_on_the_disk_counts_for_nothing(state: StateDirectory, kept: bytes) -> None:
    state.keep_document(kept)
    found = loop(state, [])
    await found.begin()
    assert found.state.known.generation == 0


async def test_a_mistake_over_one_message_does_not_end_the_channel(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    found = loop(state, pauses)
    answers = iter([RuntimeError("a mistake"), RuntimeError("another"), Unavailable("no_answer", "")])

    async def ask(generation: int) -> bytes:
        raise next(answers)

    monkeypatch.setattr(found._connection, "ask", ask)
    with pytest.raises(asyncio.CancelledError):
        await found.run()
    assert len(pauses) == 3
    assert caplog.text.count("the channel failed, and goes on") == 2
    assert "no_answer" in caplog.text


def test_a_disk_that_cannot_be_read_is_said_in_one_line(
    state: StateDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state.path / DOCUMENT).mkdir()  # as good as an I/O error, and for root, too
    words = ["run", "--state", str(state.path), "--kubeconfig", str(dead_cluster(tmp_path))]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("state_directory: ")


@pytest.mark.parametrize("deep", [10, 300, 900, 970, 985, 990, 995, 1_000, 5_000, 100_000])
def test_a_document_of_any_depth_is_read_or_refused(deep: int) -> None:
    signature = base64.b64encode(b"s").decode()
    text = f'{{"document":{{"a":{"[" * deep}{"]" * deep}}},"signature":"{signature}"}}'
    if deep <= 900:
        assert json.loads(read_signed(text.encode()).body)
        return
    # Reading and writing do not end at the same depth.
    with contextlib.suppress(Invalid):
        read_signed(text.encode())


GOOD = {"generation": 1, "hash": "h", "previousHash": "", "environment": "prod", "notAfter": "2030-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "document",
    [
        None, [], "text", 7, {}, {**GOOD, "generation": True}, {**GOOD, "generation": "1"}, {**GOOD, "generation": 1.5},
        {**GOOD, "generation": -(10**300)}, {**GOOD, "generation": 10**300}, {**GOOD, "notAfter": None},
        {**GOOD, "notAfter": "9999-99-99T00:00:00Z"}, {**GOOD, "notAfter": ["2030-01-01T00:00:00Z"]},
        {**GOOD, "environment": ["prod"]}, {**GOOD, "hash": {}}, {**GOOD, "previousHash": None},
        {**GOOD, "hash": "\ud800"}, {**GOOD, "generation": float("nan")}, GOOD,
    ],
)  # fmt: skip
@pytest.mark.parametrize("signature", ["", "AAAA", "*", None, 7])
async def test_what_no_control_plane_should_answer_is_refused_and_nothing_is_kept(
    state: StateDirectory,
    document: Any,
    signature: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = loop(state, [])

    async def ask(generation: int) -> bytes:
        return json.dumps({"document": document, "signature": signature}).encode()

    async def report(report: Any) -> None:
        """Nobody listens."""

    monkeypatch.setattr(found._connection, "ask", ask)
    monkeypatch.setattr(found.reporter, "_send", report)
    event: Any = Began(NOW)
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError):
            event = await found.turn(event)
    assert state.document() is None
    assert found.state.known.generation == 0
    assert "Traceback" not in caplog.text


@asynccontextmanager
async def answering(directory: Path, *pieces: bytes) -> AsyncIterator[tuple[str, str]]:
    """A TLS server that answers with these pieces and then is silent: its address, and whom to trust."""
    authority, certificate, key = server_certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", authority.file.read_text()


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ((), "no_answer"),
        ((b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100_000), "no_answer"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",), "no_answer"),
        ((b"HTTP/1.1 200 OK\r\n\r\n", *([b"x" * 65_536] * 64)), "answer_too_large"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", *([b"x" * 65_536] * 64)), "answer_too_large"),
        ((b"SSH-2.0-OpenSSH\r\n",), "no_answer"),
    ],
)
async def test_an_answer_that_does_not_end_or_is_none_ends_in_an_error_of_ours(
    tmp_path: Path, pieces: tuple[bytes, ...], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned, "BODY_BYTES", 1 << 20)
    async with answering(tmp_path / "tls", *pieces) as (url, trust), pinned.Pinned(trust, answer_s=0.3) as session:
        with pytest.raises(PortreeveError) as refused:
            await session.send(Request("GET", url))
    assert refused.value.code == code
