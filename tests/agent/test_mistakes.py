"""What an agent makes of mistakes, its own and those of its disk: it says so, and goes on."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portreeve.agent.connection import Connection
from portreeve.agent.loop import Loop
from portreeve.agent.main import main
from portreeve.agent.state import DOCUMENT, StateDirectory
from portreeve.errors import Invalid, Unavailable
from portreeve.wire.channel import read_signed
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
