"""What was sealed opens at its own place, under its own key, unchanged; and nowhere else."""

from __future__ import annotations

import base64
import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.vault import aead, envelope
from portreeve.vault.binding import Owner, Place
from portreeve.vault.owner_keys import OwnerKey

PLAIN = b"c4n4ry"
OWNERS = (Owner(), Owner("a"), Owner("b"))
KEYS = {(owner, epoch): OwnerKey(owner, epoch, aead.new_key()) for owner in OWNERS for epoch in (1, 2)}
PLACE = Place(Owner("a"), "r1", "password", 1)
KEY = KEYS[Owner("a"), 1]

PLACES = [
    Place(owner, record, field, version)
    for owner in OWNERS
    for record in ("r1", "r2")
    for field in ("password", "key")
    for version in (1, 2)
]
ROWS = [(place, key) for place in PLACES for (owner, _), key in KEYS.items() if owner == place.owner]


def refused(stored: bytes, place: Place, key: OwnerKey) -> str:
    """The code of the refusal, "" if it opened."""
    try:
        envelope.open_sealed(stored, place, key)
    except Stalled as error:
        return error.code
    return ""


@given(st.binary(max_size=300))
def test_what_was_sealed_is_opened(plain: bytes) -> None:
    assert envelope.open_sealed(envelope.seal(SecretValue(plain), PLACE, KEY), PLACE, KEY).reveal() == plain


def test_no_two_rows_can_be_swapped() -> None:
    """Every envelope of every row in every other row, with each key there is: 48 × 48 × 6."""
    stored = {row: envelope.seal(SecretValue(PLAIN), place, key) for row, (place, key) in enumerate(ROWS)}
    opened = [
        (row, place, key)
        for row, (place, key) in itertools.product(stored, itertools.product(PLACES, KEYS.values()))
        if not refused(stored[row], place, key)
    ]
    assert opened == [(row, *ROWS[row]) for row in stored]


def test_even_with_one_key_for_all_no_two_places_can_be_swapped() -> None:
    """The binding alone holds, not only the check of the owner."""
    same = {owner: OwnerKey(owner, 1, KEY.key) for owner in OWNERS}
    stored = {place: envelope.seal(SecretValue(PLAIN), place, same[place.owner]) for place in PLACES}
    for source, target in itertools.permutations(PLACES, 2):
        assert refused(stored[source], target, same[target.owner]) == "ciphertext_refused"


def test_wraps_and_payloads_cannot_be_mixed() -> None:
    one, two = (envelope.seal(SecretValue(PLAIN), PLACE, KEY) for _ in range(2))
    assert refused(one[:69] + two[69:], PLACE, KEY) == "ciphertext_refused"


def test_every_flipped_bit_is_noticed() -> None:
    stored = envelope.seal(SecretValue(b"ab"), PLACE, KEY)
    for bit in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refused(bytes(flipped), PLACE, KEY), bit


def test_every_shortened_and_lengthened_envelope_is_noticed() -> None:
    stored = envelope.seal(SecretValue(b"ab"), PLACE, KEY)
    assert all(refused(stored[:length], PLACE, KEY) for length in range(len(stored)))
    assert refused(stored + b"\x00", PLACE, KEY)


def test_an_older_version_in_the_place_of_the_present_one_is_refused() -> None:
    older = envelope.seal(SecretValue(b"old"), PLACE, KEY)
    present = Place(PLACE.owner, PLACE.record, PLACE.field, 2)
    assert refused(older, present, KEY) == "ciphertext_refused"


@given(st.binary(max_size=200))
def test_anything_else_is_refused_and_nothing_breaks(stored: bytes) -> None:
    assert refused(stored, PLACE, KEY)


def test_an_unknown_format_or_algorithm_is_refused_by_name() -> None:
    stored = envelope.seal(SecretValue(PLAIN), PLACE, KEY)
    for position in (3, 4):
        other = stored[:position] + b"\x02" + stored[position + 1 :]
        assert refused(other, PLACE, KEY) == "envelope_format"


def test_the_key_of_another_owner_or_epoch_is_refused() -> None:
    stored = envelope.seal(SecretValue(PLAIN), PLACE, KEY)
    assert refused(stored, PLACE, KEYS[Owner("b"), 1]) == "envelope_key"
    assert refused(stored, PLACE, KEYS[Owner("a"), 2]) == "envelope_key"
    with pytest.raises(Stalled):
        envelope.seal(SecretValue(PLAIN), PLACE, KEYS[Owner("b"), 1])


def test_another_key_of_the_same_name_is_refused() -> None:
    stored = envelope.seal(SecretValue(PLAIN), PLACE, KEY)
    assert refused(stored, PLACE, OwnerKey(KEY.owner, KEY.epoch, aead.new_key())) == "ciphertext_refused"


def test_no_nonce_and_no_data_key_occurs_twice() -> None:
    """A collision among 2 × 20,000 random nonces of 96 bits has probability 10^-20."""
    stored = [envelope.seal(SecretValue(PLAIN), PLACE, KEY) for _ in range(20_000)]
    nonces = [part for one in stored for part in (one[9:21], one[69:81])]
    assert len(set(nonces)) == len(nonces)
    assert len({one[81:] for one in stored}) == len(stored)


@given(st.binary(max_size=64), st.sampled_from(PLACES))
def test_a_new_owner_key_leaves_payload_and_scope_as_they_are(plain: bytes, place: Place) -> None:
    old, new = KEYS[place.owner, 1], KEYS[place.owner, 2]
    before = envelope.seal(SecretValue(plain), place, old)
    after = envelope.rewrapped(before, place, old, new)
    assert after[69:] == before[69:]
    assert (envelope.epoch_of(before), envelope.epoch_of(after)) == (1, 2)
    assert scope(after, 2) == scope(before, 1) == {place}
    assert envelope.open_sealed(after, place, new).reveal() == plain


def scope(stored: bytes, epoch: int) -> set[Place]:
    """All places at which an envelope opens."""
    return {place for place in PLACES if not refused(stored, place, KEYS[place.owner, epoch])}


@settings(max_examples=20)
@given(st.sampled_from(PLACES), st.sampled_from(PLACES))
def test_a_rewrap_at_another_place_is_refused(place: Place, other: Place) -> None:
    stored = envelope.seal(SecretValue(PLAIN), place, KEYS[place.owner, 1])
    if place != other:
        with pytest.raises(Stalled):
            envelope.rewrapped(stored, other, KEYS[other.owner, 1], KEYS[other.owner, 2])


def test_a_rewrap_does_not_pass_on_a_damaged_payload() -> None:
    stored = envelope.seal(SecretValue(PLAIN), PLACE, KEY)
    with pytest.raises(Stalled):
        envelope.rewrapped(stored[:-1] + bytes((stored[-1] ^ 1,)), PLACE, KEY, KEYS[Owner("a"), 2])


def test_a_rewrap_to_the_key_of_another_owner_is_refused() -> None:
    stored = envelope.seal(SecretValue(PLAIN), PLACE, KEY)
    with pytest.raises(Stalled) as why:
        envelope.rewrapped(stored, PLACE, KEY, KEYS[Owner("b"), 2])
    assert why.value.code == "envelope_key"


def test_an_envelope_does_not_show_what_is_in_it() -> None:
    stored = envelope.seal(SecretValue(PLAIN), PLACE, KEY)
    assert PLAIN not in stored
    assert PLAIN.hex().encode() not in stored
    assert base64.b64encode(PLAIN) not in stored


def test_no_error_is_chained_to_one_of_the_library() -> None:
    with pytest.raises(Stalled) as why:
        envelope.open_sealed(envelope.seal(SecretValue(PLAIN), PLACE, KEY), PLACES[-1], KEYS[PLACES[-1].owner, 1])
    assert why.value.__context__ is None


def test_the_cipher_is_aes_256_gcm_as_published() -> None:
    """Test case 16 of McGrew and Viega, The Galois/Counter Mode of Operation, appendix B."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    binding = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    boxed = nonce + bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert aead.decrypt(SecretValue(key), boxed, binding).reveal() == plain
    assert nonce + AESGCM(key).encrypt(nonce, plain, binding) == boxed
