"""One key for each owner, bound to owner, epoch and master key; destroying it destroys all that it protected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled
from portreeve.vault import aead, envelope, owner_keys
from portreeve.vault.binding import Owner, Place
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.owner_keys import DestroyedOwnerKey, WrappedOwnerKey
from portreeve.vault.ports import MasterKeys

OLD, NEW = LocalMasterKey(aead.new_key()), LocalMasterKey(aead.new_key())
MASTERS = MasterKeys(OLD)
OWNER = Owner("a")


def made(owner: Owner = OWNER) -> WrappedOwnerKey:
    return owner_keys.create(owner, [], OLD)


def test_a_key_is_random_and_comes_back() -> None:
    one, two = made(), made()
    assert not owner_keys.unwrap(one, MASTERS).key.equals_in_constant_time(owner_keys.unwrap(two, MASTERS).key)
    again = owner_keys.unwrap(one, MASTERS).key
    assert again.equals_in_constant_time(owner_keys.unwrap(one, MASTERS).key)


@pytest.mark.parametrize(
    "changed",
    [
        lambda stored: replace(stored, owner=Owner("b")),
        lambda stored: replace(stored, owner=Owner()),
        lambda stored: replace(stored, epoch=2),
        lambda stored: replace(stored, wrapped=made(Owner("b")).wrapped),
        lambda stored: replace(stored, wrapped=stored.wrapped[:-1]),
        lambda stored: replace(stored, wrapped=b""),
    ],
)
def test_a_changed_record_is_refused(changed: object) -> None:
    assert callable(changed)
    with pytest.raises(Stalled) as why:
        owner_keys.unwrap(changed(made()), MASTERS)
    assert why.value.code == "ciphertext_refused"


def test_the_id_of_the_master_key_is_bound() -> None:
    """A record that names another master key opens under neither."""
    masters = MasterKeys(OLD, (NEW,))
    with pytest.raises(Stalled):
        owner_keys.unwrap(replace(made(), master_key_id=NEW.key_id), masters)


def test_every_flipped_bit_of_a_wrapped_key_is_noticed() -> None:
    stored = made()
    for bit in range(len(stored.wrapped) * 8):
        flipped = bytearray(stored.wrapped)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Stalled):
            owner_keys.unwrap(replace(stored, wrapped=bytes(flipped)), MASTERS)


def test_epochs_go_up_and_are_never_used_twice() -> None:
    first = made()
    past: list[owner_keys.StoredOwnerKey] = [
        owner_keys.destroyed(first),
        owner_keys.create(Owner("b"), [replace(first, epoch=7)], OLD),
    ]
    assert first.epoch == 1
    assert owner_keys.create(OWNER, past, OLD).epoch == 2
    assert owner_keys.create(Owner("c"), past, OLD).epoch == 1


def test_a_new_master_key_changes_neither_key_nor_scope() -> None:
    before = made()
    after = owner_keys.rewrapped(before, MasterKeys(NEW, (OLD,)))
    assert (after.owner, after.epoch, after.master_key_id) == (before.owner, before.epoch, NEW.key_id)
    alone = owner_keys.unwrap(after, MasterKeys(NEW))
    assert alone.key.equals_in_constant_time(owner_keys.unwrap(before, MASTERS).key)


def test_a_missing_master_key_is_named() -> None:
    with pytest.raises(Stalled) as why:
        owner_keys.unwrap(made(), MasterKeys(NEW))
    assert why.value.code == "master_key_missing"
    assert OLD.key_id in why.value.message
    assert NEW.key_id in why.value.message


def test_a_master_key_is_configured_once() -> None:
    with pytest.raises(Invalid) as why:
        MasterKeys(OLD, (LocalMasterKey(OLD.key),))
    assert why.value.code == "master_key_twice"


def test_destroying_a_key_erases_all_that_it_protected_and_nothing_else() -> None:
    mine, other = made(), made(Owner("b"))
    place, elsewhere = Place(OWNER, "r", "password", 1), Place(Owner("b"), "r", "password", 1)
    stored = envelope.seal(SecretValue("x"), place, owner_keys.unwrap(mine, MASTERS))
    kept = envelope.seal(SecretValue("y"), elsewhere, owner_keys.unwrap(other, MASTERS))
    left = owner_keys.destroyed(mine)
    with pytest.raises(Stalled) as why:
        owner_keys.unwrap(left, MASTERS)
    assert why.value.code == "owner_key_destroyed"
    assert left == DestroyedOwnerKey(OWNER, 1)
    assert envelope.open_sealed(kept, elsewhere, owner_keys.unwrap(other, MASTERS)).reveal() == b"y"
    again = owner_keys.unwrap(owner_keys.create(OWNER, [left], OLD), MASTERS)
    with pytest.raises(Stalled):
        envelope.open_sealed(stored, place, again)


def test_no_representation_holds_a_key() -> None:
    stored = made()
    key = owner_keys.unwrap(stored, MASTERS)
    shown = repr(key) + repr(OLD) + repr(MASTERS) + str(key.key)
    for secret in (key.key, OLD.key):
        assert secret.reveal().hex() not in shown
        assert repr(secret.reveal())[2:-1] not in shown
