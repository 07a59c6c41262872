"""The file of identity providers, and the settings around it: what is taken, and what stops the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portreeve.errors import Invalid
from portreeve.server import settings
from portreeve.server.people.oidc.issuers import Issuer, allowed, read

CORP = {"name": "corp", "issuer": "https://id.example.com", "client_id": "portreeve"}


def written(directory: Path, *entries: Any) -> str:
    path = directory / "oidc.json"
    path.write_text(json.dumps({"issuers": entries}))
    return str(path)


def test_without_a_file_there_is_none() -> None:
    assert read("") == {}


def test_an_entry_has_defaults(tmp_path: Path) -> None:
    found = read(written(tmp_path, CORP))["corp"]
    assert found == Issuer("corp", "https://id.example.com", "portreeve")
    assert (found.algorithms, found.scopes, found.client_secret) == (("RS256",), ("openid", "profile"), None)


def test_a_secret_is_read_from_its_own_file_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "corp.secret").write_text("hunter2\n")
    found = read(written(tmp_path, {**CORP, "client_secret_file": "corp.secret"}))["corp"]
    assert found.client_secret is not None
    assert found.client_secret.reveal() == b"hunter2"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "A B"}, "name"),
        ({"name": 7}, "name"),
        ({"issuer": "http://id.example.com"}, "issuer"),
        ({"issuer": "https://id.example.com?a=b"}, "issuer"),
        ({"issuer": "https://user:password@id.example.com"}, "issuer"),
        ({"client_id": None}, "client_id"),
        ({"client_secret": "hunter2"}, "client_secret"),
        ({"client_secret_file": "missing"}, "client_secret_file"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": "RS256"}, "algorithms"),
        ({"scopes": ["profile"]}, "scopes"),
        ({"scopes": [1]}, "scopes"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_shown(tmp_path: Path, changed: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(written(tmp_path, {**CORP, **changed}))
    assert refused.value.code == "oidc_file"
    assert refused.value.problems[0].field == f"issuers[0].{field}"
    assert "hunter2" not in refused.value.diagnostics()
    assert "password" not in refused.value.diagnostics()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"issuers": {}}', '{"issuers": [], "more": 1}', '{"issuers": [7]}'])
def test_a_file_of_another_form_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "oidc.json"
    path.write_text(text)
    with pytest.raises(Invalid, match="cannot be"):
        read(str(path))
    with pytest.raises(Invalid, match="cannot be read"):
        read(str(tmp_path / "missing.json"))


def test_two_providers_have_two_names(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        read(written(tmp_path, CORP, CORP))
    assert refused.value.problems[0].field == "issuers[1].name"


@pytest.mark.parametrize(
    ("url", "https_only", "on_loopback"),
    [
        ("https://id.example.com/a", True, True),
        ("http://127.0.0.1:80/a", False, True),
        ("http://[::1]:80/a", False, True),
        ("http://localhost/a", False, True),
        ("http://127.0.0.1.evil.example/a", False, False),
        ("http://192.0.2.1/a", False, False),
        ("ftp://127.0.0.1/a", False, False),
        ("https://", False, False),
        ("https://host:port/", False, False),
        ("https://id.example.com/#t", False, False),
        ("//id.example.com", False, False),
        ("", False, False),
    ],
)
def test_providers_are_reached_by_https_and_on_loopback_by_http(url: str, https_only: bool, on_loopback: bool) -> None:
    assert allowed(url, loopback=False) is https_only
    assert allowed(url, loopback=True) is on_loopback


def test_the_settings_name_the_file_and_whether_users_are_made(tmp_path: Path) -> None:
    names = {"PORTREEVE_SERVER_OIDC_FILE": "oidc.json", "PORTREEVE_SERVER_OIDC_CREATE_USERS": "false"}
    found = settings.read(names, tmp_path)
    assert (found.oidc_file, found.oidc_create_users) == ("oidc.json", False)
    assert settings.read({}, tmp_path).oidc_create_users
    with pytest.raises(Invalid, match="neither true nor false"):
        settings.read({"PORTREEVE_SERVER_OIDC_CREATE_USERS": "no"}, tmp_path)
