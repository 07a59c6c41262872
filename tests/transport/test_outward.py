"""The session for addresses that users enter: to admitted addresses, over TLS as this one registry is trusted, and when
it does not come about, why."""

from __future__ import annotations

import asyncio
import datetime
import logging
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled, Unavailable
from portreeve.transport import reach
from portreeve.transport.address_rules import AddressRules, IpAddress
from portreeve.transport.budget import Budget, Limits
from portreeve.transport.exchange import Request
from portreeve.transport.outward import Outward
from portreeve.transport.tls import TlsCause, TlsUntrusted
from portreeve.transport.trust import Trust
from tests.tools import certificates
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import Hangs, Says, answering
from tests.tools.process import free_ports

SECRET = "hunter2"
LOOPBACK = AddressRules.of(["127.0.0.0/8", "::1/128"])
NAME = "registry.example.com"


async def to_loopback(host: str, port: int) -> Sequence[IpAddress]:
    if host != NAME:
        raise OSError("unknown")
    return [ip_address("127.0.0.1")]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def asking(url: str) -> Request:
    return Request("POST", url, {"X-Token": SecretValue(SECRET)}, SecretValue(SECRET))


NO_TRUST = Trust()


def outward(
    origin: str, trust: Trust = NO_TRUST, rules: AddressRules = LOOPBACK, budget: Budget | None = None
) -> Outward:
    return Outward(origin, trust, rules, budget or Budget(Limits(seconds=5)), resolver=to_loopback)


async def refusal(session: Outward, url: str) -> PortreeveError:
    async with session:
        with pytest.raises(PortreeveError) as why:
            await session.send(asking(url))
    error = why.value
    assert SECRET not in error.diagnostics()
    assert error.hint
    # The library's own error would hold the request; what a reader of numbers says of a host does not.
    assert error.__context__ is None or isinstance(error.__context__, ValueError)
    return error


async def test_a_request_arrives_by_its_name_at_the_address_that_was_admitted(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "x", hosts=(NAME,))
    trust = Trust(ca_bundle=authority.file.read_text())
    with answering(lambda asked: Says(404, b"body", {"X-More": "1"}), certificate=certificate) as server:
        url = f"https://{NAME}:{port_of(server.url)}"
        async with outward(url, trust) as session:
            response = await session.send(asking(f"{url}/a%2Fb?c=%64&e"))
            await session.send(asking(f"{url}/again"))
    first, second = server.asked
    assert (first.method, first.path, first.body) == ("POST", "/a%2Fb?c=%64&e", SECRET.encode())
    assert first.headers["host"] == url.removeprefix("https://")
    assert first.headers["accept-encoding"] == "identity"
    assert second.path == "/again"
    assert (response.status, response.headers["x-more"], response.body.reveal()) == (404, "1", b"body")


async def test_cookies_proxies_and_netrc_are_not_for_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with answering(lambda asked: Says(200)) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with answering(lambda asked: Says(200, headers={"Set-Cookie": "a=b; Path=/"})) as server:
            async with outward(server.url, Trust(plain_http=True)) as session:
                await session.send(asking(server.url))
                await session.send(asking(server.url))
        assert proxy.asked == []
    assert all("cookie" not in asked.headers and "authorization" not in asked.headers for asked in server.asked)


async def test_how_a_request_is_carried_is_not_for_the_caller_to_say() -> None:
    said = {"Host": "evil.example.com", "Accept-Encoding": "gzip", "Content-Length": "0", "User-Agent": "x", "X-A": "b"}
    with answering(lambda asked: Says(200)) as server:
        async with outward(server.url, Trust(plain_http=True)) as session:
            await session.send(Request("PUT", server.url, said, SecretValue("body")))
    (asked,) = server.asked
    names = ("host", "accept-encoding", "user-agent", "x-a", "content-length")
    assert [asked.headers[name] for name in names] == [server.url.removeprefix("http://"), "identity", "x", "b", "4"]


async def test_a_header_cannot_start_another() -> None:
    with answering(lambda asked: Says(200)) as server:
        session = outward(server.url, Trust(plain_http=True))
        async with session:
            with pytest.raises(PortreeveError):
                await session.send(Request("GET", server.url, {"X-A": "b\r\nX-Evil: 1"}))
    assert server.asked == []


async def test_a_redirect_is_an_answer_and_no_log_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with answering(lambda asked: Says(302, headers={"Location": f"/{SECRET}"})) as server:
        async with outward(server.url, Trust(plain_http=True)) as session:
            assert (await session.send(asking(f"{server.url}/?key={SECRET}"))).status == 302
    assert len(server.asked) == 1
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://user:password@registry.example.com/", "url_refused"),
        ("https://registry.example.com/#x", "url_refused"),
        ("http://registry.example.com/", "url_refused"),
        ("ftp://registry.example.com/", "url_refused"),
        ("https://registry.example.com\\@evil.example.com/", "url_refused"),
        ("registry.example.com", "url_refused"),
        ("https://0x7f000001/", "address_refused"),
        ("https://2130706433/", "address_refused"),
        ("https://0177.1/", "address_refused"),
        ("https://[::ffff:a9fe:a9fe]/", "address_refused"),
        ("https://10.0.0.1/", "address_refused"),
        ("https://unknown.example.com/", "name_unknown_host"),
    ],
)
async def test_what_is_no_place_for_us_is_refused(url: str, code: str) -> None:
    assert (await refusal(outward(f"https://{NAME}"), url)).code == code


async def test_plain_http_is_for_the_registrys_own_origin_alone() -> None:
    with answering(lambda asked: Says(200)) as server, answering(lambda asked: Says(200)) as elsewhere:
        assert (await refusal(outward(server.url), server.url)).code == "url_refused"
        assert (await refusal(outward(server.url, Trust(plain_http=True)), elsewhere.url)).code == "url_refused"
    assert server.asked == elsewhere.asked == []


async def test_an_address_that_is_not_listed_gets_no_connection() -> None:
    with answering(lambda asked: Says(200)) as server:
        session = outward(server.url, Trust(plain_http=True), AddressRules())
        error = await refusal(session, server.url)
    assert isinstance(error, Invalid)
    assert "127.0.0.1/32" in error.hint
    assert server.asked == []


async def test_a_name_is_resolved_once_in_an_operation() -> None:
    asked: list[str] = []

    async def turning(host: str, port: int) -> Sequence[IpAddress]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    with answering(lambda asked: Says(200, headers={"Connection": "close"})) as server:
        origin = f"http://{NAME}:{port_of(server.url)}"
        session = Outward(origin, Trust(plain_http=True), LOOPBACK, Budget(), resolver=turning)
        async with session:
            await session.send(asking(origin))
            await session.send(asking(origin))
    assert asked == [NAME]
    assert len(server.asked) == 2


async def test_nobody_there_is_told_from_nobody_answering() -> None:
    (port,) = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    assert (await refusal(outward(origin, Trust(plain_http=True)), origin)).code == "connection_refused"
    with answering(lambda asked: Hangs()) as server:
        budget = Budget(Limits(seconds=0.2))
        error = await refusal(outward(server.url, Trust(plain_http=True), budget=budget), server.url)
    assert isinstance(error, Stalled)
    assert error.code == "budget_spent"


async def test_the_body_is_bounded() -> None:
    with answering(lambda asked: Says(200, b"x" * 2000)) as server:
        small = Outward(server.url, Trust(plain_http=True), LOOPBACK, Budget(), body_bytes=1000)
        assert (await refusal(small, server.url)).code == "answer_too_large"
        few = outward(server.url, Trust(plain_http=True), budget=Budget(Limits(bytes=1000)))
        assert (await refusal(few, server.url)).code == "budget_spent"


@pytest.fixture
def expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "LIFE", datetime.timedelta(seconds=-60))


async def tls_error(tmp_path: Path, hosts: tuple[str, ...], *, trusted: bool = True) -> PortreeveError:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "x", hosts=hosts)
    other = tmp_path / "other"
    other.mkdir()
    bundle = authority.file.read_text() if trusted else CertificateAuthority(other).file.read_text()
    with answering(lambda asked: Says(200), certificate=certificate) as server:
        origin = f"https://{NAME}:{port_of(server.url)}"
        error = await refusal(outward(origin, Trust(ca_bundle=bundle)), origin)
        with pytest.raises(TlsUntrusted) as why:
            await reach.tls_chain(NAME, port_of(server.url), Trust(ca_bundle=bundle), LOOPBACK, resolver=to_loopback)
    assert isinstance(error, TlsUntrusted)
    assert why.value.cause is error.cause
    assert server.asked == []
    return error


async def test_tls_says_that_the_name_is_another(tmp_path: Path) -> None:
    error = await tls_error(tmp_path, ("other.example.com",))
    assert getattr(error, "cause", None) is TlsCause.WRONG_NAME


async def test_tls_says_that_the_authority_is_unknown(tmp_path: Path) -> None:
    error = await tls_error(tmp_path, (NAME,), trusted=False)
    assert getattr(error, "cause", None) is TlsCause.UNKNOWN_AUTHORITY


@pytest.mark.usefixtures("expired")
async def test_tls_says_that_the_certificate_has_expired(tmp_path: Path) -> None:
    error = await tls_error(tmp_path, (NAME,))
    assert getattr(error, "cause", None) is TlsCause.EXPIRED


async def test_tls_says_that_there_is_none() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    origin = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        error = await refusal(outward(origin), origin)
    assert isinstance(error, TlsUntrusted)
    assert error.cause is TlsCause.NOT_TLS


async def test_a_bundle_is_for_its_registry_and_the_skip_for_its_origin(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "x", hosts=(NAME, "127.0.0.1"))
    bundle = authority.file.read_text()
    with answering(lambda asked: Says(200), certificate=certificate) as server:
        own, elsewhere = f"https://{NAME}:{port_of(server.url)}", server.url
        async with outward(own, Trust(insecure_skip_verify=True)) as session:
            assert (await session.send(asking(own))).status == 200
        # The same server under another name is another origin, and is verified.
        assert (await refusal(outward(own, Trust(insecure_skip_verify=True)), elsewhere)).code == "tls_untrusted"
        async with outward(own, Trust(ca_bundle=bundle)) as session:
            assert (await session.send(asking(elsewhere))).status == 200
        assert (await refusal(outward(own), own)).code == "tls_untrusted"


@pytest.mark.parametrize("bundle", ["x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bundle_without_a_certificate_is_refused(bundle: str) -> None:
    with pytest.raises(Invalid) as why:
        outward(f"https://{NAME}", Trust(ca_bundle=bundle))
    assert why.value.code == "ca_bundle"


async def test_the_stages_on_the_way_are_asked_one_by_one(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "leaf", hosts=(NAME,))
    with answering(lambda asked: Says(200), certificate=certificate) as server:
        port = port_of(server.url)
        assert await reach.resolve(NAME, port, LOOPBACK, resolver=to_loopback) == (ip_address("127.0.0.1"),)
        assert await reach.connect(NAME, port, LOOPBACK, resolver=to_loopback) == ip_address("127.0.0.1")
        trust = Trust(ca_bundle=authority.file.read_text())
        leaf = await reach.tls_chain(NAME, port, trust, LOOPBACK, resolver=to_loopback)
        unseen = await reach.tls_chain(NAME, port, Trust(insecure_skip_verify=True), LOOPBACK, resolver=to_loopback)
    assert server.asked == []
    assert (leaf.subject, leaf.issuer) == ("CN=leaf", "CN=portreeve test authority")
    assert leaf.not_after is not None
    assert leaf.not_after.tzinfo is datetime.UTC
    assert (unseen.subject, unseen.not_after) == ("", None)
    assert unseen.sha256 == leaf.sha256
    for stage, code in (
        (reach.resolve("unknown.example.com", 443, LOOPBACK, resolver=to_loopback), "name_unknown_host"),
        (reach.resolve("127.0.0.1", 443, AddressRules()), "address_refused"),
        (reach.connect("127.0.0.1", free_ports(1)[0], LOOPBACK), "connection_refused"),
    ):
        with pytest.raises((Invalid, Unavailable)) as why:
            await stage
        assert why.value.code == code


async def test_a_connection_that_nobody_takes_is_no_answer() -> None:
    # A listener whose queue is full answers no further connection.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        with pytest.raises(Unavailable) as why:
            await reach.connect("127.0.0.1", port, LOOPBACK, timeout_s=0.2)
        for each in waiting:
            each.close()
    assert why.value.code == "no_answer"
