"""Key check values: a wrong or missing master key refuses to start, before anything is written with it.

A check value is a constant that a master key has wrapped. One is stored for each master key when it is first used, and
read at every start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.vault.binding import encoded
from portreeve.vault.ports import MasterKey, MasterKeys

_CONSTANT: Final = b"portreeve.io/key-check/v1"


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What is stored for a master key."""

    key_id: str
    value: bytes


def make(key: MasterKey) -> KeyCheck:
    """The check value of `key`, another one each time."""
    return KeyCheck(key.key_id, key.wrap(SecretValue(_CONSTANT), context=_context(key.key_id)))


def verify(keys: MasterKeys, checks: Iterable[KeyCheck], in_use: Iterable[str]) -> None:
    """See that each key id that stored values need is configured, and is that very key.

    Args:
        in_use: key ids of all stored values; empty on the first start.
    Raises:
        Stalled: a key is missing, is another one, or was never checked; do not start.
    """
    stored = {check.key_id: check for check in checks}
    known_current = {keys.current.key_id} & set(stored)
    for key_id in sorted({*in_use, *known_current}):
        key = keys.named(key_id)
        if key_id not in stored:
            raise Stalled(
                "key_check_missing",
                f"stored values name the master key {key_id}, which has no check value",
                hint="the database is damaged or was put together by hand; restore a backup",
            )
        _open(key, stored[key_id])


def _open(key: MasterKey, check: KeyCheck) -> None:
    try:
        found = key.unwrap(check.value, context=_context(check.key_id))
    except Stalled as error:
        if error.code != "ciphertext_refused":
            raise  # A key service says what is wrong: the key is disabled, or its address is that of something else.
        found = SecretValue(b"")
    if not found.equals_in_constant_time(SecretValue(_CONSTANT)):
        raise Stalled(
            "master_key_wrong",
            f"the master key configured as {check.key_id} is not the one that stored values were wrapped with",
            hint="configure the right key; nothing was changed",
        )


def _context(key_id: str) -> bytes:
    return encoded("key check", key_id)
