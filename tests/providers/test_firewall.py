"""The hosts of a source; that they are those of before is what tests/core/test_egress.py holds."""

from __future__ import annotations

import pytest

from portreeve.core.reference import parse_prefix
from portreeve.providers import every
from portreeve.providers.firewall import certain_of, needs


@pytest.mark.parametrize("registered", ["", "harbor", "gar", "newer-than-this-program"])
def test_a_host_of_ones_own_needs_itself_whatever_it_is_registered_as(registered: str) -> None:
    found = list(needs(parse_prefix("registry.example.com:8443/shop"), registered))
    assert [(one.host, one.port, one.provider) for one in found] == [
        ("registry.example.com", 8443, registered or "generic")
    ]
    assert "probe" in found[0].note


def test_the_port_of_https_is_no_other_host() -> None:
    plain = list(needs(parse_prefix("quay.io/acme")))
    ported = list(needs(parse_prefix("quay.io:443/acme")))
    assert [(one.host, one.port, one.provider) for one in plain] == [
        (one.host, one.port, one.provider) for one in ported
    ]


def test_another_name_of_a_providers_host_and_a_guess_are_not_its_places() -> None:
    for host in ("registry-1.docker.io", "harbor.example.com", "git.example.com:5050"):
        assert certain_of(host) is None


def test_every_provider_has_at_least_one_host_everywhere() -> None:
    for name in every():
        assert list(needs(parse_prefix("registry.example.com"), name))


def test_a_fips_registry_needs_the_fips_endpoint() -> None:
    found = {one.host for one in needs(parse_prefix("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com"))}
    assert "ecr-fips.us-gov-west-1.amazonaws.com" in found
