"""Addresses: only https, but for this machine; nothing secret in them, and nothing secret shown of them."""

from __future__ import annotations

import pytest

from portreeve.errors import Invalid
from portreeve.transport.addresses import HIDDEN_ADDRESS, is_loopback, parsed, redacted


@pytest.mark.parametrize(
    "url",
    [
        "https://vault.example.com/v1/x",
        "https://vault.example.com:8200",
        "https://[2001:db8::1]:8200/",
        "http://127.0.0.1:8200/",
        "http://127.9.9.9/",
        "http://[::1]:8200/",
        "http://localhost:8200/",
    ],
)
def test_encrypted_or_local_is_taken(url: str) -> None:
    assert parsed(url).hostname


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vault.example.com",
        "//vault.example.com/",
        "https://",
        "https:///v1",
        "http://vault.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://0.0.0.0/",
        "http://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "ftp://vault.example.com/",
        "file:///etc/passwd",
        "unix://vault/socket",
        "https://user:hunter2@vault.example.com/",
        "https://user@vault.example.com/",
        "https://vault.example.com/#hunter2",
        "https://vault.example.com#@evil.example.com/",
        "https://vault.example.com\\@evil.example.com/",
        "https://vault.example.com/ hunter2",
        "https://vault.example.com/\r\nX-Other: 1",
        "https://vault.example.com:99999/",
        "https://vault.example.com:0/",
        "https://[::1/",
        "https://vаult.example.com/",
    ],
)
def test_everything_else_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(Invalid) as why:
        parsed(url)
    assert why.value.code == "url_refused"
    assert why.value.hint
    assert "hunter2" not in why.value.diagnostics()
    assert why.value.__context__ is None


def test_a_shown_address_has_no_user_query_or_fragment() -> None:
    shown = redacted("https://user:hunter2@vault.example.com:8200/v1/x?token=hunter2#hunter2")
    assert shown == "https://vault.example.com:8200/v1/x"


@pytest.mark.parametrize("url", ["https://[", "hunter2", "https://a b/hunter2"])
def test_what_is_no_address_is_not_shown_at_all(url: str) -> None:
    assert redacted(url) == HIDDEN_ADDRESS


def test_no_name_is_looked_up() -> None:
    assert not is_loopback("localhost.localdomain")
    assert not is_loopback("")
