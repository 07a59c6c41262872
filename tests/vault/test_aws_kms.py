"""AWS KMS: what is sent, whose answers are taken, and what its failures mean."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, PortreeveError, Stalled, Unavailable
from portreeve.transport.session import LIMIT_BYTES, Session
from portreeve.transport.sigv4 import Credentials
from portreeve.vault.aws_kms import KmsKey, KmsMasterKey
from tests.tools.loopback import Answer, Asked, Hangs, Loopback, Raw, Says, answering
from tests.vault.kms_server import CREDENTIALS, NOW, ask, kms, new_key

pytestmark = pytest.mark.wide

ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER = ARN.replace("1234abcd", "dcba4321")
KEY = SecretValue(b"a key of thirty-two bytes, really")
TEMPORARY = Credentials("AKIDEXAMPLE", CREDENTIALS.secret_access_key, SecretValue("a-session-token"))


def keyed(server: Loopback, session: Session, credentials: Credentials = TEMPORARY) -> KmsMasterKey:
    return KmsMasterKey(KmsKey(ARN, server.url + "/"), credentials, session, lambda: NOW)


def refusals(answer: Answer) -> Iterator[PortreeveError]:
    """How wrap and unwrap fail."""
    # A machine that is busy answers late, too: only where nothing is answered is the wait short.
    timeout_s = 0.2 if isinstance(answer, Hangs) else 10
    with Session(timeout_s=timeout_s) as session, answering(lambda asked: answer) as server:
        key = keyed(server, session)
        with pytest.raises(PortreeveError) as wrapping:
            key.wrap(KEY, context=b"a")
        with pytest.raises(PortreeveError) as unwrapping:
            key.unwrap(b"wrapped", context=b"a")
    for error in (wrapping.value, unwrapping.value):
        shown = repr(error) + error.diagnostics()
        for secret in ("hunter2", "a-session-token", "AKIDEXAMPLE", base64.b64encode(KEY.reveal()).decode()):
            assert secret not in shown
        assert error.hint
        assert error.__cause__ is None
        yield error


def failing(kind: str, status: int = 400) -> Says:
    return Says(status, json.dumps({"__type": kind, "message": "hunter2"}).encode())


def succeeding(**fields: object) -> Says:
    blob = base64.b64encode(b"blob").decode()
    return Says(200, json.dumps({"KeyId": ARN, "CiphertextBlob": blob, "Plaintext": blob, **fields}).encode())


def test_key_and_context_go_along_and_all_of_it_is_signed() -> None:
    with Session() as session, answering(lambda asked: succeeding()) as server:
        key = keyed(server, session)
        assert key.wrap(KEY, context=b"\x00a") == b"blob"
        assert key.unwrap(b"wrapped", context=b"\x00a").reveal() == b"blob"
    encrypt, decrypt = server.asked
    common = {"KeyId": ARN, "EncryptionContext": {"portreeve": base64.b64encode(b"\x00a").decode()}}
    assert json.loads(encrypt.body) == {"Plaintext": base64.b64encode(KEY.reveal()).decode(), **common}
    assert json.loads(decrypt.body) == {"CiphertextBlob": base64.b64encode(b"wrapped").decode(), **common}
    assert encrypt.headers["x-amz-target"] == "TrentService.Encrypt"
    assert decrypt.headers["x-amz-target"] == "TrentService.Decrypt"
    assert encrypt.headers["content-type"] == "application/x-amz-json-1.1"
    assert encrypt.headers["x-amz-security-token"] == "a-session-token"
    assert (
        "Credential=AKIDEXAMPLE/20261120/eu-west-1/kms/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
    ) in encrypt.headers["authorization"]


def test_an_answer_of_another_key_is_refused() -> None:
    for key_id in (OTHER, None, "", "alias/portreeve", ARN.upper()):
        for error in refusals(succeeding(KeyId=key_id)):
            assert (type(error), error.code) == (Stalled, "key_service_answer")
            assert "another key" in error.message


@pytest.mark.parametrize(
    ("kind", "expected", "code"),
    [
        ("InvalidCiphertextException", Stalled, "ciphertext_refused"),
        ("IncorrectKeyException", Stalled, "ciphertext_refused"),
        ("com.amazonaws.kms#InvalidCiphertextException", Stalled, "ciphertext_refused"),
        ("NotFoundException", Stalled, "key_service_answer"),
        ("DisabledException", Stalled, "key_service_answer"),
        ("KMSInvalidStateException", Stalled, "key_service_answer"),
        ("InvalidKeyUsageException", Stalled, "key_service_answer"),
        ("hunter2", Stalled, "key_service_answer"),
        ("", Stalled, "key_service_answer"),
        ("AccessDeniedException", Denied, "key_service_denied"),
        ("UnrecognizedClientException", Denied, "key_service_denied"),
        ("InvalidSignatureException", Denied, "key_service_denied"),
        ("ExpiredTokenException", Denied, "key_service_denied"),
        ("ThrottlingException", Unavailable, "key_service_unavailable"),
        ("LimitExceededException", Unavailable, "key_service_unavailable"),
        ("KMSInternalException", Unavailable, "key_service_unavailable"),
        ("DependencyTimeoutException", Unavailable, "key_service_unavailable"),
    ],
)
def test_what_a_failure_means_stands_in_its_type(kind: str, expected: type[PortreeveError], code: str) -> None:
    for error in refusals(failing(kind)):
        assert (type(error), error.code) == (expected, code)


@pytest.mark.parametrize(
    "answer",
    [Hangs(), Raw(b""), Says(429), failing("hunter2", 500), Says(503)],
    ids=["hangs", "closes", "429", "500", "503"],
)
def test_no_answer_and_not_now_may_be_asked_again(answer: Answer) -> None:
    for error in refusals(answer):
        assert (type(error), error.code) == (Unavailable, "key_service_unavailable")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_denied(status: int) -> None:
    for error in refusals(failing("hunter2", status)):
        assert (type(error), error.code) == (Denied, "key_service_denied")


@pytest.mark.parametrize(
    "answer",
    [
        Says(200),
        Says(200, b"hunter2"),
        Says(200, b"[]"),
        Says(400, b"hunter2"),
        Says(404),
        Says(200, b"x" * (LIMIT_BYTES + 1)),
        succeeding(CiphertextBlob=None, Plaintext=None),
        succeeding(CiphertextBlob="hunter2!", Plaintext="hunter2!"),
    ],
    ids=["empty", "text", "a list", "400 and text", "404", "too large", "nothing", "no base64"],
)
def test_an_answer_to_something_else_needs_a_person(answer: Answer) -> None:
    for error in refusals(answer):
        assert (type(error), error.code) == (Stalled, "key_service_answer")


def test_a_redirect_is_not_followed() -> None:
    with answering(lambda asked: succeeding()) as elsewhere:
        for error in refusals(Says(307, headers={"Location": elsewhere.url})):
            assert (type(error), error.code) == (Stalled, "key_service_answer")
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "hunter2",
        "alias/portreeve",
        "arn:aws:kms:eu-west-1:111122223333:alias/portreeve",
        "arn:aws:s3:eu-west-1:111122223333:key/a",
        "arn:aws:kms:eu-west-1:1:key/a",
        "arn:aws:kms:evil.example.com/:111122223333:key/a",
        "arn:aws-other:kms:eu-west-1:111122223333:key/a",
        ARN + "\n",
        ARN + "/x",
    ],
)
def test_what_is_no_key_of_kms_is_refused(arn: str) -> None:
    with pytest.raises(Invalid) as why:
        KmsKey(arn)
    assert why.value.code == "kms_key"
    assert "hunter2" not in why.value.diagnostics()


def test_a_key_is_asked_where_it_lives() -> None:
    assert KmsKey(ARN).url == "https://kms.eu-west-1.amazonaws.com/"
    assert KmsKey(ARN.replace("arn:aws:", "arn:aws-cn:")).url == "https://kms.eu-west-1.amazonaws.com.cn/"
    assert KmsKey(ARN, "https://vpce-1.kms.example.com/").url == "https://vpce-1.kms.example.com/"


@pytest.mark.parametrize("word", ["", "two words", "a\r\nb", "ä"])
def test_credentials_that_are_not_one_word_are_refused_and_not_shown(word: str) -> None:
    for parts in ((word, "b", None), ("a", word, None), ("a", "b", word)):
        with pytest.raises(Invalid) as why:
            Credentials(parts[0], SecretValue(parts[1]), None if parts[2] is None else SecretValue(parts[2]))
        assert why.value.code == "credential_word"
        assert not word or word not in why.value.diagnostics()


def test_a_disabled_key_and_a_missing_one_need_a_person() -> None:
    with Session() as session, kms() as endpoint:
        arn = new_key(session, endpoint)
        key = KmsMasterKey(KmsKey(arn, endpoint), CREDENTIALS, session, lambda: NOW)
        wrapped = key.wrap(KEY, context=b"a")
        missing = KmsMasterKey(KmsKey(OTHER, endpoint), CREDENTIALS, session, lambda: NOW)
        for ask_it in (lambda: missing.wrap(KEY, context=b"a"), lambda: missing.unwrap(wrapped, context=b"a")):
            with pytest.raises(Stalled) as why:
                ask_it()
            assert why.value.code == "key_service_answer"
        assert ask(session, endpoint, "DescribeKey", KeyId=arn)


def test_the_time_of_each_signature_is_asked_for() -> None:
    times = iter([NOW, NOW.replace(hour=13)])
    with Session() as session, answering(lambda asked: succeeding()) as server:
        key = KmsMasterKey(KmsKey(ARN, server.url + "/"), CREDENTIALS, session, lambda: next(times))
        key.wrap(KEY, context=b"a")
        key.wrap(KEY, context=b"a")

    def at(asked: Asked) -> str:
        return asked.headers["x-amz-date"]

    assert [at(asked) for asked in server.asked] == ["20261120T123600Z", "20261120T133600Z"]
