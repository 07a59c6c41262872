"""Which addresses may be connected to: never, by the list, or always; and what a refusal says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.errors import Invalid
from portreeve.transport.address_rules import AddressRules, literal, never

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "2001:db8::1",
    "100::1",
    "4000::1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "fd00::5efe:a9fe:a9fe",
    "2a00::200:5efe:a9fe:a9fe",
]
LISTED = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "198.18.0.1",
    "::1",
    "fc00::1",
    "fdff::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::1",
    "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
    "2a00::5efe:a00:1",
]
PUBLIC = [
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "11.0.0.1",
    "2606:4700::1111",
    "64:ff9b::101:101",
    "2a00::1",
    "::ffff:1.1.1.1",
]
EVERYTHING = AddressRules.of(["0.0.0.0/0", "::/0"])


def refusal(rules: AddressRules, address: str, host: str = "") -> Invalid:
    with pytest.raises(Invalid) as why:
        rules.admit(ip_address(address), host=host)
    assert why.value.code == "address_refused"
    return why.value


@pytest.mark.parametrize("address", NEVER)
def test_no_list_admits_what_no_registry_has(address: str) -> None:
    for rules in (AddressRules(), EVERYTHING, AddressRules.of([f"{address}"])):
        assert "no list allows it" in refusal(rules, address).hint


@pytest.mark.parametrize("address", LISTED)
def test_a_private_address_needs_the_list(address: str) -> None:
    error = refusal(AddressRules(), address)
    entry = error.hint.split("can add ")[1].split(",")[0]
    assert AddressRules.of([entry]).admit(ip_address(address))
    assert EVERYTHING.admit(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_needs_nothing(address: str) -> None:
    assert AddressRules().admit(ip_address(address))


def test_a_mapped_address_is_the_one_that_it_stands_for() -> None:
    admitted = AddressRules.of(["10.0.0.0/8"]).admit(ip_address("::ffff:10.1.2.3"))
    assert admitted == IPv4Address("10.1.2.3")


def test_a_refusal_names_host_address_and_the_exact_entry() -> None:
    error = refusal(AddressRules(), "10.1.2.3", host="registry.example.com")
    assert (
        error.message == "registry.example.com leads to 10.1.2.3, and that is a private address, which no list allows"
    )
    assert "10.1.2.3/32" in error.hint


def test_an_entry_covers_its_network_and_no_more() -> None:
    rules = AddressRules.of(["10.20.0.0/16", "fd00:1::/64"])
    assert rules.admit(ip_address("10.20.255.255"))
    assert rules.admit(ip_address("fd00:1::5"))
    refusal(rules, "10.21.0.0")
    refusal(rules, "fd00:1:0:1::5")


@pytest.mark.parametrize("entry", ["", "10.0.0.1/8", "registry.example.com", "10.0.0.0/33", "10.0.0", "\u0661.1.1.1"])
def test_what_is_no_network_is_no_entry(entry: str) -> None:
    with pytest.raises(Invalid) as why:
        AddressRules.of([entry])
    assert why.value.code == "address_entry"


@pytest.mark.parametrize(
    "host",
    [
        "0xa9fea9fe",
        "2852039166",
        "0177.1",
        "127.1",
        "0x7f.0.0.1",
        "127.0.0.1.",
        "127.0.0.01",
        "1.2.3.4.5",
        "256.1.1.1",
        "0",
        "0x",
        "a.0x1",
        "1.2.3.0x4",
        "fe80::1%eth0",
        "::1%25lo",
        "a b",
        "",
        ".",
        "a..b",
        "a_b..",
        "-",
        "ex\u00e4mple.com",
        "\uff11.1.1.1",
        "[::1]",
        "a/b",
        "a" * 64 + ".com",
        ".".join(["a" * 60] * 5),
    ],
)
def test_an_odd_spelling_is_refused(host: str) -> None:
    with pytest.raises(Invalid) as why:
        literal(host)
    assert why.value.code == "address_refused"


@pytest.mark.parametrize(
    "host",
    ["registry.example.com", "localhost", "a", "a.example.com.", "x_y.example.com", "0x.com", "1.com", "xn--a-1"],
)
def test_a_name_is_no_address(host: str) -> None:
    assert literal(host) is None


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_is_read_back_and_judged_alike_when_mapped(address: IPv4Address) -> None:
    assert literal(str(address)) == address
    mapped = IPv6Address(f"::ffff:{address}")
    for rules in (AddressRules(), EVERYTHING):
        outcomes = []
        for each in (address, mapped):
            try:
                outcomes.append(str(rules.admit(each)))
            except Invalid as error:
                outcomes.append(error.code)
        assert len(set(outcomes)) == 1


@given(st.ip_addresses(v=6, network="2000::/3"))
def test_no_embedded_metadata_address_is_admitted(address: IPv6Address) -> None:
    hidden = IPv6Address(int(address) >> 64 << 64 | 0x5EFE << 32 | 0xA9FEA9FE)
    with pytest.raises(Invalid):
        EVERYTHING.admit(hidden)


def test_what_is_never_admitted_says_what_it_is() -> None:
    assert "metadata" in never(ip_address("169.254.169.254"))
    assert never(ip_address("1.1.1.1")) == ""
