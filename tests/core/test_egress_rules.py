"""Hosts as rules: what is new since the last export, and policies that open what they say and nothing else."""

from __future__ import annotations

from portreeve.core.egress import HostNeed, Purpose
from portreeve.core.egress_rules import cilium_policy, difference, network_policy, rules


def need(host: str, port: int = 443, purpose: Purpose = Purpose.REGISTRY) -> HostNeed:
    return HostNeed(host, port, purpose, ("x",), "generic")


NEEDS = (
    need("auth.example.com", purpose=Purpose.AUTH),
    need("10.1.2.3", 5000),
    need("*.cdn.example.com"),
    need("r.example.com"),
)


def test_a_host_that_is_needed_twice_is_one_rule() -> None:
    assert rules([need("a.example.com"), need("a.example.com", purpose=Purpose.AUTH)]) == (("a.example.com", 443),)


def test_what_changed_since_the_last_export() -> None:
    found = difference(
        [("old.example.com", 443), ("kept.example.com", 443)], [("kept.example.com", 443), ("new", 5000)]
    )
    assert (found.added, found.removed, found.kept) == ((("new", 5000),), (("old.example.com", 443),), 1)
    assert not found.nothing
    assert difference(found.added, found.added).nothing


def test_a_network_policy_opens_addresses_and_says_what_it_cannot_hold() -> None:
    addresses = {"r.example.com": ["192.0.2.7", "2001:db8::7"], "auth.example.com": []}
    policy = network_policy(NEEDS, "build", addresses, "2026-11-28T12:00:00Z")
    dns, web, own = policy["spec"]["egress"]
    assert {port["protocol"] for port in dns["ports"]} == {"UDP", "TCP"}
    assert web == {
        "to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}, {"ipBlock": {"cidr": "2001:db8::7/128"}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    }
    assert own["to"] == [{"ipBlock": {"cidr": "10.1.2.3/32"}}]
    assert own["ports"][0]["port"] == 5000
    notes = policy["metadata"]["annotations"]
    assert notes["portreeve.io/not-expressible"] == "*.cdn.example.com auth.example.com"
    assert "r.example.com=192.0.2.7+2001:db8::7" in notes["portreeve.io/hosts"]
    assert policy["spec"]["policyTypes"] == ["Egress"]


def test_no_rule_opens_every_address() -> None:
    """A rule without `to` opens its port to the whole world; only that of DNS may."""
    for found in (network_policy(NEEDS, "build", {}, "now"), network_policy((), "build", {}, "now")):
        for rule in found["spec"]["egress"][1:]:
            assert rule["to"]


def test_cilium_gets_names_and_addresses_apart() -> None:
    dns, web, own = cilium_policy(NEEDS, "build")["spec"]["egress"]
    assert dns["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]}
    assert own["toCIDR"] == ["10.1.2.3/32"]
    assert web["toFQDNs"] == [
        {"matchPattern": "*.cdn.example.com"},
        {"matchName": "auth.example.com"},
        {"matchName": "r.example.com"},
    ]
