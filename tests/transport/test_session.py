"""The session: one bounded answer from the named server, or a failure that shows nothing of the request."""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled, Unavailable
from portreeve.transport.exchange import Request
from portreeve.transport.session import LIMIT_BYTES, Session
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import Answer, Asked, Hangs, Raw, Says, answering

SECRET = "hunter2"


def asking(url: str, path: str = "/") -> Request:
    return Request("POST", url + path, {"X-Token": SecretValue(SECRET)}, SecretValue(SECRET))


def refusal(answer: Answer, session: Session) -> PortreeveError:
    with session, answering(lambda asked: answer) as server, pytest.raises(PortreeveError) as why:
        session.send(asking(server.url, f"/v1?key={SECRET}"))
    error = why.value
    assert SECRET not in error.diagnostics()
    assert error.hint
    assert error.__context__ is None
    return error


def test_a_request_arrives_as_it_was_made_and_the_answer_comes_back_whole() -> None:
    body = b"x" * LIMIT_BYTES
    with Session() as session, answering(lambda asked: Says(404, body, {"X-More": "1"})) as server:
        response = session.send(asking(server.url, "/a%2Fb?c=%64&e"))
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/a%2Fb?c=%64&e", SECRET.encode())
    assert asked.headers["x-token"] == SECRET
    assert asked.headers["accept-encoding"] == "identity"
    assert (response.status, response.headers["x-more"]) == (404, "1")
    assert response.body.reveal() == body


def test_no_log_of_the_library_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Session() as session, answering(lambda asked: Says(302, b"hunter2", {"Location": SECRET})) as server:
        session.send(asking(server.url, f"/v1?key={SECRET}"))
    assert SECRET not in caplog.text


def test_neither_request_nor_response_shows_its_secrets() -> None:
    request = asking("https://vault.example.com")
    with Session() as session, answering(lambda asked: Says(200, b"hunter2", {"X-More": "hunter2"})) as server:
        response = session.send(asking(server.url))
    assert SECRET not in repr(request) + repr(response)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    with Session() as session, answering(lambda asked: Says(200)) as elsewhere:
        with answering(lambda asked: Says(status, headers={"Location": elsewhere.url})) as server:
            assert session.send(asking(server.url)).status == status
        assert elsewhere.asked == []


def test_cookies_are_not_kept() -> None:
    with Session() as session, answering(lambda asked: Says(200, headers={"Set-Cookie": "a=b; Path=/"})) as server:
        session.send(asking(server.url))
        session.send(asking(server.url))
    assert all("cookie" not in asked.headers for asked in server.asked)


def test_the_environment_names_no_proxy_and_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with answering(lambda asked: Says(200)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with Session() as session, answering(lambda asked: Says(200)) as server:
            session.send(asking(server.url))
        assert proxy.asked == []
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        Hangs(),
        Raw(b""),
        Raw(b"hunter2\r\n\r\n"),
        Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"),
        Raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"),
    ],
    ids=["hangs", "closes", "is no HTTP", "is cut off", "has endless headers"],
)
def test_a_server_without_a_whole_answer_may_be_asked_again(answer: Answer) -> None:
    error = refusal(answer, Session(timeout_s=0.2 if isinstance(answer, Hangs) else 10))
    assert (type(error), error.code) == (Unavailable, "no_answer")


def test_a_server_that_is_not_there_may_be_asked_again() -> None:
    with answering(lambda asked: Says(200)) as server:
        pass
    with Session() as session, pytest.raises(Unavailable) as why:
        session.send(asking(server.url))
    assert why.value.code == "no_answer"


def test_an_answer_that_takes_too_long_as_a_whole_is_given_up() -> None:
    ticks = count()
    error = refusal(Says(200, b"x"), Session(budget_s=0.5, monotonic=lambda: float(next(ticks))))
    assert error.code == "no_answer"


def test_an_answer_that_is_too_large_is_refused_whatever_it_says_of_itself() -> None:
    body = b"x" * (LIMIT_BYTES + 1)
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + body
    for answer in (Says(200, body), Raw(endless)):
        error = refusal(answer, Session())
        assert (type(error), error.code) == (Stalled, "answer_too_large")


def test_a_packed_answer_is_refused_and_not_unpacked() -> None:
    error = refusal(Says(200, b"hunter2", {"Content-Encoding": "gzip"}), Session())
    assert (type(error), error.code) == (Stalled, "answer_encoding")


def test_an_address_that_is_refused_is_not_asked() -> None:
    with Session() as session, answering(lambda asked: Says(200)) as server, pytest.raises(Invalid):
        session.send(asking(server.url.replace("http://", "http://user:hunter2@")))
    assert server.asked == []


def test_only_the_named_authority_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority, other = CertificateAuthority(tmp_path), CertificateAuthority(tmp_path / "other")
    certificate = authority.issue("server", "server", hosts=("127.0.0.1",))

    def hello(asked: Asked) -> Answer:
        return Says(200, b"hello")

    with answering(hello, certificate=certificate) as server:
        with Session(ca_file=authority.file) as session:
            assert session.send(asking(server.url)).body.reveal() == b"hello"
        for stranger in (Session(), Session(ca_file=other.file)):
            with stranger, pytest.raises(Unavailable):
                stranger.send(asking(server.url))
    assert len(server.asked) == 1


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "server", hosts=("vault.example.com",))
    with (
        answering(lambda asked: Says(200), certificate=certificate) as server,
        Session(ca_file=authority.file) as session,
        pytest.raises(Unavailable),
    ):
        session.send(asking(server.url))
    assert server.asked == []


def test_an_authority_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("")
    for file in (tmp_path / "none", empty, tmp_path):
        with pytest.raises(Invalid) as why:
            Session(ca_file=file)
        assert why.value.code == "ca_file"
