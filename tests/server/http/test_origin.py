"""Under which names the control plane answers, and what every answer carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portreeve.server.http.headers import ALWAYS
from portreeve.server.http.origin import Origins, origins
from portreeve.server.settings import Settings
from tests.server.plane import Plane


def named(**settings: Any) -> Origins:
    return origins(Settings(data=Path("nowhere"), **settings))


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8420", True),
        ("LOCALHOST:8420", True),
        ("[::1]:8420", True),
        ("127.0.0.1", False),
        ("127.0.0.1:9000", False),
        ("localhost.evil.example:8420", False),
        ("evil.example", False),
        ("evil.example:8420", False),
        ("127.0.0.1:8420.evil.example", False),
        ("127.0.0.1:8420@evil.example", False),
        ("[::1", False),
        ("localhost.:8420", False),
        ("", False),
        (":8420", False),
    ],
)
def test_only_loopback_at_our_port_is_us_unless_more_is_set(host: str, known: bool) -> None:
    assert named().known(host) is known


def test_the_public_name_and_further_ones_are_us() -> None:
    ours = named(public_url="https://portreeve.example.com", allowed_hosts=("portreeve.svc", "other:81"))
    for host in ("portreeve.example.com", "Portreeve.Example.com", "portreeve.svc", "portreeve.svc:8420", "other:81"):
        assert ours.known(host)
    for host in ("portreeve.example.com:444", "other", "other:82", "x.portreeve.svc"):
        assert not ours.known(host)


def test_an_address_to_listen_on_is_a_name_unless_it_stands_for_all() -> None:
    assert named(host="192.0.2.1").known("192.0.2.1:8420")
    assert named(host="2001:db8::1").known("[2001:db8::1]:8420")
    assert not named(host="0.0.0.0").known("0.0.0.0:8420")


def test_an_origin_has_the_scheme_by_which_browsers_come() -> None:
    ours = named(public_url="https://portreeve.example.com", allowed_hosts=("inside",))
    assert ours.asked("portreeve.example.com") == "https://portreeve.example.com"
    assert ours.asked("inside") == "https://inside"
    assert ours.asked("127.0.0.1:8420") == "http://127.0.0.1:8420"


async def test_a_request_to_another_name_reaches_nothing(plane: Plane) -> None:
    client = plane.anonymous()
    for path in ("/api/v1/teams", "/api/v1/sign-in/password", "/nothing"):
        answer = await client.post(path, headers={"Host": "rebound.example"}, content=b"{")
        assert (answer.status_code, answer.json()["code"]) == (421, "host_unknown")
        assert answer.headers["X-Request-Id"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_two_host_headers_are_none(plane: Plane) -> None:
    headers = [("Host", "127.0.0.1:8420"), ("Host", "127.0.0.1:8420")]
    assert (await plane.anonymous().get("/api/v1/me", headers=headers)).status_code == 421


async def test_every_answer_has_the_headers_and_none_lets_others_read_it(plane: Plane) -> None:
    client = await plane.client("root", "platform-admin")
    elsewhere = {"Origin": "https://evil.example"}
    for answer in (
        await client.get("/api/v1/teams", headers=elsewhere),
        await client.get("/nothing", headers=elsewhere),
        await client.options("/api/v1/teams", headers={**elsewhere, "Access-Control-Request-Method": "PUT"}),
        await plane.anonymous().get("/api/v1/me"),
    ):
        assert {name: answer.headers[name] for name in ALWAYS} == dict(ALWAYS)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "strict-transport-security" not in answer.headers


def test_a_server_that_ends_tls_itself_is_https_on_loopback_too() -> None:
    ours = named(tls_certificate=Path("server.pem"), port=8443)
    assert ours.asked("127.0.0.1:8443") == "https://127.0.0.1:8443"
    assert ours.base == "https://127.0.0.1:8443"
    assert ours.secure
    behind = named(tls_certificate=Path("server.pem"), public_url="https://portreeve.example.com")
    assert behind.asked("localhost:8420") == "https://localhost:8420"
    assert named(public_url="https://portreeve.example.com").asked("localhost:8420") == "http://localhost:8420"
