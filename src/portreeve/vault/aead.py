"""AES-256-GCM with a random nonce in front: the one place that calls the cipher.

A nonce is 96 random bits, so one key serves at most 2^32 encryptions (NIST SP 800-38D section 8.3). Data keys encrypt
once; owner keys wrap one data key for each stored version; the master key wraps one owner key for each owner and epoch.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = NONCE_BYTES + TAG_BYTES


def new_key() -> SecretValue:
    """A fresh key from the operating system."""
    return SecretValue(AESGCM.generate_key(KEY_BYTES * 8))


def encrypt(key: SecretValue, plain: SecretValue, binding: bytes) -> bytes:
    """Nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key.reveal()).encrypt(nonce, plain.reveal(), binding)


def decrypt(key: SecretValue, boxed: bytes, binding: bytes) -> SecretValue:
    """What was encrypted.

    Raises:
        Stalled: other key, other binding, or changed bytes; which of them cannot be told.
    """
    if len(boxed) >= OVERHEAD_BYTES:
        try:
            return SecretValue(AESGCM(key.reveal()).decrypt(boxed[:NONCE_BYTES], boxed[NONCE_BYTES:], binding))
        except InvalidTag:
            pass
    raise Stalled(
        "ciphertext_refused",
        "a stored value was changed, moved or replaced by an older one, or belongs to another key",
        hint="restore the record from a backup, or store the credential again",
    )
