"""How far we get on the way to a registry, stage by stage, so that a person sees which one fails.

Each stage stands alone and does again what those before it did; none sends a request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from portreeve.transport import tls
from portreeve.transport.address_rules import AddressRules, IpAddress
from portreeve.transport.budget import Budget
from portreeve.transport.guarded import CONNECT_S, GuardedStream, Resolver, admitted, connected, resolve_here
from portreeve.transport.trust import Trust


@dataclass(frozen=True, slots=True)
class Leaf:
    """The server's own certificate. Subject, issuer and end are "" and None where it was not verified.

    `not_after` is UTC. `sha256` is the digest of the certificate in lower-case hex.
    """

    subject: str
    issuer: str
    not_after: datetime | None
    sha256: str


async def resolve(
    host: str, port: int, rules: AddressRules, *, resolver: Resolver = resolve_here
) -> tuple[IpAddress, ...]:
    """The addresses of a host (IPv6 without brackets), all of them admitted.

    Raises:
        Invalid: `address_refused`. Unavailable: `name_unknown_host`, `no_answer`.
    """
    return await admitted(host, port, rules, resolver)


async def connect(
    host: str, port: int, rules: AddressRules, *, resolver: Resolver = resolve_here, timeout_s: float = CONNECT_S
) -> IpAddress:
    """The address that took a connection.

    Raises:
        As `resolve`. Unavailable: `connection_refused`, `no_answer`.
    """
    addresses = await admitted(host, port, rules, resolver)
    made = await connected(addresses, port, where=f"{host}:{port}", timeout_s=timeout_s)
    peer = made.getpeername()[0]
    made.close()
    return next((address for address in addresses if str(address) == peer), addresses[0])


async def tls_chain(
    host: str, port: int, trust: Trust, rules: AddressRules, *, resolver: Resolver = resolve_here
) -> Leaf:
    """The certificate that a host shows, trusted as its registry is.

    Raises:
        As `connect`. TlsUntrusted: `tls_untrusted`, with its `cause`. Invalid: `ca_bundle`.
    """
    context = tls.context(trust)
    addresses = await admitted(host, port, rules, resolver)
    made = await connected(addresses, port, where=f"{host}:{port}", timeout_s=CONNECT_S)
    stream = GuardedStream(made, f"{host}:{port}", Budget())
    try:
        await stream.start_tls(context, host)
        return _leaf(stream.get_extra_info("ssl_object"))
    finally:
        await asyncio.shield(stream.aclose())


def _leaf(shown: ssl.SSLObject) -> Leaf:
    read: Mapping[str, Any] = shown.getpeercert() or {}
    encoded = shown.getpeercert(binary_form=True) or b""
    ends = read.get("notAfter")
    return Leaf(
        _name(read.get("subject", ())),
        _name(read.get("issuer", ())),
        datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None,
        sha256(encoded).hexdigest(),
    )


_SHORT: Final = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}


def _name(names: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """A distinguished name for a person, as `CN=registry.example.com, O=Example`; escaped, at most 200 characters."""
    text = ", ".join(f"{_SHORT.get(kind, kind)}={value}" for part in reversed(names) for kind, value in part)
    return text[:200] if text.isprintable() else ascii(text)[:200]
