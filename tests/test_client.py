"""The client against servers that misbehave: what it repeats, what it refuses, and what each failure becomes."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portreeve.client import MAX_TEXT, Client, Server, TimedOut, server_url
from portreeve.core.secret import SecretValue
from portreeve.errors import (
    Conflict,
    Denied,
    Invalid,
    NotFound,
    Outdated,
    PortreeveError,
    Stalled,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unconfirmed,
)

Reply = tuple[int, dict[str, str], bytes] | None
"""Status, headers, body; None hangs up."""


@dataclass
class Scripted:
    """A server that gives the replies of a list, and the last one from then on."""

    replies: list[Reply]
    url: str = ""
    asked: list[tuple[str, str, Message[str, str], bytes]] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def client(self, **settings: Any) -> Client:
        server = Server(self.url, SecretValue("prt_canary"), **settings)
        return Client(server, pause=self.paused.append)


def answered(body: Any, status: int = 200, **headers: str) -> Reply:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def problem(status: int, code: str = "some_code", **more: Any) -> Reply:
    headers = {"Content-Type": "application/problem+json"}
    return status, headers, json.dumps({"code": code, "detail": "what", "status": status, **more}).encode()


@contextmanager
def scripted(*replies: Reply, context: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    script = Scripted(list(replies))

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            script.asked.append((self.command, self.path, self.headers, body))
            reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
            if reply is None:
                script.hold.wait(0)
                self.close_connection = True
                return
            status, headers, content = reply
            if headers.get("X-Hold"):
                script.hold.wait(30)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 -- the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    script.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.hold.set()
        server.shutdown()
        server.server_close()


def failure(call: Callable[[], Any]) -> PortreeveError:
    with pytest.raises(PortreeveError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(400, Invalid, 2), (401, Unauthenticated, 4), (403, Denied, 4), (404, NotFound, 2), (409, Conflict, 2),
     (412, Outdated, 2), (413, Invalid, 2), (422, Invalid, 2), (428, Unconfirmed, 2), (429, Throttled, 2),
     (500, Stalled, 2), (502, Stalled, 2), (503, Unavailable, 2)],
)  # fmt: skip
def test_a_problem_document_becomes_the_error_that_it_was(status: int, kind: type, code: int) -> None:
    entry = {"code": "inner", "field": "spec.host", "message": "wrong", "hint": "mend"}
    with scripted(problem(status, hint="do", errors=[entry])) as script, script.client() as client:
        error = failure(lambda: client.get("/x"))
    assert (type(error), error.code, error.message, error.hint) == (kind, "some_code", "what", "do")
    assert (error.handling.exit_code, error.problems[0].field) == (code, "spec.host")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ((502, {}, b"<html>bad gateway"), "server_answer"),
        ((200, {}, b"<html>welcome"), "server_answer"),
        (problem(404, code="Not A Code"), "server_answer"),
        (answered([1], 404), "server_answer"),
        ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "server_unreachable"),
        ((302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), "server_redirect"),
    ],
)
def test_what_is_no_answer_of_ours_is_told_as_that(reply: Reply, code: str) -> None:
    with scripted(reply) as script, script.client() as client:
        assert failure(lambda: client.get("/x")).code == code
        assert len(script.asked) == 1


def test_an_endless_explanation_is_cut() -> None:
    with scripted(problem(422, detail="x" * 100_000)) as script, script.client() as client:
        assert len(failure(lambda: client.get("/x")).message) == MAX_TEXT


def test_a_change_is_sent_again_with_its_key_when_the_connection_is_lost() -> None:
    with scripted(None, None, answered({"done": 1})) as script, script.client() as client:
        assert client.change("POST", "/x", {"a": 1}).body == {"done": 1}
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in script.asked}
    assert (len(script.asked), len(keys), script.paused) == (3, 1, [0.5, 1.0])
    assert {body for *_, body in script.asked} == {b'{"a": 1}'}


def test_two_changes_have_two_keys() -> None:
    with scripted(answered({})) as script, script.client() as client:
        client.change("POST", "/x")
        client.change("POST", "/x")
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in script.asked}) == 2


def test_retries_end() -> None:
    with scripted(None) as script, script.client() as client:
        error = failure(lambda: client.change("POST", "/x"))
    assert (error.code, len(script.asked)) == ("server_unreachable", 4)


def test_what_answers_a_secret_is_sent_once_and_without_a_key() -> None:
    with scripted(None, answered({})) as script, script.client() as client:
        failure(lambda: client.change("POST", "/x", {}, repeatable=False))
    assert (len(script.asked), script.asked[0][2]["Idempotency-Key"]) == (1, None)


def test_a_server_that_says_when_is_asked_again_then() -> None:
    busy = (503, {"Retry-After": "3", "Content-Type": "application/problem+json"}, b'{"code": "busy", "detail": "x"}')
    with scripted(busy, answered({"ok": 1})) as script, script.client() as client:
        assert client.get("/x") == {"ok": 1}
    assert script.paused == [3.0]
    long = (503, {"Retry-After": "9999"}, b'{"code": "busy"}')
    with scripted(long) as script, script.client() as client:
        assert failure(lambda: client.get("/x")).code == "busy"
    assert script.paused == [10.0] * 3
    with scripted(problem(503)) as script, script.client() as client:
        failure(lambda: client.get("/x"))
    assert script.paused == [], "one that does not say when is not asked again"


def test_a_late_answer_is_a_timeout_with_its_own_exit_code() -> None:
    with scripted((200, {"X-Hold": "1"}, b"{}")) as script, script.client(timeout_s=0.3) as client:
        error = failure(lambda: client.change("POST", "/x"))
    assert (type(error), error.code, error.handling.exit_code, len(script.asked)) == (
        TimedOut,
        "server_timeout",
        124,
        1,
    )


def test_nobody_there_is_told_at_once() -> None:
    with scripted(answered({})) as script:
        url = script.url
    with Client(Server(url), pause=lambda _: pytest.fail("waited")) as client:
        assert failure(lambda: client.get("/x")).code == "server_unreachable"


def test_pages_are_one_list() -> None:
    pages = [answered({"items": [1, 2], "metadata": {"total": 3, "continue": "c"}}),
             answered({"items": [3], "metadata": {"total": 3}})]  # fmt: skip
    with scripted(*pages) as script, script.client() as client:
        assert client.listed("/x", {"label": ["a=b", "c=d"]}) == ([1, 2, 3], {"total": 3, "continue": "c"})
    assert [path for _, path, _, _ in script.asked] == [
        "/x?label=a%3Db&label=c%3Dd&limit=500",
        "/x?label=a%3Db&label=c%3Dd&limit=500&cursor=c",
    ]
    with scripted(pages[0]) as script, script.client() as client:
        assert client.listed("/x", most=2)[0] == [1, 2]
        assert client.listed("/x")[0] == [1, 2, 1, 2], "a cursor that stays is not followed for ever"


def test_no_proxy_of_the_environment_has_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with scripted(answered({})) as script, script.client() as client:
        client.get("/x")
    assert script.asked[0][2]["Authorization"] == "Bearer prt_canary"


def test_events_come_as_they_are_sent() -> None:
    def read(client: Client) -> list[Any]:
        with client.events("/watch") as events:
            return list(events)

    stream = b': hello\n\ndata: {"type": "ADDED",\ndata: "object": {}}\n\nevent: x\ndata: {"type": "DELETED"}\n\n'
    with scripted((200, {"Content-Type": "text/event-stream"}, stream)) as script, script.client() as client:
        assert read(client) == [{"type": "ADDED", "object": {}}, {"type": "DELETED"}]
    with scripted(problem(404, code="no_route")) as script, script.client() as client:
        assert failure(lambda: read(client)).code == "no_route"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "portreeve.example.com",
        "ftp://x",
        "https://",
        "https://[x",
        "https://x:port",
        "https://x:99999",
        "https://x y",
        "https://x/\x1b",
        "https://user:pw@x",
        "https://x/?a=b",
        "http://portreeve.example.com",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
    ],
)
def test_an_unsafe_address_is_refused(url: str) -> None:
    error = failure(lambda: server_url(url))
    assert error.code == "server_url"
    assert "pw" not in error.diagnostics()


@pytest.mark.parametrize("url", ["https://x", "https://x:8443/portreeve", "http://localhost:1", "http://[::1]:1",
                                 "http://127.1.2.3"])  # fmt: skip
def test_a_safe_address_loses_its_slash_alone(url: str) -> None:
    assert server_url(url) == server_url(f"{url}/") == url


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_a_certificate_of_nobody_is_not_trusted_unless_it_is_named(certificate: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with scripted(answered({"ok": 1}), context=context) as script:
        with script.client() as client:
            error = failure(lambda: client.get("/x"))
        assert (error.code, script.asked) == ("server_untrusted", []), "the token was not sent"
        with script.client(ca_file=str(certificate)) as client:
            assert client.get("/x") == {"ok": 1}
    (tmp_path / "empty.pem").write_text("")
    assert failure(lambda: Client(Server("https://x", ca_file=str(tmp_path / "empty.pem")))).code == "ca_file"
    assert failure(lambda: Client(Server("https://x", ca_file="nowhere"))).code == "file_not_found"
