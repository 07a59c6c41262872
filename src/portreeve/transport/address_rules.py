"""Which IP addresses may be connected to, when a person entered the address or a registry named it.

Three answers. *Never*: what no registry has and what hurts most when it is asked: link-local and metadata addresses,
multicast, unspecified, reserved. *By the list*: this machine and private networks, which air-gapped sites need; an
administrator lists the networks. *Yes*: all that is left, the public internet.

An IPv6 address may hold an IPv4 one (mapped, translated, tunnelled): both must be admitted, as a gateway on the way
would turn the one into the other.

Left out: names (`outward` resolves them), and whatever is listed by name rather than by address.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 4291; RFC 6052 (NAT64); RFC 3056 (6to4); RFC 4380
(Teredo); RFC 5214 (ISATAP); the metadata services' own pages.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from portreeve.errors import Invalid

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER: Final[tuple[tuple[IpNetwork, str], ...]] = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "an unspecified address"),
        ("169.254.0.0/16", "a link-local address, where metadata services are"),
        ("100.100.100.200/32", "a metadata service (Alibaba Cloud)"),
        ("168.63.129.16/32", "a metadata service (Azure)"),
        ("192.0.0.0/24", "a reserved address"),  # 192.0.0.192 is Oracle Cloud's metadata service
        ("192.0.2.0/24", "an address for documentation"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
        ("192.88.99.0/24", "a reserved address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a reserved address"),
        ("ff00::/8", "a multicast address"),
        ("fd00:ec2::254/128", "a metadata service (AWS)"),
        ("fd20:ce::254/128", "a metadata service (Google Cloud)"),
        ("fd00:42::42/128", "a metadata service (Scaleway)"),
        ("100::/64", "a reserved address"),
        ("2001:db8::/32", "an address for documentation"),
        ("3fff::/20", "an address for documentation"),
    )
)

_BY_THE_LIST: Final[tuple[tuple[IpNetwork, str], ...]] = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("127.0.0.0/8", "this machine"),
        ("10.0.0.0/8", "a private address"),
        ("172.16.0.0/12", "a private address"),
        ("192.168.0.0/16", "a private address"),
        ("100.64.0.0/10", "a shared address of a carrier or cluster"),
        ("198.18.0.0/15", "an address of a test network"),
        ("::1/128", "this machine"),
        ("::/96", "an IPv4 address in IPv6"),
        ("fc00::/7", "a private address"),
        ("64:ff9b:1::/48", "a translated address"),
        ("2001::/23", "a tunnelled address"),
        ("2002::/16", "a tunnelled address"),
    )
)

_PUBLIC_V6: Final = tuple(ipaddress.IPv6Network(network) for network in ("2000::/3", "64:ff9b::/96"))
"""What is outside of these and not by the list is not assigned."""

_NAT64: Final = tuple(ipaddress.IPv6Network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48"))
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})

_NUMBER: Final = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)")
"""A last label that readers of hosts take for a number. Source: WHATWG URL, "ends in a number"."""

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
"""Underscores are in names of containers and of many a company's own hosts."""


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What may be connected to. `allowed` are the networks that an administrator listed; empty by default."""

    allowed: tuple[IpNetwork, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> AddressRules:
        """Rules with these networks, as `10.20.0.0/16` or a single address.

        Raises:
            Invalid: `address_entry`: an entry is no network.
        """
        return cls(tuple(_network(entry) for entry in entries))

    def admit(self, address: IpAddress, *, host: str = "") -> IpAddress:
        """The address to connect to: the same, or the IPv4 address that a mapped one stands for.

        Args:
            host: the name that led there, for the message.
        Raises:
            Invalid: `address_refused`, with the entry that an administrator could add where one would help.
        """
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        where = str(address) if host in {"", str(address)} else f"{host} leads to {address}, and that"
        for reading in _readings(address):
            if what := never(reading):
                raise Invalid(
                    "address_refused", f"{where} is {what}", hint="no list allows it; name the registry's own address"
                )
        listed = next((what for reading in _readings(address) if (what := _by_the_list(reading))), "")
        if listed and not any(address in network for network in self.allowed):
            entry = f"{address}/{address.max_prefixlen}"
            raise Invalid(
                "address_refused",
                f"{where} is {listed}, which no list allows",
                hint=f"an administrator can add {entry}, or the network that it is in, to the allowed addresses",
            )
        return address


def literal(host: str) -> IpAddress | None:
    """The address that a host is written as; None if it is a name. IPv6 without its brackets.

    Raises:
        Invalid: `address_refused`: an address in a spelling that readers disagree about (0x7f.1), or neither a name nor
            an address.
    """
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise _unreadable(host) from None
        if address.scope_id is not None:
            raise _unreadable(host)
        return address
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            return ipaddress.IPv4Address(host)
        except ValueError:
            raise _unreadable(host) from None
    if not _NAME.fullmatch(host):
        raise _unreadable(host)
    return None


def never(address: IpAddress) -> str:
    """What an address is that no list can allow, "" for others."""
    for network, what in _NEVER:
        if address in network:
            return what
    if isinstance(address, ipaddress.IPv6Address) and not _by_the_list(address):
        return "" if any(address in network for network in _PUBLIC_V6) else "a reserved address"
    return ""


def _by_the_list(address: IpAddress) -> str:
    if isinstance(address, ipaddress.IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "a tunnelled address"
    return next((what for network, what in _BY_THE_LIST if address in network), "")


def _readings(address: IpAddress) -> Iterator[IpAddress]:
    """The address, and the IPv4 addresses that it may be turned into on the way."""
    yield address
    if not isinstance(address, ipaddress.IPv6Address):
        return
    number = int(address)
    last = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if any(address in network for network in _NAT64) or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield last
    if number >> 32 == 0 and number > 1:
        yield last
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo


def _network(entry: str) -> IpNetwork:
    try:
        return ipaddress.ip_network(entry.strip())
    except ValueError:
        raise Invalid(
            "address_entry",
            f"{entry[:60]!a} is no network of addresses",
            hint="write 10.20.0.0/16, fd00:1::/64, or a single address; no bits may be set behind the prefix",
        ) from None


def _unreadable(host: str) -> Invalid:
    return Invalid(
        "address_refused",
        f"{host[:60]!a} is neither a host name nor an address in its usual spelling",
        hint="write the host's name, or the address as 10.1.2.3 or [fd00::1]",
    )
