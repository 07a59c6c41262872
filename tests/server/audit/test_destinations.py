"""Sinks as operators write them: read strictly, and never shown when refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from portreeve.errors import Invalid
from portreeve.server.audit.destinations import Destination, Form, Transport, parse_all
from portreeve.server.settings import read

SYSLOG, CEF = Form.SYSLOG, Form.CEF
UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
HOOK = "webhook+https://hook:443#b3d1db31"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file:/a%20b.jsonl", Destination("file:/a b.jsonl", Form.LEAVES, Transport.FILE, path="/a b.jsonl")),
        ("syslog+udp://siem", Destination("syslog+udp://siem:514", SYSLOG, UDP, "siem", 514, "/")),
        ("syslog+tcp://10.0.0.7:99", Destination("syslog+tcp://10.0.0.7:99", SYSLOG, TCP, "10.0.0.7", 99, "/")),
        ("cef+tls://[::1]", Destination("cef+tls://[::1]:6514", CEF, TLS, "::1", 6514, "/")),
        (
            "syslog+tls://siem?ca-file=/ca.pem",
            Destination("syslog+tls://siem:6514", SYSLOG, TLS, "siem", 6514, "/", Path("/ca.pem")),
        ),
        (
            "webhook+https://hook/x?secret-file=/s",
            Destination(HOOK, Form.EVENTS, Transport.HTTPS, "hook", 443, "/x", None, Path("/s")),
        ),
    ],
)
def test_each_kind_is_read(text: str, expected: Destination) -> None:
    assert parse_all([text]) == (expected,)


@pytest.mark.parametrize(
    "text",
    [
        "", "hunter2", "file:hunter2", "file://host/hunter2", "file:/a/", "file:/a?hunter2", "file:/a%00b",
        "http://hunter2", "webhook+http://hunter2/", "webhook+https://host/hunter2", "syslog://hunter2",
        "webhook+https://user:hunter2@host/?secret-file=/s", "webhook+https://host/#hunter2",
        "webhook+https://host/?secret=hunter2", "webhook+https://host/?secret-file=hunter2",
        "webhook+https://host/?secret-file=/s&secret-file=/hunter2", "syslog+tcp://host?ca-file=/hunter2",
        "syslog+tcp://host/hunter2", "syslog+tcp://", "syslog+tcp://host:hunter2", "syslog+tcp://host:99999",
        "cef+tls://ho st", "cef+tls://h\u00f6st/", "syslog+tls://host?hunter2", "syslog+tcp://-host", "cef+udp://a b",
    ],
)  # fmt: skip
def test_what_is_not_exactly_a_sink_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_all(["file:/first", text])
    assert caught.value.code == "audit_sink"
    assert "audit sink 2" in caught.value.message
    assert "hunter2" not in caught.value.diagnostics()


def test_a_sink_stands_there_once_and_there_are_few() -> None:
    with pytest.raises(Invalid, match="the same"):
        parse_all(["file:/a", "file:/a"])
    with pytest.raises(Invalid, match="5 audit sinks"):
        parse_all([f"file:/{number}" for number in range(5)])


def test_the_path_of_a_webhook_is_in_no_name() -> None:
    (found,) = parse_all(["webhook+https://hook.example.com/services/T0/hunter2?secret-file=/s"])
    assert "hunter2" not in found.name


def test_the_setting_is_a_list(tmp_path: Path) -> None:
    found = read({"PORTREEVE_SERVER_AUDIT_SINKS": "file:/a, cef+udp://siem", "PORTREEVE_SERVER_KEYS": "/k"}, tmp_path)
    assert found.audit_sinks == ("file:/a", "cef+udp://siem")
    assert (found.keys_directory, read({}, tmp_path).keys_directory) == (Path("/k"), tmp_path / "keys")
