"""TLS as one registry is trusted, and why it failed.

Sources: RFC 8446; OpenSSL, X509_STORE_CTX_get_error(3) for the numbers.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from enum import StrEnum
from typing import Final

from portreeve.errors import Invalid, Unavailable
from portreeve.transport.trust import Trust


class TlsCause(StrEnum):
    """What was wrong with the server's side of TLS."""

    UNKNOWN_AUTHORITY = "unknown_authority"
    WRONG_NAME = "wrong_name"
    EXPIRED = "expired"
    NOT_TLS = "not_tls"
    HANDSHAKE = "handshake"


class TlsUntrusted(Unavailable):
    """`tls_untrusted`: there is a server, and no trusted connection to it."""

    def __init__(self, where: str, cause: TlsCause) -> None:
        what, hint = _TEXTS[cause]
        super().__init__("tls_untrusted", f"{where} {what}", hint=hint)
        self.cause = cause


_TEXTS: Final = {
    TlsCause.UNKNOWN_AUTHORITY: (
        "shows a certificate of an authority that is not trusted",
        "give the registry's own authority as its CA bundle",
    ),
    TlsCause.WRONG_NAME: (
        "shows a certificate for another name",
        "use the name that the certificate is for, or have one issued for this name",
    ),
    TlsCause.EXPIRED: (
        "shows a certificate that is not valid now",
        "have it renewed; see that this machine's clock is right",
    ),
    TlsCause.NOT_TLS: ("does not speak TLS", "see that the port is that of https"),
    TlsCause.HANDSHAKE: ("ended the TLS handshake", "see which versions, and which client certificate, it asks for"),
}

_CAUSES: Final = {
    9: TlsCause.EXPIRED,  # not yet valid
    10: TlsCause.EXPIRED,
    62: TlsCause.WRONG_NAME,  # host name
    64: TlsCause.WRONG_NAME,  # IP address
}

_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "RECORD_LAYER_FAILURE"})


def cause_of(error: OSError) -> TlsCause:
    """Why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CAUSES.get(error.verify_code, TlsCause.UNKNOWN_AUTHORITY)
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        return TlsCause.NOT_TLS
    return TlsCause.HANDSHAKE


def context(trust: Trust) -> ssl.SSLContext:
    """TLS for the registry itself: the authorities of its bundle and no others, or those of this machine.

    Raises:
        Invalid: `ca_bundle`: there is no certificate in it.
    """
    made = _plain_context()
    if trust.ca_bundle:
        load(made, trust.ca_bundle)
    else:
        made.load_default_certs()
    if trust.insecure_skip_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def context_elsewhere(trust: Trust) -> ssl.SSLContext:
    """TLS for the other hosts that a registry names (its realm, its object store), which are verified always.

    They may have certificates of the registry's own authority, or, as public object stores do, of a public one.
    """
    made = _plain_context()
    made.load_default_certs()
    if trust.ca_bundle:
        load(made, trust.ca_bundle)
    return made


def _plain_context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def load(made: ssl.SSLContext, bundle: str) -> None:
    """Trust the certificates of a bundle, besides those that the context trusts already.

    Raises:
        Invalid: `ca_bundle`.
    """
    before = made.cert_store_stats()["x509"]
    with suppress(ssl.SSLError, ValueError):
        made.load_verify_locations(cadata=bundle)
        if made.cert_store_stats()["x509"] > before or before:
            return
    raise Invalid("ca_bundle", "the CA bundle holds no certificate", hint="give the authority's certificates as PEM")
