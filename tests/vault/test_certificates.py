"""The authority for agents: what it signs, whose certificates it takes, and what stands in its file."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from portreeve.errors import Denied, Invalid, Stalled
from portreeve.vault import agent_keys, certificates
from portreeve.vault.agent_keys import Asked, body_digest
from portreeve.vault.certificates import LIFE, Identity, authorities, trust_hash

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UID = "0a1b2c3d4e5f60718293"
ASKED = Asked("GET", "/agent/v1/desired?generation=4", body_digest(b""))
NONCE = b"n" * agent_keys.NONCE_BYTES


def test_a_certificate_says_what_it_was_issued_for() -> None:
    authority, key = certificates.generate(NOW), agent_keys.generate()
    made = authority.issue(agent_keys.request(key), Identity(UID, 7), NOW)
    assert authority.read(made.der) == made
    assert made.identity == Identity(UID, 7)
    assert made.identity.uri == f"portreeve://environment/{UID}/7"
    assert made.valid_at(NOW)
    assert not made.valid_at(NOW + LIFE)
    assert agent_keys.belongs(key, made.pem)
    assert not agent_keys.belongs(agent_keys.generate(), made.pem)
    assert agent_keys.validity(made.pem)[1] == NOW + LIFE


def test_another_authority_and_a_changed_certificate_are_refused() -> None:
    authority = certificates.generate(NOW)
    request = agent_keys.request(agent_keys.generate())
    foreign = certificates.generate(NOW).issue(request, Identity(UID, 1), NOW)
    own = bytearray(authority.issue(request, Identity(UID, 1), NOW).der)
    own[len(own) // 2] ^= 1
    for der in (foreign.der, bytes(own), b"", b"not one"):
        with pytest.raises(Denied, match="not made by this control plane"):
            authority.read(der)


def test_the_authoritys_own_certificate_is_no_agents() -> None:
    authority = certificates.generate(NOW)
    der = x509.load_pem_x509_certificate(authority.pem.encode()).public_bytes(serialization.Encoding.DER)
    with pytest.raises(Denied):
        authority.read(der)


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def damaged(request: str) -> str:
    """The request with another signature."""
    der = bytearray(x509.load_pem_x509_csr(request.encode()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE REQUEST-----\n"


def test_only_keys_of_p_256_are_certified() -> None:
    authority = certificates.generate(NOW)
    good = csr(ec.generate_private_key(ec.SECP256R1()))
    wrong = (
        csr(ec.generate_private_key(ec.SECP384R1())),
        csr(rsa.generate_private_key(65537, 2048)),
        damaged(good),
        good + " " * certificates.MAX_REQUEST_BYTES,
        "ü",
        "",
    )
    for request in wrong:
        with pytest.raises(Invalid, match="no certificate request"):
            authority.issue(request, Identity(UID, 1), NOW)
    authority.issue(good, Identity(UID, 1), NOW)


def test_the_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "agents.pem"
    first = certificates.from_file(file, NOW)
    assert file.stat().st_mode & 0o777 == 0o600
    again = certificates.from_file(file, NOW + timedelta(days=1))
    assert again.pem == first.pem
    made = first.issue(agent_keys.request(agent_keys.generate()), Identity(UID, 1), NOW)
    assert again.read(made.der) == made


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agents.pem"
    file.write_text("nothing")
    with pytest.raises(Invalid, match="holds no authority"):
        certificates.from_file(file, NOW)
    # A key, and a certificate of another one.
    one, other = certificates.generate(NOW), certificates.generate(NOW)
    file.write_bytes(one.key.reveal() + other.pem.encode())
    with pytest.raises(Invalid, match="holds no authority"):
        certificates.from_file(file, NOW)
    link = tmp_path / "link.pem"
    link.symlink_to(file)
    with pytest.raises(Stalled):
        certificates.from_file(link, NOW)


def test_the_key_is_shown_nowhere() -> None:
    authority = certificates.generate(NOW)
    assert "PRIVATE" not in repr(authority)


def test_a_request_is_signed_as_a_whole() -> None:
    authority, key = certificates.generate(NOW), agent_keys.generate()
    certificate = authority.issue(agent_keys.request(key), Identity(UID, 1), NOW)
    found = agent_keys.read(agent_keys.header(key, certificate.pem, ASKED, NOW, NONCE))
    assert found.certificate == certificate.der
    assert (found.time, found.nonce, found.digest) == (int(NOW.timestamp()), NONCE, hashlib.sha256().digest())
    assert certificate.signed(found.covers(ASKED), found.signature)
    others = (
        Asked("POST", ASKED.target, ASKED.digest),
        Asked("GET", "/agent/v1/desired?generation=5", ASKED.digest),
        Asked("GET", ASKED.target, body_digest(b"x")),
    )
    for other in others:
        assert not certificate.signed(found.covers(other), found.signature)


@pytest.mark.parametrize("value", ["", "1", "1.a.b.c.d.e", "2.AA==.1.AA==.AA==.AA==", "1." + "A" * 9000, "1.ü.1.1.1.1"])
def test_a_header_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        agent_keys.read(value)


def test_what_is_pinned_are_the_certificates_and_not_the_text() -> None:
    one, other = certificates.generate(NOW).pem, certificates.generate(NOW).pem
    assert trust_hash(one) == trust_hash(f"a comment\n{one}\n\n")
    assert trust_hash(one + other) != trust_hash(other + one)
    assert authorities(one) == one
    assert authorities(one + other) == other
    with pytest.raises(Invalid, match="no certificate"):
        trust_hash("")
