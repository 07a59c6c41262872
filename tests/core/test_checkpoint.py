"""Checkpoints and keys as text: one spelling, and nothing believed before it is verified."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.checkpoint import Checkpoint, Note, Signature, VerifierKey, opened, parse, parse_key
from portreeve.errors import Invalid

# The example of c2sp.org/tlog-checkpoint.
EXAMPLE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""
# The key of golang.org/x/mod/sumdb/note, note_test.go.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

origins = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="+"), min_size=1, max_size=200)
checkpoints = st.builds(Checkpoint, origins, st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32))
signatures = st.builds(Signature, origins, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=100))
notes = st.builds(Note, checkpoints, st.lists(signatures, min_size=1, max_size=16).map(tuple))


def test_the_published_example_is_read() -> None:
    note = parse(EXAMPLE.encode())
    assert (note.checkpoint.origin, note.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert note.signatures[0].key_id.hex() == "033de0ae"
    assert str(note) == EXAMPLE
    assert note.checkpoint.body == EXAMPLE.partition("\n\n")[0] + "\n"


@given(notes)
def test_a_note_reads_back_as_it_was(note: Note) -> None:
    assert parse(str(note).encode()) == note


@given(st.binary(max_size=400))
def test_nothing_but_invalid_leaves_on_any_bytes(data: bytes) -> None:
    with pytest.raises(Invalid):
        parse(data)


@given(notes, st.data())
def test_a_changed_byte_is_another_note_or_refused(note: Note, data: st.DataObject) -> None:
    raw = str(note).encode()
    at = data.draw(st.integers(0, len(raw) - 1))
    try:
        changed = parse(raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :])
    except Invalid:
        return
    assert changed != note


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "+1"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("20852163", "٣"),
        EXAMPLE.replace("20852163", "9" * 19),
        EXAMPLE.replace("20852163", "9" * 5000),
        EXAMPLE.replace("q2I=", "q2J="),
        EXAMPLE.replace("q2I=", "q2I"),
        EXAMPLE.replace("q2I=\n", "q2I=\nextension\n"),
        EXAMPLE.replace("\n\n", "\n"),
        EXAMPLE.replace("\n\n", "\n\n\n"),
        EXAMPLE.replace("\n", "\r\n"),
        EXAMPLE.replace("— ", "- "),
        EXAMPLE.replace("example.com", "example com"),
        EXAMPLE.replace("example.com", "example+com"),
        EXAMPLE.replace("example.com", "exampl\x1b.com"),
        EXAMPLE.partition("—")[0],
        EXAMPLE.rstrip("\n"),
        EXAMPLE + "\n",
        EXAMPLE + EXAMPLE.splitlines(keepends=True)[-1] * 16,
        f"\n{EXAMPLE}",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    assert text != EXAMPLE
    with pytest.raises(Invalid) as caught:
        parse(text.encode())
    assert caught.value.code == "audit_checkpoint"


def test_the_published_key_is_read() -> None:
    key = parse_key(GO_KEY)
    assert (key.name, key.key_id.hex(), str(key)) == ("PeterNeumann", "c74f20a3", GO_KEY)


def test_every_part_of_a_key_and_every_changed_letter_is_refused() -> None:
    parts = {GO_KEY[start:end] for start in range(len(GO_KEY)) for end in range(start, len(GO_KEY) + 1)} - {GO_KEY}
    changed = {GO_KEY[:at] + chr(ord(GO_KEY[at]) + 1) + GO_KEY[at + 1 :] for at in range(len(GO_KEY))}
    for text in parts | changed:
        with pytest.raises(Invalid) as caught:
            parse_key(text)
        assert caught.value.code == "audit_key"


@pytest.mark.parametrize(
    "text",
    [
        # As in note_test.go: a key of another length, and one of an unknown algorithm, each with a fitting id.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        f"{GO_KEY}\n",
        GO_KEY.replace("c74f20a3", "C74F20A3"),
        "",
    ],
)
def test_what_is_no_public_ed25519_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_key(text)
    assert "AYEK" not in caught.value.diagnostics(), "a private key is not repeated"


@given(origins, st.binary(min_size=32, max_size=32))
def test_a_key_reads_back_as_it_was(name: str, public: bytes) -> None:
    key = VerifierKey(name, public)
    assert parse_key(str(key)) == key


KEY = VerifierKey("log", bytes(32))
OTHER = VerifierKey("log", bytes([1]) * 32)


def note(*signatures: Signature) -> Note:
    return Note(Checkpoint("log", 1, bytes(32)), signatures)


@pytest.mark.parametrize(
    ("signatures", "keys", "ok"),
    [
        ([Signature("log", KEY.key_id, b"good")], [KEY], True),
        ([Signature("log", KEY.key_id, b"bad")], [KEY], False),
        ([Signature("log", KEY.key_id, b"good")], [OTHER], False),
        ([Signature("log", KEY.key_id, b"good")], [], False),
        ([Signature("witness", KEY.key_id, b"bad"), Signature("log", KEY.key_id, b"good")], [KEY], True),
        ([Signature("log", OTHER.key_id, b"bad"), Signature("log", KEY.key_id, b"good")], [KEY], True),
        ([Signature("log", OTHER.key_id, b"bad"), Signature("log", KEY.key_id, b"good")], [KEY, OTHER], False),
        ([Signature("log", KEY.key_id, b"good")], [OTHER, KEY], True),
        ([Signature("witness", VerifierKey("witness", bytes(32)).key_id, b"good")],
         [VerifierKey("witness", bytes(32))], False),
    ],
)  # fmt: skip
def test_a_trusted_key_of_the_log_must_have_signed(
    signatures: list[Signature], keys: list[VerifierKey], *, ok: bool
) -> None:
    def verify(_public: bytes, message: bytes, value: bytes) -> bool:
        assert message == note(*signatures).checkpoint.body.encode()
        return value == b"good"

    if ok:
        assert opened(note(*signatures), keys, verify).size == 1
        return
    with pytest.raises(Invalid) as caught:
        opened(note(*signatures), keys, verify)
    assert caught.value.code == "audit_signature"
