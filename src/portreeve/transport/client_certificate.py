"""A certificate of ours, shown to a server that asks for one.

Source: RFC 8446 section 4.4.2.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid


@dataclass(frozen=True, slots=True, eq=False)
class ClientCertificate:
    """Who we are in TLS: a certificate with what stands between it and its authority, and its key, both as PEM."""

    chain: str
    key: SecretValue


def show(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Have the context show a certificate. The password keeps OpenSSL from asking for one at a terminal."""
    data = certificate.chain.encode() + b"\n" + certificate.key.reveal()
    with suppress(ssl.SSLError, ValueError, OSError), _as_file(data) as path:
        context.load_cert_chain(path, password="")
        return
    raise Invalid(
        "client_certificate",
        "a client certificate and its key do not belong together, or are not PEM",
        hint="give both as PEM, the key without a password",
    )


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path to the bytes while they are read: OpenSSL's binding takes nothing else. In memory where there is a way."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile() as kept:  # mode 0600, gone at the end of the block
        kept.write(data)
        kept.flush()
        yield kept.name
