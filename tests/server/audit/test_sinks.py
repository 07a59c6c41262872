"""Sinks over real sockets: everything arrives in order, in its form, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.audit import decode
from portreeve.core.audit_export import Entry, parse_line
from portreeve.server.audit import store
from portreeve.server.audit.deliveries import Sink
from portreeve.server.audit.destinations import parse_all
from portreeve.server.audit.schedule import MOST_EVENTS
from portreeve.server.audit.senders import sender
from tests.server.audit.receivers import Receiver, datagrams, http, silent, stream
from tests.server.audit.scene import fill, statement
from tests.server.plane import Plane, running
from tests.tools.certificates import CertificateAuthority

SECRET = "a-shared-secret-of-a-webhook"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A file with an authority's certificate, and a context of a server that it vouches for."""
    directory = tmp_path_factory.mktemp("certificates")
    made = CertificateAuthority(directory)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*made.issue("receiver", "receiver", hosts=("127.0.0.1",)))
    return made.file, context


def lines_in(path: Path) -> list[int]:
    """The numbers of the events in a file."""
    found = map(parse_line, path.read_bytes().splitlines(keepends=True))
    return [one.event.sequence for one in found if isinstance(one, Entry)]


def frames(data: bytes) -> list[bytes]:
    """Octet-counted frames."""
    found = []
    while data:
        length, _, data = data.partition(b" ")
        found.append(data[: int(length)])
        data = data[int(length) :]
    return found


def numbers(lines: list[bytes]) -> list[int]:
    return [int(re.findall(rb'(?:sequence="|externalId=)([0-9]+)', line)[0]) for line in lines]


async def settle(plane: Plane, sink: Sink) -> None:
    """Let it try once more, when it may."""
    plane.clock.move(timedelta(minutes=10))
    await sink.deliver()


async def test_a_file_gets_every_event_once_in_the_form_of_an_export(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.jsonl"
    async with running(database_url, tmp_path, audit_sinks=(f"file:{path}",)) as plane:
        (sink,) = plane.server.audit.sinks
        await fill(plane, 3)
        await sink.deliver()
        await fill(plane, 2 * MOST_EVENTS)
        await sink.deliver()
        assert lines_in(path) == [*range(2 * MOST_EVENTS + 3)]
        assert path.stat().st_mode & 0o777 == 0o600
    # After a restart it goes on where it was; a file that was moved away is begun anew.
    path.rename(tmp_path / "copy.1")
    async with running(database_url, tmp_path, audit_sinks=(f"file:{path}",)) as plane:
        await fill(plane, 1)
        await plane.server.audit.sinks[0].deliver()
        assert lines_in(path) == [2 * MOST_EVENTS + 3]


async def test_a_line_that_a_crash_cut_is_ended_and_sent_again(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.jsonl"
    async with running(database_url, tmp_path, audit_sinks=(f"file:{path}",)) as plane:
        (sink,) = plane.server.audit.sinks
        await fill(plane, 2)
        path.write_bytes(b'{"event":{"acti')
        await sink.deliver()
        first, *others = path.read_bytes().splitlines(keepends=True)
        assert first == b'{"event":{"acti\n'
        assert len(others) == 2


@pytest.mark.parametrize("form", ["syslog", "cef"])
@pytest.mark.parametrize("transport", ["tcp", "tls", "udp"])
async def test_lines_arrive_over_each_transport(
    database_url: str, tmp_path: Path, form: str, transport: str, authority: tuple[Path, ssl.SSLContext]
) -> None:
    file, context = authority
    receiving = datagrams() if transport == "udp" else stream(context if transport == "tls" else None)
    option = f"?ca-file={file}" if transport == "tls" else ""
    async with receiving as receiver:
        uri = f"{form}+{transport}://127.0.0.1:{receiver.port}{option}"
        async with running(database_url, tmp_path, audit_sinks=(uri,)) as plane:
            await fill(plane, 20)
            (sink,) = plane.server.audit.sinks
            await sink.deliver()
            assert sink.delivery.sequence == 20
            async with asyncio.timeout(10):
                while transport == "udp" and len(receiver.connections) < 20:  # noqa: ASYNC110 -- the kernel's queue
                    await asyncio.sleep(0.01)
    lines = received(receiver, form, transport)
    assert numbers(lines) == [*range(20)]
    if form == "syslog":
        assert decode(lines[7][lines[7].index(b"] {") + 2 :]).sequence == 7
    else:
        assert lines[7].startswith(b"CEF:0|Portreeve|")


def received(receiver: Receiver, form: str, transport: str) -> list[bytes]:
    if transport == "udp":
        return receiver.connections
    data = b"".join(receiver.connections)
    return frames(data) if form == "syslog" else data.splitlines()


async def test_a_receiver_that_breaks_off_gets_the_batch_again(database_url: str, tmp_path: Path) -> None:
    async with stream() as receiver:
        uri = f"syslog+tcp://127.0.0.1:{receiver.port}"
        async with running(database_url, tmp_path, audit_sinks=(uri,)) as plane:
            (sink,) = plane.server.audit.sinks
            receiver.resets = 6
            await fill(plane, 10)
            for number in range(1, 7):
                await settle(plane, sink)
                assert (sink.delivery.sequence, sink.delivery.failures) == (0, number)
            (problem,) = plane.server.audit.problems()
            assert (problem.code, problem.field) == ("audit_sink_failing", uri)
            assert "10 events wait" in problem.message
            # Too early: nothing is tried.
            await sink.deliver()
            assert sink.delivery.failures == 6
            await settle(plane, sink)
            assert plane.server.audit.problems() == ()
    assert numbers(frames(b"".join(receiver.connections))) == [*range(10)]


async def test_a_blocked_sink_and_one_that_is_down_hold_up_neither_changes_nor_the_third(
    plane: Plane, tmp_path: Path
) -> None:
    """F-50 and F-52."""
    path = tmp_path / "copy.jsonl"
    async with silent() as blocked:
        nothing_listens = 9  # the port of the discard service
        sinks = [
            Sink(
                one.name,
                sender(one, origin="a/audit", clock=plane.clock, timeout_s=0.3),
                plane.server.database,
                plane.server.writer,
                plane.clock,
                lambda: 0.5,
            )
            for one in parse_all(
                [
                    f"cef+tcp://127.0.0.1:{blocked.port}",
                    f"syslog+tcp://127.0.0.1:{nothing_listens}",
                    f"file:{path}",
                ]
            )
        ]
        await fill(plane, 5)
        first = asyncio.gather(*(sink.deliver() for sink in sinks))
        await fill(plane, 5)
        await first
        for sink in sinks:
            await settle(plane, sink)
        assert [sink.delivery.sequence for sink in sinks] == [0, 0, 10]
        assert [sink.delivery.failures for sink in sinks] == [2, 2, 0]
    assert lines_in(path) == [*range(10)]


async def test_a_webhook_gets_signed_cloudevents(
    database_url: str, tmp_path: Path, authority: tuple[Path, ssl.SSLContext]
) -> None:
    file, context = authority
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    async with http(context) as receiver:
        uri = f"webhook+https://127.0.0.1:{receiver.port}/in/T0?secret-file={secret}&ca-file={file}"
        async with running(database_url, tmp_path, audit_sinks=(uri,)) as plane:
            (sink,) = plane.server.audit.sinks
            await fill(plane, 3)
            await sink.deliver()
            assert sink.delivery.sequence == 3
            now = int(plane.clock.now.timestamp())
    head, _, body = receiver.connections[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /in/T0 HTTP/1.1\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers[b"content-type"] == b"application/cloudevents-batch+json"
    expected = hmac.digest(SECRET.encode(), b"%d." % now + body, hashlib.sha256).hex()
    assert headers[b"portreeve-signature"] == f"t={now},v1={expected}".encode()
    assert SECRET.encode() not in receiver.connections[0]
    events = json.loads(body)
    assert [one["id"] for one in events] == ["0", "1", "2"]
    assert {one["specversion"] for one in events} == {"1.0"}
    assert events[1]["data"]["object"]["name"] == "registry-1"
    assert {*events[0]} == {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}


async def test_a_webhook_follows_no_redirect_and_takes_no_proxy(
    database_url: str, tmp_path: Path, authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    file, context = authority
    (tmp_path / "secret").write_text(SECRET)
    async with http(context) as receiver, http(context) as elsewhere:
        there = f"https://127.0.0.1:{elsewhere.port}/"
        receiver.answers = [
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % there.encode(),
            b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nendless",
        ]
        uri = f"webhook+https://127.0.0.1:{receiver.port}/?secret-file={tmp_path / 'secret'}&ca-file={file}"
        async with running(database_url, tmp_path, audit_sinks=(uri,)) as plane:
            (sink,) = plane.server.audit.sinks
            await fill(plane, 1)
            for failures in (1, 2, 0):
                await settle(plane, sink)
                assert sink.delivery.failures == failures
    assert len(receiver.connections) == 3
    assert elsewhere.connections == []


@pytest.mark.parametrize(
    "uri", ["syslog+tls://127.0.0.1:{port}", "webhook+https://127.0.0.1:{port}/?secret-file={secret}"]
)
async def test_a_receiver_whom_no_trusted_authority_vouches_for_gets_nothing(
    database_url: str, tmp_path: Path, uri: str, authority: tuple[Path, ssl.SSLContext]
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    async with stream(authority[1]) as receiver:
        sink_uri = uri.format(port=receiver.port, secret=tmp_path / "secret")
        async with running(database_url, tmp_path, audit_sinks=(sink_uri,)) as plane:
            await fill(plane, 1)
            (sink,) = plane.server.audit.sinks
            await sink.deliver()
            assert sink.delivery.failures == 1
    assert b"".join(receiver.connections) == b""


@pytest.mark.parametrize("secret", ["", "short"])
async def test_a_webhook_without_a_real_secret_sends_nothing(
    database_url: str, tmp_path: Path, secret: str, authority: tuple[Path, ssl.SSLContext]
) -> None:
    (tmp_path / "secret").write_text(secret)
    async with http(authority[1]) as receiver:
        uri = f"webhook+https://127.0.0.1:{receiver.port}/?secret-file={tmp_path / 'secret'}&ca-file={authority[0]}"
        async with running(database_url, tmp_path, audit_sinks=(uri,)) as plane:
            await fill(plane, 1)
            await plane.server.audit.sinks[0].deliver()
            assert plane.server.audit.sinks[0].delivery.failures == 1
        assert receiver.connections == []


@pytest.mark.parametrize("what", ["DELETE FROM audit_events", "UPDATE audit_events SET leaf = :leaf"])
async def test_a_sink_does_not_pass_over_an_event_that_was_removed_or_changed(
    database_url: str, tmp_path: Path, what: str
) -> None:
    async with stream() as receiver:
        async with running(database_url, tmp_path, audit_sinks=(f"cef+tcp://127.0.0.1:{receiver.port}",)) as plane:
            await fill(plane, 5)
            await statement(plane, f"{what} WHERE sequence = 2", **({"leaf": b"{}"} if ":leaf" in what else {}))
            (sink,) = plane.server.audit.sinks
            await settle(plane, sink)
            assert (sink.delivery.sequence, sink.delivery.failures) == (0, 1)
        assert receiver.connections == []


async def test_two_replicas_send_each_event_once(postgres_database: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.jsonl"
    sinks: dict[str, Any] = {"audit_sinks": (f"file:{path}",)}
    async with (
        running(postgres_database, tmp_path, **sinks) as one,
        running(postgres_database, tmp_path, **sinks) as two,
    ):
        for _ in range(10):
            await fill(one, 3)
            await fill(two, 3)
            await asyncio.gather(*(plane.server.audit.sinks[0].deliver() for plane in (one, two, one, two)))
        async with asyncio.timeout(30):
            # The other replica's own task may be sending: then nobody waits for it, and it is asked again.
            while one.server.audit.sinks[0].delivery.sequence < 60:
                await one.server.audit.sinks[0].deliver()
                async with one.server.database.reader.connect() as connection:
                    if (await store.cursor(connection, one.server.audit.sinks[0].name)).sequence == 60:
                        break
        assert lines_in(path) == [*range(60)]


async def test_replicas_share_one_log_and_never_contradict_each_other(postgres_database: str, tmp_path: Path) -> None:
    async with running(postgres_database, tmp_path) as one, running(postgres_database, tmp_path) as two:
        for _ in range(5):
            await asyncio.gather(fill(one, 2), fill(two, 2))
            await asyncio.gather(one.server.audit.checkpoint(), two.server.audit.checkpoint())
        assert await one.server.audit.verifier() == await two.server.audit.verifier()
        assert (one.server.audit.problems(), two.server.audit.problems()) == ((), ())
        assert await two.server.audit.size() == 20
