"""A real agent and a real control plane over real TLS: enrolment, renewal, documents, and everybody who is refused."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from portreeve.agent.connection import Connection
from portreeve.agent.enrolment import JoinToken, enrol, read_token
from portreeve.agent.loop import Loop
from portreeve.agent.state import StateDirectory
from portreeve.core.agent_identity import ON_ITS_WAY
from portreeve.core.channel import Began, Came, Renewed, ShutOut, Tell, Wait, step
from portreeve.errors import Denied, Invalid, Unauthenticated, Unavailable
from portreeve.vault import agent_keys
from portreeve.vault.certificates import LIFE
from portreeve.wire.channel import read_signed
from tests.agent.secure import ENVIRONMENTS, asked_for, served_with_tls, server_certificate
from tests.server.plane import Clock, document
from tests.server.served import Served


class Remembering:
    """An actor that remembers which generations it was given."""

    def __init__(self) -> None:
        self.generations: list[int] = []

    async def act(self, document: Mapping[str, Any]) -> None:
        self.generations.append(document["generation"])


@pytest.fixture
def clock() -> Clock:
    """Half a life of a certificate ago: OpenSSL looks at the real time, and a certificate of then is good today."""
    return Clock(datetime.now(UTC).replace(microsecond=0) - LIFE / 2)


@pytest.fixture
def served(tmp_path: Path, clock: Clock) -> Iterator[Served]:
    (tmp_path / "plane").mkdir()
    database = f"sqlite:///{tmp_path / 'plane/portreeve.db'}"
    with served_with_tls(database, tmp_path / "plane", clock=clock, channel_wait_s=20) as found:
        found.put(*ENVIRONMENTS)
        yield found


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "agent")


def test_an_agent_enrols_is_told_what_is_wanted_and_reports(
    served: Served, state: StateDirectory, clock: Clock
) -> None:
    join = asked_for(served)

    async def lived() -> list[int]:
        await enrol(state, served.url, join)
        actor = Remembering()
        async with Connection(state, clock) as connection:
            loop = Loop(state, connection, actor, clock=clock, chance=lambda: 0.5, pause=_at_once)
            event = await loop.turn(Began(clock()))
            assert isinstance(event, Came)
            waiting = asyncio.create_task(loop.turn(event))
            await asyncio.to_thread(until, lambda: served.plane.server.doorbell.waiting)
            await asyncio.to_thread(served.put, document("Registry", "r", provider="harbor", host="r.example.com"))
            access = document("RegistryAccess", "a", registry="r", environment="prod", namespaces={"names": ["shop"]})
            await asyncio.to_thread(served.put, access)
            event = await waiting
            assert isinstance(event, Came)
            last = asyncio.create_task(loop.turn(event))
            await asyncio.to_thread(until, lambda: len(actor.generations) == 2)
            last.cancel()
            await asyncio.gather(last, return_exceptions=True)
        # What was kept is taken up at the next start, and is not asked for again.
        async with Connection(state, clock) as connection:
            again = Loop(state, connection, actor, clock=clock, chance=lambda: 0.5)
            await again.begin()
            assert again.state.known.generation == actor.generations[-1]
        return actor.generations

    generations = asyncio.run(lived())
    assert generations[0] < generations[1] == generations[2]
    served.run(served.plane.server.doorbell.note())
    client = served.plane.anonymous({"Authorization": f"Bearer {served.token('root')}"})
    shown = served.run(client.get("/api/v1/environments/prod")).json()["status"]
    assert shown["agent"]["state"] == "active"
    assert shown["agent"]["connected"] is True
    conditions = {one["type"]: one["status"] for one in shown["conditions"]}
    assert conditions == {"Connected": "True", "DesiredStateAccepted": "True"}
    assert shown["generation"] in generations


async def _at_once(_: float) -> None:
    return None


def until(holds: Any) -> None:
    """Wait until something holds."""
    ticks = threading.Event()
    for _ in range(3000):
        if holds():
            return
        ticks.wait(0.01)
    raise AssertionError("it never held")


def test_a_certificate_is_shown_over_tls_and_proves_enough(served: Served, state: StateDirectory, clock: Clock) -> None:
    """Without the signature: the handshake alone says who it is."""
    asyncio.run(enrol(state, served.url, asked_for(served)))
    context = ssl.create_default_context(cafile=str(state.path / "trust.pem"))
    context.load_cert_chain(state.identity)
    status, body = _get(served.url, "/agent/v1/desired?generation=0", context)
    assert status == 200
    assert read_signed(body).document["environment"] == "prod"
    nobody = ssl.create_default_context(cafile=str(state.path / "trust.pem"))
    status, body = _get(served.url, "/agent/v1/desired?generation=0", nobody)
    assert (status, json.loads(body)["code"]) == (401, "agent_refused")


def _get(url: str, target: str, context: ssl.SSLContext) -> tuple[int, bytes]:
    import http.client
    from urllib.parse import urlsplit

    connection = http.client.HTTPSConnection(urlsplit(url).netloc, context=context, timeout=30)
    connection.request("GET", target)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_certificate_is_renewed_and_the_one_before_counts_no_more(
    served: Served, state: StateDirectory, clock: Clock, tmp_path: Path
) -> None:
    asyncio.run(enrol(state, served.url, asked_for(served)))
    shutil.copytree(state.path, tmp_path / "stolen")

    async def renewed() -> None:
        async with Connection(state, clock) as connection:
            loop = Loop(state, connection, Remembering(), clock=clock, chance=lambda: 0.5, pause=_at_once)
            clock.move(LIFE / 2)
            event = await loop.turn(Began(clock()))
            assert isinstance(event, Renewed)
            assert isinstance(await loop.turn(event), Came)

    async def stolen() -> None:
        async with Connection(StateDirectory(tmp_path / "stolen"), clock) as connection:
            await connection.ask(0)

    async def own() -> bytes | None:
        async with Connection(state, clock) as connection:
            return await connection.ask(0)

    asyncio.run(renewed())
    assert asyncio.run(own())
    clock.move(ON_ITS_WAY)
    with pytest.raises(Unauthenticated):
        asyncio.run(stolen())
    # Two have held it: neither is let in any more.
    with pytest.raises(Unauthenticated):
        asyncio.run(own())


def test_an_agent_that_was_away_for_days_comes_back_by_itself(
    served: Served, state: StateDirectory, clock: Clock
) -> None:
    clock.move(-timedelta(days=4))
    asyncio.run(enrol(state, served.url, asked_for(served)))
    clock.move(timedelta(days=4))

    async def back() -> None:
        async with Connection(state, clock) as connection:
            loop = Loop(state, connection, Remembering(), clock=clock, chance=lambda: 0.5, pause=_at_once)
            event = await loop.turn(Began(clock()))
            assert isinstance(event, Renewed)
            assert isinstance(await loop.turn(event), Came)

    asyncio.run(back())


def test_an_agent_that_was_cut_off_while_it_ran_comes_back_by_itself(
    served: Served, state: StateDirectory, clock: Clock
) -> None:
    clock.move(-timedelta(days=4))
    asyncio.run(enrol(state, served.url, asked_for(served)))

    async def back() -> None:
        async with Connection(state, clock) as connection:
            # What it would show in the handshake has ended meanwhile, for OpenSSL too.
            clock.move(timedelta(days=4))
            loop = Loop(state, connection, Remembering(), clock=clock, chance=lambda: 0.5, pause=_at_once)
            event = await loop.turn(Began(clock()))
            assert isinstance(event, Renewed)
            assert isinstance(await loop.turn(event), Came)

    asyncio.run(back())


def test_a_crash_within_a_renewal_locks_nobody_out(
    served: Served, state: StateDirectory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(enrol(state, served.url, asked_for(served)))

    async def renewed() -> None:
        async with Connection(state, clock) as connection:
            await connection.renew()
            await connection.ask(0)

    with monkeypatch.context() as patch:
        patch.setattr(StateDirectory, "accept", _crash)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(renewed())
    asyncio.run(renewed())


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_who_is_revoked_asks_ever_less_often_and_keeps_what_it_has(
    served: Served, state: StateDirectory, clock: Clock
) -> None:
    join = asked_for(served)
    asyncio.run(enrol(state, served.url, join))
    client = served.plane.anonymous({"Authorization": f"Bearer {served.token('root')}"})
    waited: list[float] = []

    async def paused(seconds: float) -> None:
        waited.append(seconds)

    async def lived() -> None:
        async with Connection(state, clock) as connection:
            loop = Loop(state, connection, Remembering(), clock=clock, chance=lambda: 0.9, pause=paused)
            event = await loop.turn(Began(clock()))
            loop.state, _ = step(loop.state, event)
            served.run(client.delete("/api/v1/environments/prod/agent"))
            event = await loop.turn(Began(clock()))
            assert isinstance(event, ShutOut)
            await loop.turn(event)
            assert loop.state.known.generation
            assert state.is_enrolled

    asyncio.run(lived())
    assert len(waited) == 1


@contextmanager
def answering(certificate: Path, key: Path, body: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers everything with one thing; its address, and what it was sent."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name is given
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", sent
    finally:
        server.shutdown()
        server.server_close()


def test_a_rogue_server_gets_nothing_whatever_it_shows(
    served: Served, state: StateDirectory, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = asked_for(served)
    authority, certificate, key = server_certificate(tmp_path / "rogue")
    # Its authority is one that this whole machine trusts, as a public one is.
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert ssl.create_default_context().cert_store_stats()["x509"] == 1
    # Its own certificates, which are valid for its name; and those of the real one, whose key it has not.
    with answering(certificate, key, authority.file.read_bytes()) as (url, sent):
        with pytest.raises(Denied, match="not the control plane"):
            asyncio.run(enrol(state, url, join))
        assert sent == []
    real = (tmp_path / "plane/tls/ca.crt").read_bytes()
    with answering(certificate, key, real) as (url, sent):
        with pytest.raises(Unavailable) as refused:
            asyncio.run(enrol(state, url, join))
        assert refused.value.code == "tls_untrusted"
        assert sent == []
    # An agent that has enrolled does not follow its name to another server either.
    asyncio.run(enrol(state, served.url, join))

    async def asked(url: str) -> None:
        async with Connection(state, clock) as connection:
            connection.enrolled = type(connection.enrolled)(url, "prod", "", "", b"")
            await connection.ask(0)

    with answering(certificate, key, b"{}") as (url, _), pytest.raises(Unavailable) as refused:
        asyncio.run(asked(url))
    assert refused.value.code == "tls_untrusted"


def test_an_older_document_of_the_same_control_plane_is_refused_and_told(
    served: Served, state: StateDirectory, clock: Clock
) -> None:
    asyncio.run(enrol(state, served.url, asked_for(served)))

    async def replayed() -> None:
        actor = Remembering()
        async with Connection(state, clock) as connection:
            loop = Loop(state, connection, actor, clock=clock, chance=lambda: 0.5, pause=_at_once)
            old = await connection.ask(0)
            assert old is not None
            access = document("Registry", "r", provider="harbor", host="r.example.com")
            await asyncio.to_thread(served.put, access)
            grant = document("RegistryAccess", "a", registry="r", environment="prod", namespaces={"names": ["shop"]})
            await asyncio.to_thread(served.put, grant)
            generation = read_signed(old).document["generation"]
            new = await connection.ask(generation)
            assert new is not None
            loop.state, _ = step(loop.state, Came(loop.judged(read_signed(new)), clock(), 0.5))
            altered = read_signed(old.replace(b'"prod"', b'"west"'))
            for signed, code in ((read_signed(old), "document_older"), (altered, "document_unsigned")):
                _, effects = step(loop.state, Came(loop.judged(signed), clock(), 0.5))
                assert effects[0] == Tell(code)
                assert isinstance(effects[1], Wait)
            event = Came(loop.judged(read_signed(old)), clock(), 0.5)
            await loop.turn(event)
            assert actor.generations == []

    asyncio.run(replayed())
    client = served.plane.anonymous({"Authorization": f"Bearer {served.token('root')}"})
    shown = served.run(client.get("/api/v1/environments/prod")).json()["status"]
    told = next(one for one in shown["conditions"] if one["type"] == "DesiredStateAccepted")
    assert (told["status"], told["reason"]) == ("False", "DocumentOlder")


def test_nothing_secret_is_in_the_database_or_the_log(
    served: Served, state: StateDirectory, clock: Clock, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    join = asked_for(served)
    asyncio.run(enrol(state, served.url, join))

    async def asked() -> None:
        async with Connection(state, clock) as connection:
            await connection.renew()
            await connection.ask(0)

    asyncio.run(asked())
    token = join.token.reveal().removeprefix(b"prtj_")
    keys = [state.held()[0].reveal().splitlines()[1], token, token.hex().encode()]
    out, err = capfd.readouterr()
    stored = b"".join(one.read_bytes() for one in (tmp_path / "plane").glob("portreeve.db*"))
    for secret in keys:
        assert secret not in stored
        assert secret.decode() not in out + err
    assert token not in b"".join(one.read_bytes() for one in state.path.iterdir())


@pytest.mark.parametrize("text", [b"", b"prtj_x", b"prtj_x.y", b"other.AAAA", b"prtj_" + b"x" * 600])
def test_what_is_no_join_token_is_not_sent(text: bytes) -> None:
    with pytest.raises(Invalid, match="no join token"):
        read_token(text)


def test_plain_http_is_no_channel(state: StateDirectory) -> None:
    join = JoinToken(agent_keys.generate(), b"x" * 32)
    with pytest.raises(Invalid, match="not encrypted"):
        asyncio.run(enrol(state, "http://127.0.0.1:1", join))
