"""A wrong or missing master key refuses to start."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.vault import aead, key_check
from portreeve.vault.key_check import KeyCheck
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKeys


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A key whose id does not follow from it, as with a key management service."""

    key_id: str
    key: LocalMasterKey

    def wrap(self, key: SecretValue, *, context: bytes) -> bytes:
        return self.key.wrap(key, context=context)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
        return self.key.unwrap(wrapped, context=context)


A, B = LocalMasterKey(aead.new_key()), LocalMasterKey(aead.new_key())
CHECK_A, CHECK_B = key_check.make(A), key_check.make(B)


def code(keys: MasterKeys, checks: list[KeyCheck], in_use: list[str]) -> str:
    with pytest.raises(Stalled) as why:
        key_check.verify(keys, checks, in_use)
    return why.value.code


def test_the_first_start_has_nothing_to_check() -> None:
    key_check.verify(MasterKeys(A), [], [])


def test_the_right_keys_start() -> None:
    key_check.verify(MasterKeys(A), [CHECK_A], [A.key_id])
    key_check.verify(MasterKeys(B, (A,)), [CHECK_A, CHECK_B], [A.key_id, B.key_id])
    key_check.verify(MasterKeys(B, (A,)), [CHECK_A], [A.key_id])


def test_a_key_that_nothing_needs_any_more_may_be_gone() -> None:
    key_check.verify(MasterKeys(B), [CHECK_A, CHECK_B], [B.key_id])


def test_a_missing_key_refuses() -> None:
    assert code(MasterKeys(B), [CHECK_A], [A.key_id]) == "master_key_missing"
    assert code(MasterKeys(B), [CHECK_A, CHECK_B], [A.key_id, B.key_id]) == "master_key_missing"


def test_another_key_of_the_same_name_refuses() -> None:
    right, wrong = Named("kms/1", A), Named("kms/1", B)
    check = key_check.make(right)
    key_check.verify(MasterKeys(right), [check], ["kms/1"])
    assert code(MasterKeys(wrong), [check], ["kms/1"]) == "master_key_wrong"
    assert code(MasterKeys(wrong), [check], []) == "master_key_wrong"


def test_a_check_value_of_another_key_or_a_changed_one_refuses() -> None:
    assert code(MasterKeys(A), [KeyCheck(A.key_id, CHECK_B.value)], [A.key_id]) == "master_key_wrong"
    assert code(MasterKeys(A), [KeyCheck(A.key_id, CHECK_A.value[:-1])], [A.key_id]) == "master_key_wrong"
    swapped = A.wrap(SecretValue(b"another constant"), context=b"")
    assert code(MasterKeys(A), [KeyCheck(A.key_id, swapped)], [A.key_id]) == "master_key_wrong"


def test_a_key_in_use_without_a_check_value_refuses() -> None:
    assert code(MasterKeys(A), [], [A.key_id]) == "key_check_missing"
