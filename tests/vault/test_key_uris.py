"""Master keys by one line of settings: what it means, and that a wrong one is refused without being quoted."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled
from portreeve.transport.exchange import Request, Response
from portreeve.vault import aead
from portreeve.vault.aws_kms import KmsMasterKey
from portreeve.vault.key_providers import create_file
from portreeve.vault.key_uris import master_key
from portreeve.vault.ports import MasterKey
from portreeve.vault.transit import TransitMasterKey
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import answering
from tests.vault.kms_server import NOW
from tests.vault.transit_server import TOKEN, TransitServer

ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TRANSIT = "transit:https://vault.example.com/v1/transit/keys/portreeve"
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hunter2"}
KEY = SecretValue(bytes(range(32)))


class Recorder:
    """An exchange that keeps what it was asked, and answers nothing of use."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def send(self, request: Request) -> Response:
        self.asked.append(request)
        return Response(404)


def named(uri: str, environment: dict[str, str] | None = None, exchange: Recorder | None = None) -> MasterKey:
    return master_key(uri, environment or {}, clock=lambda: NOW, exchange=exchange or Recorder())


def asked(uri: str, environment: dict[str, str] | None = None) -> Request:
    """What the key asks first."""
    exchange = Recorder()
    with pytest.raises(Stalled):
        named(uri, environment, exchange).wrap(KEY, context=b"a")
    return exchange.asked[0]


def header(request: Request, name: str) -> str:
    value = request.headers[name]
    return value.reveal().decode() if isinstance(value, SecretValue) else value


def test_a_file_and_a_variable(tmp_path: Path) -> None:
    made = create_file(tmp_path / "key")
    assert named(f"file:{tmp_path}/key").key_id == made.key_id
    text = base64.b64encode(made.key.reveal()).decode()
    assert named("env:MASTER", {"MASTER": text}).key_id == made.key_id


def test_a_transit_key_with_a_token_in_a_file_that_is_renewed(tmp_path: Path) -> None:
    token = tmp_path / "token"
    uri = f"{TRANSIT}?token-file={token}"
    named(uri)
    with pytest.raises(Stalled) as why:
        named(uri).wrap(KEY, context=b"a")
    assert why.value.code == "key_service_credential"
    for text in ("hvs.one\n", "hvs.two"):
        token.write_text(text)
        request = asked(uri)
        assert request.url == "https://vault.example.com/v1/transit/encrypt/portreeve"
        assert header(request, "X-Vault-Token") == text.strip()


def test_a_transit_key_with_everything() -> None:
    uri = "transit:https://vault.example.com:8200/v1/team/keys/keys/a.b?token-env=TOKEN&namespace=ns1/ns2"
    request = asked(uri, {"TOKEN": "hvs.one"})
    assert request.url == "https://vault.example.com:8200/v1/team/keys/encrypt/a.b"
    assert header(request, "X-Vault-Namespace") == "ns1/ns2"
    assert named(uri).key_id == "transit-ns1/ns2/team/keys-a.b"


def test_a_key_of_kms() -> None:
    request = asked(f"awskms:{ARN}", AWS)
    assert request.url == "https://kms.eu-west-1.amazonaws.com/"
    assert "x-amz-security-token" not in request.headers
    assert named(f"awskms:{ARN}", AWS).key_id == f"awskms-{ARN}"
    request = asked(f"awskms:{ARN}?endpoint=https://vpce.example.com/", {**AWS, "AWS_SESSION_TOKEN": "a-token"})
    assert request.url == "https://vpce.example.com/"
    assert header(request, "x-amz-security-token") == "a-token"


def test_without_an_exchange_it_talks_for_itself_and_trusts_the_named_authority(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    engine = TransitServer()
    engine.rotate("portreeve")
    with answering(engine, certificate=authority.issue("server", "server", hosts=("127.0.0.1",))) as server:
        uri = f"transit:{server.url}/v1/transit/keys/portreeve?token-env=TOKEN&ca-file={authority.file}"
        key = master_key(uri, {"TOKEN": TOKEN}, clock=lambda: NOW)
        assert key.unwrap(key.wrap(KEY, context=b"a"), context=b"a").equals_in_constant_time(KEY)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "hunter2",
        ":",
        "/path",
        "FILE:/path",
        "vault:https://hunter2",
        "file:",
        "file:hunter2",
        "file://hunter2/key",
        "file:///hunter2",
        "file:/key?hunter2",
        "file:/key#hunter2",
        "file:/k%65y-hunter2",
        "file:/key\x00hunter2",
        "env:",
        "env:hunter2-",
        "env:A=hunter2",
        "env:A\n",
        "transit:",
        "transit:hunter2?token-env=T",
        "transit:https://hunter2?token-env=T",
        "transit:https://[hunter2/v1/transit/keys/a?token-env=T",
        "transit:https://user:hunter2@vault.example.com/v1/transit/keys/a?token-env=T",
        "transit:https://hunter2@vault.example.com/v1/transit/keys/a?token-env=T",
        "transit:http://vault.example.com/v1/transit/keys/a?token-env=T",
        "transit:ftp://vault.example.com/v1/transit/keys/a?token-env=T",
        "transit:https://vault.example.com/v1/transit/keys/a#hunter2?token-env=T",
        "transit:https://vault.example.com/v1/transit/keys/a?token-env=T#hunter2",
        "transit:https://vault.example.com/v1/transit/keys/?token-env=T",
        "transit:https://vault.example.com/v1/keys/a?token-env=T",
        "transit:https://vault.example.com/v1/transit/keys/a/b?token-env=T",
        "transit:https://vault.example.com/v1/../keys/a?token-env=T",
        "transit:https://vault.example.com/v1/a%2fb/keys/a?token-env=T",
        "transit:https://vault.example.com/v1/transit/encrypt/a?token-env=T",
        "transit:https://vault.example.com/v2/transit/keys/a?token-env=T",
        TRANSIT,
        f"{TRANSIT}?",
        f"{TRANSIT}?hunter2",
        f"{TRANSIT}?token=hunter2",
        f"{TRANSIT}?token-env=hunter2-",
        f"{TRANSIT}?token-file=hunter2",
        f"{TRANSIT}?token-file=",
        f"{TRANSIT}?token-env=T&token-file=/hunter2",
        f"{TRANSIT}?token-env=T&token-env=hunter2",
        f"{TRANSIT}?token-env=T&namespace=hunter2%20",
        f"{TRANSIT}?token-env=T&namespace=../hunter2",
        f"{TRANSIT}?token-env=T&endpoint=https://hunter2",
        "awskms:",
        "awskms:hunter2",
        "awskms:arn:aws:kms:eu-west-1:111122223333:alias/hunter2",
        f"awskms:{ARN}?hunter2",
        f"awskms:{ARN}?endpoint=http://hunter2.example.com/?x=hunter2",
        f"awskms:{ARN}?endpoint=https://hunter2@kms.example.com/",
        f"awskms:{ARN}?endpoint=hunter2",
        f"awskms:{ARN}?secret=hunter2",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_hint_and_not_quoted(uri: str) -> None:
    with pytest.raises(Invalid) as why:
        named(uri, {"T": "hvs.one", **AWS})
    assert why.value.code == "master_key_uri"
    assert why.value.hint
    assert "hunter2" not in repr(why.value) + why.value.diagnostics()
    assert why.value.__cause__ is None


@pytest.mark.parametrize("missing", list(AWS))
@pytest.mark.parametrize("value", [None, "", " "])
def test_missing_aws_credentials_are_told(missing: str, value: str | None) -> None:
    environment = {name: text for name, text in AWS.items() if name != missing}
    if value is not None:
        environment[missing] = value
    with pytest.raises(Stalled) as why:
        named(f"awskms:{ARN}", environment)
    assert why.value.code == "key_service_credential"
    assert missing in why.value.message


def test_a_missing_token_is_told_when_it_is_needed_and_not_quoted_when_it_is_too_long(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_text("hunter2" * 10_000)
    for uri in (f"{TRANSIT}?token-env=T", f"{TRANSIT}?token-file={long}", f"{TRANSIT}?token-file={tmp_path}"):
        key = named(uri)
        with pytest.raises(PortreeveError) as why:
            key.wrap(KEY, context=b"a")
        assert why.value.code == "key_service_credential"
        assert "hunter2" not in why.value.diagnostics()


def test_nothing_is_asked_before_it_is_needed() -> None:
    exchange = Recorder()
    assert isinstance(named(f"{TRANSIT}?token-env=T", {"T": "hvs.one"}, exchange), TransitMasterKey)
    assert isinstance(named(f"awskms:{ARN}", AWS, exchange), KmsMasterKey)
    assert exchange.asked == []


def test_a_key_that_a_file_or_variable_does_not_hold_is_told_as_ever(tmp_path: Path) -> None:
    for uri, environment in ((f"file:{tmp_path}/none", {}), ("env:NONE", {"OTHER": aead.new_key().reveal().hex()})):
        with pytest.raises(Stalled) as why:
            named(uri, environment)
        assert why.value.code == "master_key_missing"
