"""The control plane's own authority for agents: short-lived client certificates for keys that agents made themselves.

Theory of operation
-------------------
The authority signs nothing but agents, and nobody else's certificates count: it is not the one that the control plane
shows itself with. A certificate names an environment by its uid and carries a counter, as one URI in its subject
alternative name:

    portreeve://environment/<uid>/<counter>

Nothing is taken from the request but its public key. Each renewal is the next counter for another key, so two holders
of one certificate part ways at the next renewal, and that is seen (`core.agent_identity`).

Left out: revocation lists. Whoever reads a certificate asks the database whether it still counts.

Sources: RFC 5280, sections 4.2.1 (extensions) and 4.2.1.6 (URI names); RFC 2986 (requests); threats AG-02 and AG-05.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, Stalled

LIFE: Final = timedelta(hours=24)
"""Of an agent's certificate. Source: the design's mission, "Agent identity"."""

SKEW: Final = timedelta(minutes=5)
"""How far clocks of replicas and agents may be apart; a certificate is valid from so much before it was made."""

AUTHORITY_LIFE: Final = timedelta(days=3650)
"""It is trusted by nobody but this control plane, which reads its file at each start."""

MAX_REQUEST_BYTES: Final = 4096
"""Of a certificate request in PEM; one for P-256 has about 400."""

_MAX_FILE_BYTES: Final = 16_384
_NAME: Final = re.compile(r"portreeve://environment/([0-9A-Za-z-]{1,64})/(0|[1-9][0-9]{0,15})")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which environment's agent, by the environment's uid, and its how manieth certificate."""

    environment: str
    counter: int

    @property
    def uri(self) -> str:
        """As it stands in a certificate."""
        return f"portreeve://environment/{self.environment}/{self.counter}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate of ours says. `key` is the SHA-256 of its public key (SubjectPublicKeyInfo, DER)."""

    identity: Identity
    key: bytes
    not_before: datetime
    not_after: datetime
    der: bytes

    @property
    def pem(self) -> str:
        """For whoever stores or sends it as text."""
        return x509.load_der_x509_certificate(self.der).public_bytes(serialization.Encoding.PEM).decode("ascii")

    def valid_at(self, now: datetime) -> bool:
        """Whether it has begun and not ended."""
        return self.not_before <= now < self.not_after

    def signed(self, data: bytes, signature: bytes) -> bool:
        """Whether its key made this signature (ECDSA, SHA-256)."""
        public = x509.load_der_x509_certificate(self.der).public_key()
        try:
            assert isinstance(public, ec.EllipticCurvePublicKey), "read() took no other"
            public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Authority:
    """The authority with its key. `pem` is its own certificate, which is no secret."""

    key: SecretValue
    pem: str

    def issue(self, request: str, identity: Identity, now: datetime) -> Certificate:
        """A certificate for the key of this request. What else the request says counts for nothing.

        Raises:
            Invalid: `certificate_request`.
        """
        public = requested_key(request)
        authority = self._certificate()
        made = (
            x509.CertificateBuilder()
            .subject_name(_named("Portreeve agent"))
            .issuer_name(authority.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(now + LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(_issuer_of(authority), critical=False)
            .sign(_private(self.key), hashes.SHA256())
        )
        return _read(made)

    def read(self, der: bytes) -> Certificate:
        """What a certificate says, if this authority made it. Whether it is valid now is another question.

        Raises:
            Denied: `agent_certificate`: it is none of ours.
        """
        try:
            found = x509.load_der_x509_certificate(der)
            found.verify_directly_issued_by(self._certificate())
            return _read(found)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
            pass
        raise Denied("agent_certificate", "a certificate was not made by this control plane, or not for an agent")

    def _certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.pem.encode("ascii"))


def from_file(path: Path, now: datetime) -> Authority:
    """The authority in a file, key and certificate in PEM; a new one is made where there is none, for its owner alone.

    Raises:
        Invalid: `agent_authority`: the file holds none. Stalled: it can be neither read nor made.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _created(path, now)
    except OSError as error:
        raise _unusable(path, error) from None
    with os.fdopen(descriptor, "rb") as file:
        return _parsed(file.read(_MAX_FILE_BYTES), path)


def generate(now: datetime) -> Authority:
    """A new authority with a random key."""
    key = ec.generate_private_key(ec.SECP256R1())
    # Two authorities with one name would be taken for each other by whoever looks by name alone.
    name = _named(f"Portreeve agents {secrets.token_hex(4)}")
    public = key.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Authority(SecretValue(pem), made.public_bytes(serialization.Encoding.PEM).decode("ascii"))


def requested_key(request: str) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate request, whose sender has proven to hold the private one.

    Raises:
        Invalid: `certificate_request`: it is none, or its key is not of P-256.
    """
    try:
        if len(request) <= MAX_REQUEST_BYTES:
            read = x509.load_pem_x509_csr(request.encode("ascii"))
            public = read.public_key()
            if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
                proven = read.is_signature_valid
                if proven:
                    return public
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    raise Invalid(
        "certificate_request",
        "this is no certificate request for a key of P-256 with its own signature",
        hint="let the agent make its key and its request itself",
    )


def key_of_request(request: str) -> bytes:
    """The SHA-256 of a request's public key, as `Certificate.key` has it.

    Raises:
        Invalid: `certificate_request`.
    """
    return _key_hash(requested_key(request))


def trust_hash(text: str) -> bytes:
    """What a join token pins: the SHA-256 of a bundle of certificates, whatever stands between them.

    Raises:
        Invalid: `trust_bundle`: it holds no certificate.
    """
    digest = hashlib.sha256(b"portreeve.io/trust\x00")
    for one in _bundle(text):
        digest.update(hashlib.sha256(one.public_bytes(serialization.Encoding.DER)).digest())
    return digest.digest()


def authorities(chain: str) -> str:
    """Of the certificates that a server shows, those behind its own; its own where it shows no other.

    Raises:
        Invalid: `trust_bundle`.
    """
    found = _bundle(chain)
    return _pem(found[1:] or found)


def bundle(text: str) -> str:
    """The certificates in a text, and nothing else that stands there, such as a key.

    Raises:
        Invalid: `trust_bundle`.
    """
    return _pem(_bundle(text))


def _bundle(text: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text.encode("ascii", "replace"))
    except ValueError:
        found = []
    if not found:
        raise Invalid("trust_bundle", "the bundle holds no certificate", hint="give certificates in PEM")
    return found


def _pem(found: list[x509.Certificate]) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode("ascii") for one in found)


def _read(found: x509.Certificate) -> Certificate:
    """Raises ValueError or ExtensionNotFound for what is no agent's."""
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    public = found.public_key()
    written = [str(one.value) for one in names]
    match = _NAME.fullmatch(written[0]) if len(written) == 1 else None
    if match is None or list(usage) != [ExtendedKeyUsageOID.CLIENT_AUTH]:
        raise ValueError("no agent's")
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError("no agent's key")
    return Certificate(
        Identity(match[1], int(match[2])),
        _key_hash(public),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        found.public_bytes(serialization.Encoding.DER),
    )


def _key_hash(public: ec.EllipticCurvePublicKey) -> bytes:
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()


def _parsed(data: bytes, path: Path) -> Authority:
    try:
        key = serialization.load_pem_private_key(data, password=None)
        certificate = x509.load_pem_x509_certificate(data)
        same = isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        same = False
    if not same:
        raise Invalid("agent_authority", f"{path} holds no authority", hint="restore it, or enrol all agents anew")
    return Authority(SecretValue(data), certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"))


def _created(path: Path, now: datetime) -> Authority:
    made = generate(now)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(made.key.reveal() + made.pem.encode("ascii"))
        file.flush()
        os.fsync(descriptor)
    return made


def _private(key: SecretValue) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(key.reveal(), password=None)
    assert isinstance(found, ec.EllipticCurvePrivateKey), "from_file and generate make no other"
    return found


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer_of(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    held = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(held)


def _unusable(path: Path, error: OSError) -> Stalled:
    return Stalled(
        "agent_authority_file", f"the agents' authority {path} cannot be used: {error.strerror}", hint="see its mode"
    )
