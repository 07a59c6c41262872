"""Signatures as AWS makes them: its published test vectors, and botocore on requests of every shape.

Source of the vectors: AWS Signature Version 4 test suite (aws-sig-v4-test-suite), credentials AKIDEXAMPLE, region
us-east-1, service "service", 2015-08-30T12:36:00Z; AWS documentation, "Signature Version 4 test suite". The vectors
with repeated header names and with paths that need tidying are left out, as is the signing of such requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import botocore.auth  # type: ignore[import-untyped] # botocore has no types
import botocore.awsrequest  # type: ignore[import-untyped] # botocore has no types
import botocore.credentials  # type: ignore[import-untyped] # botocore has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.secret import SecretValue
from portreeve.transport.exchange import Request
from portreeve.transport.sigv4 import Credentials, signed

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE = Credentials("AKIDEXAMPLE", SecretValue(SECRET))
THEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


def authorization(request: Request) -> str:
    made = request.headers["authorization"]
    assert isinstance(made, str)
    return made


@pytest.mark.parametrize(
    ("name", "method", "query", "headers", "body", "names", "signature"),
    [
        (
            "get-vanilla",
            "GET",
            "",
            {},
            b"",
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "post-vanilla",
            "POST",
            "",
            {},
            b"",
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "?Param2=value2&Param1=value1",
            {},
            b"",
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-header-value-trim",
            "GET",
            "",
            {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
            b"",
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-header-key-sort",
            "POST",
            "",
            {"My-Header1": "value1"},
            b"",
            "host;my-header1;x-amz-date",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "",
            {"Content-Type": FORM},
            b"Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "-" in value and ";" not in value else "",
)
def test_the_published_vectors_are_met(
    name: str, method: str, query: str, headers: Mapping[str, str], body: bytes, names: str, signature: str
) -> None:
    request = Request(method, f"https://example.amazonaws.com/{query}", headers, SecretValue(body))
    made = authorization(signed(request, SUITE, region="us-east-1", service="service", now=THEN))
    assert made == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    ), name


WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
ENCODED = st.from_regex(r"([A-Za-z0-9_.~-]|%[0-9A-F]{2}){1,10}", fullmatch=True)
SEGMENTS = st.lists(ENCODED.filter(lambda text: text not in {".", ".."}), max_size=4)
QUERIES = st.lists(st.tuples(ENCODED, ENCODED | st.just("")), max_size=4)
HEADER_NAMES = st.from_regex(r"X-[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True).filter(
    lambda name: not name.lower().startswith(("x-amz", "x-amzn"))
)
HEADERS = st.dictionaries(HEADER_NAMES, WORDS, max_size=4).filter(
    lambda headers: len({name.lower() for name in headers}) == len(headers)
)
TIMES = st.datetimes(THEN.replace(year=2001, tzinfo=None), THEN.replace(year=2099, tzinfo=None))
HOSTS = st.sampled_from(["kms.eu-west-1.amazonaws.com", "127.0.0.1:5000", "KMS.example.com", "a.example.com:443"])


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    host=HOSTS,
    segments=SEGMENTS,
    query=QUERIES,
    headers=HEADERS,
    body=st.binary(max_size=100),
    now=TIMES,
    token=st.none() | WORDS,
)
def test_botocore_signs_alike(
    method: str,
    host: str,
    segments: list[str],
    query: list[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    token: str | None,
) -> None:
    asked = "?" + "&".join("=".join(pair) for pair in query) if query else ""
    url = f"https://{host}/{'/'.join(segments)}{asked}"
    credentials = Credentials("AKIDEXAMPLE", SecretValue(SECRET), None if token is None else SecretValue(token))
    request = Request(method, url, headers, SecretValue(body))
    ours = signed(request, credentials, region="eu-west-1", service="kms", now=now.replace(tzinfo=UTC))
    assert authorization(ours) == botocores(request, token, now)


def botocores(request: Request, token: str | None, now: datetime) -> str:
    """The Authorization header of botocore's signer, without its clock."""
    theirs: Any = botocore.awsrequest.AWSRequest(
        request.method, request.url, headers=dict(request.headers), data=request.body.reveal()
    )
    who = botocore.credentials.Credentials("AKIDEXAMPLE", SECRET, token)
    signer: Any = botocore.auth.SigV4Auth(who, "kms", "eu-west-1")
    theirs.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(theirs)
    theirs.headers.replace_header("X-Amz-Date", theirs.context["timestamp"])
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs))
    signer._inject_signature_to_request(theirs, signer.signature(text, theirs))
    return str(theirs.headers["Authorization"])


def test_any_change_of_the_request_changes_the_signature() -> None:
    def made(url: str = "https://a.example.com/", body: bytes = b"x", region: str = "r", now: datetime = THEN) -> str:
        request = Request("POST", url, {"A": "b"}, SecretValue(body))
        return authorization(signed(request, SUITE, region=region, service="kms", now=now)).rpartition("=")[2]

    changed = [
        made(url="https://b.example.com/"),
        made(url="https://a.example.com/a"),
        made(url="https://a.example.com/?a"),
        made(body=b"y"),
        made(region="s"),
        made(now=THEN + timedelta(seconds=1)),
    ]
    assert len({made(), *changed}) == len(changed) + 1


def test_the_time_is_written_in_utc() -> None:
    local = THEN.astimezone(timezone(timedelta(hours=5, minutes=30)))
    request = Request("GET", "https://example.amazonaws.com/")
    made = [signed(request, SUITE, region="us-east-1", service="service", now=now) for now in (THEN, local)]
    assert authorization(made[0]) == authorization(made[1])


def test_the_request_itself_is_left_as_it_was_and_the_secret_is_not_in_the_signed_one() -> None:
    request = Request("POST", "https://example.amazonaws.com/", {"A": "b"}, SecretValue(b"x"))
    token = Credentials("AKIDEXAMPLE", SecretValue(SECRET), SecretValue("a-session-token"))
    made = signed(request, token, region="us-east-1", service="service", now=THEN)
    assert dict(request.headers) == {"A": "b"}
    assert (made.method, made.url, made.body.reveal()) == ("POST", request.url, b"x")
    assert SECRET not in str(dict(made.headers))
    assert "a-session-token" not in str(dict(made.headers))
    assert SECRET not in repr(token)
