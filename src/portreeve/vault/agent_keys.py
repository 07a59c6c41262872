"""An agent's own key: made where it runs, never sent; its request for a certificate, and its signature on a request.

A request to the channel is signed so that a proxy that ends TLS can pass it on and can change nothing of it. What is
signed is method, target with query, the digest of the body, the time and a random number, each with its length in front
(`binding.encoded`), so that nothing of one can be read as a part of another.

Sources: RFC 2986; FIPS 186-5 (ECDSA with P-256); the design's mission, "Agent identity".
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid
from portreeve.vault.binding import encoded

HEADER: Final = "Portreeve-Assertion"
MAX_HEADER: Final = 8192
NONCE_BYTES: Final = 16
_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is signed. `target` is path and query as they are sent; `digest` is the SHA-256 of the body."""

    method: str
    target: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Assertion:
    """Who says that they sent a request, and when. Nothing is proven before `Certificate.signed` says so."""

    certificate: bytes
    time: int
    nonce: bytes
    digest: bytes
    signature: bytes

    def covers(self, asked: Asked) -> bytes:
        """The bytes that the signature is over."""
        return _signed(asked, self.time, self.nonce)


def body_digest(body: bytes) -> bytes:
    """As `Asked.digest`."""
    return hashlib.sha256(body).digest()


def generate() -> SecretValue:
    """A new key: PKCS #8 in PEM."""
    return SecretValue(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def request(key: SecretValue) -> str:
    """A request for a certificate, in PEM.

    Raises:
        Invalid: `agent_key`: it is no key of an agent.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Portreeve agent")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(_private(key), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii")


def validity(certificate: str) -> tuple[datetime, datetime]:
    """From when until when a certificate (PEM) is valid.

    Raises:
        Invalid: `agent_key`: it is none.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.encode("ascii", "replace"))
    except ValueError:
        raise _no_key() from None
    return found.not_valid_before_utc, found.not_valid_after_utc


def belongs(key: SecretValue, certificate: str) -> bool:
    """Whether a certificate (PEM) is for this key."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode("ascii", "replace"))
    except ValueError:
        return False
    return found.public_key() == _private(key).public_key()


def header(key: SecretValue, certificate: str, asked: Asked, now: datetime, nonce: bytes) -> str:
    """The value of `HEADER` for one request.

    Raises:
        Invalid: `agent_key`.
    """
    at = int(now.timestamp())
    signature = _private(key).sign(_signed(asked, at, nonce), ec.ECDSA(hashes.SHA256()))
    der = x509.load_pem_x509_certificate(certificate.encode("ascii")).public_bytes(serialization.Encoding.DER)
    return ".".join((_VERSION, _text(der), str(at), _text(nonce), _text(asked.digest), _text(signature)))


def read(value: str) -> Assertion:
    """What a header says; proven is nothing yet.

    Raises:
        Invalid: `agent_assertion`: it does not have the form.
    """
    parts = value.split(".") if len(value) <= MAX_HEADER else []
    try:
        version, certificate, at, nonce, digest, signature = parts
        found = Assertion(_bytes(certificate), int(at), _bytes(nonce), _bytes(digest), _bytes(signature))
        if version == _VERSION and at.isascii() and at.isdigit() and len(at) <= 12 and len(found.nonce) == NONCE_BYTES:
            return found
    except ValueError:
        pass
    raise Invalid("agent_assertion", f"the header {HEADER} cannot be read")


def _signed(asked: Asked, at: int, nonce: bytes) -> bytes:
    return encoded("agent request", asked.method, asked.target, asked.digest, at, nonce)


def _private(key: SecretValue) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(key.reveal(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_key() from None
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise _no_key()
    return found


def _no_key() -> Invalid:
    return Invalid("agent_key", "this is no key or certificate of an agent", hint="enrol the agent anew")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, altchars=b"-_", validate=True)
