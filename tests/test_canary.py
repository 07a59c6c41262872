"""The search finds a canary in every encoding, whole or in parts, and however it is packed; and nothing else."""

from __future__ import annotations

import base64
import gzip
import io
import secrets
import tarfile
import zipfile
import zlib

import pytest

from tests.canary import ENCODINGS, Canary, Finder

CANARY = Canary("one", "Pä55/wörd+&<\"'\\>%41 tail-9f3c7b1e5d")
OTHER = Canary("two", "another-secret-0123456789abcdef")


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", data)
    return file.getvalue()


def tarred(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("inner")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("shift", range(9))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_found_at_every_position(encoding: str, shift: int) -> None:
    form = ENCODINGS[encoding](CANARY.secret)
    hits = Finder([CANARY, OTHER]).search(b"." * shift + form + b" and so on", "sink")
    assert {hit.canary for hit in hits} == {"one"}


@pytest.mark.parametrize("offset", range(3))
def test_base64_of_a_longer_text_is_found(offset: int) -> None:
    text = base64.b64encode(b"user:"[: 3 + offset] + CANARY.secret.encode() + b" and more")
    assert Finder([CANARY]).search(text, "sink")


def test_fifteen_bytes_of_a_canary_are_always_found_and_eleven_never() -> None:
    finder, secret = Finder([OTHER]), OTHER.secret.encode()
    for first in range(len(secret) - 15):
        for shift in range(8):
            assert finder.search(b"." * shift + secret[first : first + 15] + b".", "sink")
        assert not finder.search(b".." + secret[first : first + 11] + b".", "sink")


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zlib.compress,
        zipped,
        tarred,
        lambda data: gzip.compress(zipped(zlib.compress(data))),
        lambda data: base64.b64encode(gzip.compress(data * 3)),
        lambda data: b"\\\\x" + gzip.compress(data).hex().encode(),
        lambda data: b'{"body": "' + base64.urlsafe_b64encode(zlib.compress(data * 3)) + b'"}',
    ],
)
def test_what_is_packed_is_opened_wherever_it_begins(pack: object) -> None:
    assert callable(pack)
    packed = pack(b"prefix " + CANARY.secret.encode() + b" suffix")
    for before in (b"", b"some bytes before"):
        hits = Finder([CANARY]).search(before + packed + b"and behind", "sink")
        assert hits
        assert hits[0].inside


def test_a_stream_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    packed = gzip.compress(CANARY.secret.encode() + secrets.token_bytes(10_000))
    assert Finder([CANARY]).search(packed[:5_000], "sink")


def test_a_list_of_digests_holds_no_canary() -> None:
    finder = Finder(Canary(str(number), f"canary-{secrets.token_hex(20)}") for number in range(100))
    digests = b"".join(secrets.token_hex(32).encode().hex().encode() for _ in range(5_000))
    assert finder.search(digests, "digests") == []


def test_random_bytes_and_other_texts_hold_no_canary() -> None:
    finder = Finder([CANARY, OTHER])
    assert finder.search(secrets.token_bytes(1 << 20), "noise") == []
    assert finder.search("a password, a secret-01 and nothing more", "text") == []
    assert (finder.sinks, finder.bytes_searched >= 1 << 20) == (2, True)


def test_a_canary_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="short"):
        Finder([Canary("short", "s3cret")])
