"""The transit engine: what is sent, what is refused, and that no failure shows a token or a key."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, PortreeveError, Stalled, Unavailable
from portreeve.transport.session import LIMIT_BYTES, Session
from portreeve.vault import key_check
from portreeve.vault.ports import MasterKeys
from portreeve.vault.transit import TransitKey, TransitMasterKey
from tests.tools.loopback import Answer, Asked, Hangs, Loopback, Raw, Says, answering
from tests.vault.transit_server import TOKEN, TransitServer, transit_answer

pytestmark = pytest.mark.wide

KEY = SecretValue(b"a key of thirty-two bytes, really")
WRAPPED = b"vault:v1:" + base64.b64encode(bytes(60))


def engine() -> TransitServer:
    made = TransitServer()
    made.rotate("portreeve")
    return made


@contextmanager
def keyed(server: Loopback, token: str = TOKEN, *, waits: bool = True, **place: str) -> Iterator[TransitMasterKey]:
    # A machine that is busy answers late, too: only where nothing is answered is the wait short.
    with Session(timeout_s=10 if waits else 0.2) as session:
        key = TransitKey(server.url, place.pop("mount", "transit"), place.pop("name", "portreeve"), **place)
        yield TransitMasterKey(key, lambda: SecretValue(token), session)


def refusals(answer: Answer) -> Iterator[PortreeveError]:
    """How wrap and unwrap fail."""
    with answering(lambda asked: answer) as server, keyed(server, waits=not isinstance(answer, Hangs)) as key:
        with pytest.raises(PortreeveError) as wrapping:
            key.wrap(KEY, context=b"a")
        with pytest.raises(PortreeveError) as unwrapping:
            key.unwrap(WRAPPED, context=b"a")
    for error in (wrapping.value, unwrapping.value):
        assert_shows_nothing(error)
        yield error


def assert_shows_nothing(error: PortreeveError) -> None:
    shown = repr(error) + error.diagnostics()
    for secret in (TOKEN, KEY.reveal().decode(), base64.b64encode(KEY.reveal()).decode(), WRAPPED.decode(), "hunter2"):
        assert secret not in shown
    assert error.hint
    assert error.__cause__ is None


def test_context_goes_along_as_associated_data() -> None:
    with answering(engine()) as server, keyed(server) as key:
        wrapped = key.wrap(KEY, context=b"\x00a")
        key.unwrap(wrapped, context=b"\x00a")
    encrypt, decrypt = server.asked
    bound = base64.b64encode(b"\x00a").decode()
    assert (encrypt.method, encrypt.path) == ("POST", "/v1/transit/encrypt/portreeve")
    assert json.loads(encrypt.body) == {
        "plaintext": base64.b64encode(KEY.reveal()).decode(),
        "associated_data": bound,
    }
    assert decrypt.path == "/v1/transit/decrypt/portreeve"
    assert json.loads(decrypt.body) == {"ciphertext": wrapped.decode(), "associated_data": bound}
    assert encrypt.headers["x-vault-token"] == TOKEN
    assert encrypt.headers["x-vault-request"] == "true"
    assert "x-vault-namespace" not in encrypt.headers


def test_a_namespace_goes_along_and_is_part_of_the_id() -> None:
    made = TransitServer("team/keys", namespace="ns1/ns2")
    made.rotate("a.b")
    with answering(made) as server, keyed(server, mount="team/keys", name="a.b", namespace="ns1/ns2") as key:
        assert key.unwrap(key.wrap(KEY, context=b"a"), context=b"a").equals_in_constant_time(KEY)
        assert key.key_id == "transit-ns1/ns2/team/keys-a.b"
        assert server.asked[0].headers["x-vault-namespace"] == "ns1/ns2"


def test_a_key_that_was_rotated_there_stays_the_same_key_here() -> None:
    made = engine()
    with answering(made) as server, keyed(server) as key:
        assert key.key_id == "transit-transit-portreeve"
        old = key.wrap(KEY, context=b"a")
        made.rotate("portreeve")
        new = key.wrap(KEY, context=b"a")
        assert (old[:9], new[:9]) == (b"vault:v1:", b"vault:v2:")
        assert key.key_id == "transit-transit-portreeve"
        for wrapped in (old, new):
            assert key.unwrap(wrapped, context=b"a").equals_in_constant_time(KEY)
        with pytest.raises(Stalled):
            key.unwrap(old.replace(b"v1", b"v2"), context=b"a")


def test_a_renewed_token_is_used_at_once() -> None:
    tokens = iter(["hvs.expired", TOKEN])
    with answering(engine()) as server, Session() as session:
        key = TransitMasterKey(
            TransitKey(server.url, "transit", "portreeve"), lambda: SecretValue(next(tokens)), session
        )
        with pytest.raises(Denied):
            key.wrap(KEY, context=b"a")
        key.wrap(KEY, context=b"a")


@pytest.mark.parametrize("token", ["", "two words", "a\r\nX-Other: b", "ä", "a\n"])
def test_a_token_that_is_not_one_word_is_never_sent(token: str) -> None:
    with answering(engine()) as server, keyed(server, token) as key:
        with pytest.raises(Invalid) as why:
            key.wrap(KEY, context=b"a")
        assert server.asked == []
    assert why.value.code == "credential_word"
    assert not token or token not in why.value.diagnostics()


def test_a_wrong_token_is_denied() -> None:
    with answering(engine()) as server, keyed(server, "hvs.other") as key, pytest.raises(Denied) as why:
        key.wrap(KEY, context=b"a")
    assert why.value.code == "key_service_denied"
    assert "hvs.other" not in why.value.diagnostics()


def test_a_sealed_service_may_be_asked_again() -> None:
    made = engine()
    made.sealed = True
    with answering(made) as server, keyed(server) as key, pytest.raises(Unavailable) as why:
        key.unwrap(WRAPPED, context=b"a")
    assert why.value.code == "key_service_unavailable"


def test_a_missing_key_does_not_wrap_and_does_not_unwrap() -> None:
    with answering(engine()) as server, keyed(server, name="none") as key:
        with pytest.raises(Stalled) as wrapping:
            key.wrap(KEY, context=b"a")
        with pytest.raises(Stalled) as unwrapping:
            key.unwrap(WRAPPED, context=b"a")
    assert (wrapping.value.code, unwrapping.value.code) == ("key_service_answer", "ciphertext_refused")


def test_a_missing_mount_is_no_wrong_ciphertext() -> None:
    with answering(engine()) as server, keyed(server, mount="elsewhere") as key, pytest.raises(Stalled) as why:
        key.unwrap(WRAPPED, context=b"a")
    assert why.value.code == "key_service_answer"


def test_a_service_that_does_not_bind_is_refused() -> None:
    made = engine()
    made.knows_associated_data = False
    with answering(made) as server, keyed(server) as key, pytest.raises(Stalled) as wrapping:
        key.wrap(KEY, context=b"a")
    assert wrapping.value.code == "key_service_answer"
    assert "associated_data" in wrapping.value.message


@pytest.mark.parametrize(
    "wrapped",
    [
        b"",
        b"vault",
        b"vault:v0:AAAA",
        b"vault:v01:AAAA",
        b"vault:v1:",
        b"vault:v1:AAB=",
        b"vault:v1:AAAA\n",
        b"VAULT:v1:AAAA",
        b"\xff",
    ],
)
def test_what_the_engine_never_writes_is_refused_without_asking(wrapped: bytes) -> None:
    with answering(engine()) as server, keyed(server) as key:
        with pytest.raises(Stalled) as why:
            key.unwrap(wrapped, context=b"a")
        assert server.asked == []
    assert why.value.code == "ciphertext_refused"


@pytest.mark.parametrize(
    "answer",
    [Hangs(), Raw(b""), Says(429), Says(500), Says(502), Says(503), Says(504), Says(412), Says(599, b"hunter2")],
    ids=["hangs", "closes", "429", "500", "502", "503", "504", "412", "599"],
)
def test_no_answer_and_not_now_may_be_asked_again(answer: Answer) -> None:
    for error in refusals(answer):
        assert (type(error), error.code) == (Unavailable, "key_service_unavailable")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_denied(status: int) -> None:
    for error in refusals(Says(status, json.dumps({"errors": [TOKEN]}).encode())):
        assert (type(error), error.code) == (Denied, "key_service_denied")


def answered(data: object) -> Says:
    return Says(200, json.dumps(transit_answer(data)).encode())


@pytest.mark.parametrize(
    "answer",
    [
        Says(200),
        Says(200, b"hunter2"),
        Says(200, b"\xff"),
        Says(200, b"[]"),
        Says(200, b"[" * 50_000),
        Says(200, b"9" * 5_000),
        Says(200, b"x" * (LIMIT_BYTES + 1)),
        Says(200, b"hunter2", {"Content-Encoding": "gzip"}),
        Says(204),
        Says(404),
        answered(None),
        answered({}),
        answered({"ciphertext": 1, "plaintext": 1}),
        answered({"ciphertext": "hunter2", "plaintext": "hunter2"}),
        answered({"ciphertext": "vault:v1:AAB=", "plaintext": "AAB="}),
    ],
    ids=[
        "empty",
        "text",
        "bytes",
        "a list",
        "too deep",
        "long number",
        "too large",
        "packed",
        "204",
        "404",
        "no data",
        "nothing",
        "numbers",
        "no base64",
        "spare bits",
    ],
)
def test_an_answer_to_something_else_needs_a_person(answer: Answer) -> None:
    for error in refusals(answer):
        assert (type(error), error.code) == (Stalled, "key_service_answer")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with answering(engine()) as elsewhere:
        for error in refusals(Says(status, headers={"Location": f"{elsewhere.url}/v1/transit/encrypt/portreeve"})):
            assert (type(error), error.code) == (Stalled, "key_service_answer")
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("mount", "name", "namespace"),
    [
        ("", "a", ""),
        ("a", "", ""),
        ("..", "a", ""),
        ("a/../b", "a", ""),
        ("a", "..", ""),
        ("/a", "b", ""),
        ("a/", "b", ""),
        ("a", "b/c", ""),
        ("a", "b?c", ""),
        ("a", "b%2f", ""),
        ("a", "b", "c d"),
        ("a", "b", "c\r\nd"),
        ("a", "b\n", ""),
        ("a#", "b", ""),
    ],
)
def test_a_place_that_needs_escaping_is_refused(mount: str, name: str, namespace: str) -> None:
    with pytest.raises(Invalid) as why:
        TransitKey("https://vault.example.com", mount, name, namespace)
    assert why.value.code == "transit_key"


def test_a_start_with_the_wrong_key_of_the_right_name_is_refused() -> None:
    made = engine()
    with answering(made) as server, keyed(server) as key:
        check = key_check.make(key)
        key_check.verify(MasterKeys(key), [check], [key.key_id])
        del made.keys["portreeve"]
        made.rotate("portreeve")
        with pytest.raises(Stalled) as why:
            key_check.verify(MasterKeys(key), [check], [key.key_id])
    assert why.value.code == "master_key_wrong"


def test_a_start_against_something_else_says_so() -> None:
    def elsewhere(asked: Asked) -> Answer:
        return Says(404)

    made = engine()
    with answering(made) as server, keyed(server) as key:
        check = key_check.make(key)
    with answering(elsewhere) as server, keyed(server) as key, pytest.raises(Stalled) as why:
        key_check.verify(MasterKeys(key), [check], [key.key_id])
    assert why.value.code == "key_service_answer"
