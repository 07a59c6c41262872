"""Passwords: what is accepted, and argon2id in threads of its own.

A hash takes 64 MiB and a tenth of a second, so only `AT_ONCE` are worked on and only `MOST_WAITING` wait. Who has no
password, or is not there at all, costs the same work: a hash that fits no password is verified in their place. What
was hashed with other parameters differs in work until its next sign-in, at which it is hashed anew.

Sources: RFC 9106, section 4 (the second recommended option); NIST SP 800-63B-4, section 3.1.1.2 (length, no rules of
composition); OWASP ASVS 5.0, 6.2 and 11.4.2; threat API-11.
"""

from __future__ import annotations

import asyncio
import base64
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Problem, Throttled

MIN_CHARACTERS: Final = 12
MAX_BYTES: Final = 1024
"""In UTF-8. Long enough for any sentence, and short enough to cost nothing."""
AT_ONCE: Final = 2
"""Hashes at a time: 128 MiB, and never more than two cores that other requests miss."""
MOST_WAITING: Final = 32
"""About two seconds of work; who comes then is asked to come again."""

Found = TypeVar("Found")


class TooBusy(Throttled):
    """More sign-ins at once than are worked on."""

    retry_after_s = 5


def prepared(password: SecretValue) -> bytes:
    """A password as it is hashed: the same text typed on two keyboards is one (RFC 8265, section 4.2: NFC)."""
    return unicodedata.normalize("NFC", password.reveal().decode()).encode()


def refuse_too_long(password: SecretValue, field: str = "password") -> None:
    """See that it costs no more than it may.

    Raises:
        Invalid: `password_unsuitable`.
    """
    if len(password.reveal()) > MAX_BYTES:
        raise _unsuitable(f"is longer than {MAX_BYTES} bytes", field)


def refuse_unsuitable(password: SecretValue, user: str) -> None:
    """See that a new password can be one of this user's.

    Raises:
        Invalid: `password_unsuitable`; what was sent is not repeated.
    """
    refuse_too_long(password)
    text = prepared(password).decode()
    if len(text) < MIN_CHARACTERS:
        raise _unsuitable(f"is shorter than {MIN_CHARACTERS} characters")
    if len(text.casefold().replace(user.casefold(), "")) < MIN_CHARACTERS:
        raise _unsuitable(f"has fewer than {MIN_CHARACTERS} characters besides the user's name")


def _unsuitable(what: str, field: str = "password") -> Invalid:
    hint = "take a sentence, or let a password manager make one; there are no rules on which characters"
    problem = Problem("password_unsuitable", what, field)
    return Invalid("password_unsuitable", f"the {field} {what}", hint=hint, problems=(problem,))


class Passwords:
    """Hashes and verifies, each at most `AT_ONCE` times at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys = _fits_nothing(self._hasher)

    async def hashed(self, password: SecretValue) -> str:
        """What is stored of it.

        Raises:
            TooBusy: `sign_in_busy`.
        """
        return await self._run(lambda: self._hasher.hash(prepared(password)))

    async def verified(self, stored: str | None, password: SecretValue) -> bool:
        """Whether it is the one that was stored; None, that nothing was, is the same work and never right.

        Raises:
            TooBusy: `sign_in_busy`.
        """
        return await self._run(lambda: self._verify(stored, password))

    def outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: SecretValue) -> bool:
        try:
            right = self._hasher.verify(self._nobodys if stored is None else stored, prepared(password))
        except (VerificationError, InvalidHashError):
            return False
        return right and stored is not None

    async def _run(self, work: Callable[[], Found]) -> Found:
        if self._waiting >= AT_ONCE + MOST_WAITING:
            raise TooBusy("sign_in_busy", "too many people sign in at this moment", hint="try again in some seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _fits_nothing(hasher: PasswordHasher) -> str:
    """A hash with this hasher's parameters that no known password has."""
    salt, random = (
        base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${random}"
