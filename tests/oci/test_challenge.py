"""How a registry wants to be asked, from whatever it writes into the header."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.errors import Stalled
from portreeve.oci.challenge import Offer, chosen, offers
from portreeve.oci.model import Challenge, Scheme

REALM = "https://auth.example.com/token"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            f'Bearer realm="{REALM}",service="s",scope="repository:a:pull,push"',
            [("bearer", {"realm": REALM, "service": "s", "scope": "repository:a:pull,push"})],
        ),
        (f'bearer  REALM = "{REALM}" , Service=s', [("bearer", {"realm": REALM, "service": "s"})]),
        ('Basic realm="a \\"b\\" \\\\ c"', [("basic", {"realm": 'a "b" \\ c'})]),
        ('Basic realm="a, Bearer realm=b"', [("basic", {"realm": "a, Bearer realm=b"})]),
        ('Negotiate, Basic realm="x"', [("negotiate", {}), ("basic", {"realm": "x"})]),
        ('Negotiate YWI+/~==, Basic realm="x"', [("negotiate", {}), ("basic", {"realm": "x"})]),
        (f'Basic realm="x", Bearer realm="{REALM}"', [("basic", {"realm": "x"}), ("bearer", {"realm": REALM})]),
        ("Basic", [("basic", {})]),
        (", ,Basic realm=x,,", [("basic", {"realm": "x"})]),
        ('Basic realm="open', [("basic", {})]),
        ("", []),
        ("=", []),
        ('"Basic"', []),
    ],
)
def test_challenges_are_read_as_written(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert offers(header, where="") == tuple(Offer(scheme, parameters) for scheme, parameters in expected)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', Challenge(Scheme.BASIC)),
        (f'Basic realm="x", Bearer realm="{REALM}",service="s"', Challenge(Scheme.BEARER, REALM, "s")),
        (f'Bearer realm="{REALM}",scope="a"', Challenge(Scheme.BEARER, REALM, "", "a")),
        (f'Bearer realm="{REALM}", Bearer realm="{REALM}"', Challenge(Scheme.BEARER, REALM)),
        ("Bearer error=x, Basic realm=x", Challenge(Scheme.BASIC)),
        ("Digest realm=x", None),
        ("", None),
    ],
)
def test_bearer_comes_before_basic(header: str, expected: Challenge | None) -> None:
    assert chosen(header, where="") == expected


@pytest.mark.parametrize(
    "header",
    [
        f'Bearer realm="{REALM}",realm="https://evil.example.com"',
        f'Bearer realm="{REALM}",Realm="{REALM}"',
        f'Bearer realm="{REALM}", Bearer realm="https://evil.example.com"',
        f'Bearer realm="{REALM}",service=a, Bearer realm="{REALM}",service=b',
    ],
)
def test_two_ways_at_once_are_refused(header: str) -> None:
    with pytest.raises(Stalled) as why:
        chosen(header, where="https://registry.example.com/v2/")
    assert why.value.code == "answer_ambiguous"
    assert "evil" not in why.value.diagnostics()


@given(st.text(st.characters(max_codepoint=255)) | st.text(st.sampled_from('Bearer realm="x\\",= ')))
def test_no_header_breaks_it(header: str) -> None:
    with suppress(Stalled):
        chosen(header, where="")
