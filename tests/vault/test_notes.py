"""Signing and verifying checkpoints, against the published note of another implementation."""

from __future__ import annotations

from base64 import b64decode

import pytest

from portreeve.core.checkpoint import Checkpoint, opened, parse, parse_key
from portreeve.errors import Invalid
from portreeve.vault import notes

# golang.org/x/mod/sumdb/note, note_test.go: key, text and signature.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
CHECKPOINT = Checkpoint("log.example.com/audit", 7, bytes(32))
SEED = bytes(range(32))
KEY = notes.SigningKey("log.example.com/audit", SEED)


def test_the_published_signature_verifies() -> None:
    raw = b64decode(GO_SIGNATURE)
    key = parse_key(GO_VERIFIER)
    assert raw[:4] == key.key_id
    assert notes.verify(key.public, GO_TEXT, raw[4:])
    assert not notes.verify(key.public, GO_TEXT.replace(b"answer", b"Answer"), raw[4:])
    for bit in range(len(raw[4:]) * 8):
        flipped = (int.from_bytes(raw[4:]) ^ (1 << bit)).to_bytes(64)
        assert not notes.verify(key.public, GO_TEXT, flipped)


def test_the_published_private_key_has_the_published_public_one() -> None:
    key = notes.parse_signing_key(GO_SIGNER)
    assert str(key.verifier) == GO_VERIFIER
    assert key.reveal() == GO_SIGNER


def test_what_is_signed_opens_with_the_public_key_and_no_other() -> None:
    note = parse(str(KEY.sign(CHECKPOINT)).encode())
    assert opened(note, [KEY.verifier], notes.verify) == CHECKPOINT
    with pytest.raises(Invalid):
        opened(note, [notes.generate(KEY.name).verifier], notes.verify)


def test_signing_gives_the_same_note_every_time() -> None:
    assert KEY.sign(CHECKPOINT) == KEY.sign(CHECKPOINT)


def test_a_key_signs_for_its_own_log_only() -> None:
    with pytest.raises(Invalid):
        KEY.sign(Checkpoint("other", 7, bytes(32)))


def test_new_keys_differ() -> None:
    assert notes.generate("log") != notes.generate("log")


@pytest.mark.parametrize("value", [KEY, [KEY], KEY.verifier, KEY.sign(CHECKPOINT)])
def test_no_representation_shows_the_seed(value: object) -> None:
    for text in (repr(value), str(value)):
        assert repr(SEED) not in text
        assert SEED.hex() not in text
        assert KEY.reveal().rpartition("+")[2] not in text


@pytest.mark.parametrize(
    "text", ["", GO_SIGNER[:-1], GO_VERIFIER, f"{GO_SIGNER}\n", GO_SIGNER.replace("c7", "c8"), "PRIVATE+KEY+a b+0+AA=="]
)
def test_what_is_no_private_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        notes.parse_signing_key(text)
    assert "AYEK" not in caught.value.diagnostics()


@pytest.mark.parametrize(("public", "signature"), [(b"", bytes(64)), (bytes(31), bytes(64)), (bytes(32), b"")])
def test_what_is_no_key_or_signature_does_not_verify(public: bytes, signature: bytes) -> None:
    assert not notes.verify(public, b"", signature)
