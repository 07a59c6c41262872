"""Random tokens, and what is stored of them: their hash.

A token has 256 random bits, so its plain SHA-256 can be neither guessed nor searched; a slow hash would add nothing.
API tokens begin with a prefix for leak scanners and end in a checksum, so that a scanner tells one from a look-alike
without asking us.

Sources: OWASP ASVS 5.0, 11.4; the form is that of "Behind GitHub's new authentication token formats".
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from typing import Final

from portreeve.core.secret import SecretValue

API_PREFIX: Final = "prt_"
_RANDOM_BYTES: Final = 32
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_DIGITS: Final = 43
_CHECK_DIGITS: Final = 6


def new_token() -> SecretValue:
    """A token for a session or a one-time link."""
    return SecretValue(secrets.token_urlsafe(_RANDOM_BYTES))


def new_api_token() -> SecretValue:
    """An API token."""
    body = _base62(int.from_bytes(secrets.token_bytes(_RANDOM_BYTES)), _BODY_DIGITS)
    return SecretValue(f"{API_PREFIX}{body}{_check(body)}")


def looks_like_api_token(text: str) -> bool:
    """Whether the text can be one of ours; whatever else is not looked up."""
    body, check = text[len(API_PREFIX) : -_CHECK_DIGITS], text[-_CHECK_DIGITS:]
    return text.startswith(API_PREFIX) and len(body) == _BODY_DIGITS and body.isascii() and check == _check(body)


def digest(token: SecretValue | str) -> bytes:
    """What is stored and looked up."""
    plain = token.reveal() if isinstance(token, SecretValue) else token.encode(errors="surrogatepass")
    return hashlib.sha256(b"portreeve.io/token\x00" + plain).digest()


def _check(body: str) -> str:
    return _base62(zlib.crc32(body.encode(errors="replace")), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    found = []
    for _ in range(digits):
        number, digit = divmod(number, 62)
        found.append(_DIGITS[digit])
    return "".join(reversed(found))
