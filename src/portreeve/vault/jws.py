"""RS256: the signature of a JWT that a service account's key makes.

Left out: everything around the signature (header, claims, encoding), which whoever asks for a token knows, and
verifying, which nobody here needs.
Sources: RFC 7518, 3.3 (RSASSA-PKCS1-v1_5 with SHA-256); RFC 8017, 8.2.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid

MIN_BITS = 2048
"""Of a key. Source: RFC 7518, 3.3."""

MAX_BITS = 8192
"""Of a key: a larger one takes seconds for each signature."""


def sign_rs256(pem: SecretValue, message: bytes) -> bytes:
    """The signature over a message with an RSA key in PEM, without a passphrase.

    Raises:
        Invalid: `signing_pem`: it is no such key, or one of a size that is not used.
    """
    try:
        key = load_pem_private_key(pem.reveal(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        key = None
    # Raised here and not above: the library's own error may show what it could not read.
    if not isinstance(key, RSAPrivateKey) or not MIN_BITS <= key.key_size <= MAX_BITS:
        hint = "store the private key as it was given, an RSA key of 2048 bits or more in PEM"
        raise Invalid("signing_pem", "what should sign is no RSA key in PEM", hint=hint)
    return key.sign(message, PKCS1v15(), SHA256())
