"""What is sealed for an agent opens with its key, for this delivery, unchanged; and not otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHAKE256, Hash
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled
from portreeve.vault import sealing
from portreeve.vault.sealing import Delivery

KEY, OTHER = sealing.generate(), sealing.generate()
PUBLIC = KEY.sealing_key
DELIVERY = Delivery("prod-eu", "team-registry", "c1", 3, 41)


def refused(sealed: bytes, delivery: Delivery = DELIVERY, key: sealing.OpeningKey = KEY) -> str:
    try:
        sealing.open_sealed(sealed, delivery, key)
    except Stalled as error:
        return error.code
    return ""


@settings(max_examples=25)
@given(st.binary(max_size=4000))
def test_what_was_sealed_is_opened(plain: bytes) -> None:
    assert sealing.open_sealed(sealing.seal(SecretValue(plain), DELIVERY, PUBLIC), DELIVERY, KEY).reveal() == plain


@pytest.mark.parametrize(
    "other",
    [
        replace(DELIVERY, environment="prod-us"),
        replace(DELIVERY, registry="other"),
        replace(DELIVERY, credential="c2"),
        replace(DELIVERY, version=2),
        replace(DELIVERY, generation=40),
        replace(DELIVERY, environment="prod-eut", registry="eam-registry"),
        Delivery("team-registry", "prod-eu", "c1", 3, 41),
    ],
)
def test_another_delivery_is_refused(other: Delivery) -> None:
    assert refused(sealing.seal(SecretValue("x"), DELIVERY, PUBLIC), other) == "sealed_refused"


def test_another_key_is_refused() -> None:
    assert refused(sealing.seal(SecretValue("x"), DELIVERY, OTHER.sealing_key)) == "sealed_for_another_key"


def test_a_borrowed_fingerprint_does_not_help() -> None:
    sealed = sealing.seal(SecretValue("x"), DELIVERY, OTHER.sealing_key)
    assert refused(sealed[:4] + PUBLIC.fingerprint + sealed[12:]) == "sealed_refused"


@pytest.mark.parametrize("half", ["mlkem", "x25519"])
def test_both_halves_are_needed(half: str) -> None:
    """Whoever has broken one of the two does not open anything."""
    sealed = sealing.seal(SecretValue("x"), DELIVERY, PUBLIC)
    seeds = {"mlkem": ("mlkem_seed", OTHER.mlkem_seed), "x25519": ("x25519", OTHER.x25519)}
    name, seed = seeds[half]
    broken = sealing.OpeningKey(**{"mlkem_seed": KEY.mlkem_seed, "x25519": KEY.x25519, name: seed})
    assert refused(sealed[:4] + broken.sealing_key.fingerprint + sealed[12:], key=broken) == "sealed_refused"
    private = hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(broken.mlkem_seed.reveal()),
        X25519PrivateKey.from_private_bytes(broken.x25519.reveal()),
    )
    with pytest.raises(InvalidTag):
        sealing._suite().decrypt(sealed[12:], private, info=sealing._info(DELIVERY, PUBLIC.fingerprint))


def test_every_flipped_bit_is_noticed() -> None:
    sealed = sealing.seal(SecretValue("x"), DELIVERY, PUBLIC)
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refused(bytes(flipped)), bit


def test_anything_short_is_refused() -> None:
    sealed = sealing.seal(SecretValue("x"), DELIVERY, PUBLIC)
    assert all(refused(sealed[:length]) for length in (0, 1, 4, 11, 12, 13, 1131, 1132, 1147, len(sealed) - 1))
    assert refused(sealed + b"\x00")


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    sealed = {sealing.seal(SecretValue("x"), DELIVERY, PUBLIC) for _ in range(50)}
    assert len({one[12:1132] for one in sealed}) == 50
    assert {len(one) for one in sealed} == {4 + 8 + 1120 + 16 + 1}


def test_keys_survive_their_serialisation() -> None:
    again = sealing.read_private(sealing.private_bytes(KEY))
    assert again.sealing_key == PUBLIC == sealing.read_public(sealing.public_bytes(PUBLIC))
    assert len(sealing.private_bytes(KEY).reveal()) == 4 + 64 + 32
    assert len(sealing.public_bytes(PUBLIC)) == 4 + 1184 + 32
    sealed = sealing.seal(SecretValue("x"), DELIVERY, sealing.read_public(sealing.public_bytes(PUBLIC)))
    assert sealing.open_sealed(sealed, DELIVERY, again).reveal() == b"x"


NO_KEYS: dict[str, Callable[[], object]] = {
    "empty": lambda: sealing.read_public(b""),
    "short": lambda: sealing.read_public(sealing.public_bytes(PUBLIC)[:-1]),
    "long": lambda: sealing.read_public(sealing.public_bytes(PUBLIC) + b"\x00"),
    "private as public": lambda: sealing.read_public(sealing.private_bytes(KEY).reveal()),
    "public as private": lambda: sealing.read_private(SecretValue(sealing.public_bytes(PUBLIC))),
    "half as private": lambda: sealing.read_private(SecretValue(sealing.private_bytes(KEY).reveal()[:68])),
    "not reduced": lambda: sealing.read_public(b"PRP\x01" + b"\xff" * 1216),
    "small order": lambda: sealing.seal(SecretValue("x"), DELIVERY, replace(PUBLIC, x25519=bytes(32))),
    "half to seal": lambda: sealing.seal(SecretValue("x"), DELIVERY, replace(PUBLIC, mlkem=b"")),
}


@pytest.mark.parametrize("what", NO_KEYS)
def test_what_is_no_key_is_refused(what: str) -> None:
    with pytest.raises(PortreeveError) as why:
        NO_KEYS[what]()
    assert (type(why.value), why.value.code) == (Invalid, "sealing_key")


def test_no_representation_holds_a_private_half() -> None:
    shown = repr(KEY) + str(KEY) + repr(sealing.private_bytes(KEY))
    for half in (KEY.mlkem_seed, KEY.x25519):
        assert half.reveal().hex() not in shown
        assert repr(half.reveal())[2:-1] not in shown


def vector() -> dict[str, bytes]:
    raw = json.loads(Path(__file__).with_name("hpke_pq_vector.json").read_text())
    return {name: bytes.fromhex(value) for name, value in raw.items() if isinstance(value, str) and name != "source"}


def published_key(seed: bytes) -> hpke.MLKEM768X25519PrivateKey:
    """The draft stores one seed of 32 bytes and expands it with SHAKE256; the library takes the two halves."""
    shake = Hash(SHAKE256(96))
    shake.update(seed)
    halves = shake.finalize()
    return hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(halves[:64]), X25519PrivateKey.from_private_bytes(halves[64:])
    )


def test_the_library_opens_the_published_vector() -> None:
    """Through the library's test hook, as its public call takes no additional data and every vector has some."""
    one = vector()
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    key = published_key(one["skRm"])
    assert (
        openssl.hpke._decrypt_with_aad(suite, one["enc"] + one["ciphertext"], key, one["info"], one["aad"])
        == one["plaintext"]
    )


def test_the_public_call_agrees_with_the_published_key_schedule() -> None:
    """Published encapsulation, key and nonce; only the last encryption, without additional data, is made here."""
    one = vector()
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    boxed = ChaCha20Poly1305(one["key"]).encrypt(one["base_nonce"], one["plaintext"], b"")
    assert suite.decrypt(one["enc"] + boxed, published_key(one["skRm"]), info=one["info"]) == one["plaintext"]
