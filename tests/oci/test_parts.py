"""The small grammars: digests, names, what continues a list, when to come back, which realm may have a credential."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, PortreeveError, Stalled
from portreeve.oci import digests, errors, links, names, realms
from portreeve.transport.exchange import Response
from portreeve.transport.origin import Origin

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
ORIGIN = Origin.of("https://registry.example.com")
PATH = "/v2/team/app/tags/list"


@pytest.mark.parametrize("digest", ["sha256:" + "0a" * 32, "sha384:" + "0a" * 48, "sha512:" + "0a" * 64])
def test_a_digest_is_one(digest: str) -> None:
    assert digests.checked(digest) == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 65,
        "sha256:" + "A" * 64,
        "SHA256:" + "0" * 64,
        "md5:" + "0" * 32,
        "sha256:" + "0" * 64 + "\n",
        "sha512:" + "0" * 64,
        "sha256:../../x",
        "sha256:" + "\u0660" * 64,
        "0" * 64,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as why:
        digests.checked(text)
    assert why.value.code == "digest_grammar"
    with pytest.raises(Stalled):
        digests.held(b"", text, where="")


@given(st.binary(), st.sampled_from(["sha256:", "sha384:", "sha512:"]))
def test_content_has_its_own_digest_and_no_other(content: bytes, algorithm: str) -> None:
    digest = digests.of(content, algorithm)
    assert digests.held(content, digest, where="") == digest
    with pytest.raises(Stalled) as why:
        digests.held(content + b"x", digest, where="")
    assert why.value.code == "digest_mismatch"


@pytest.mark.parametrize("name", ["a", "team/app", "a.b/c_d/e__f/g--h", "library/nginx"])
def test_a_repository_is_one(name: str) -> None:
    assert names.repository(name) == name


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../x", "a/../b", "A", "a b", "a?b", "a%2fb", "a:b", "a@b", "a" * 256, "a\n"]
)
def test_what_is_no_repository_never_becomes_an_address(name: str) -> None:
    with pytest.raises(Invalid) as why:
        names.repository(name)
    assert why.value.code == "repository_grammar"


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a/b", "a b", "a" * 129, "a\n", "\u00e4", "sha256:x"])
def test_what_is_no_tag_never_becomes_an_address(tag: str) -> None:
    with pytest.raises(Invalid) as why:
        names.reference(tag)
    assert why.value.code in {"tag_grammar", "digest_grammar"}


@pytest.mark.parametrize(
    ("after", "limit", "query"),
    [
        ("", 100, "n=100"),
        ("", 5000, "n=1000"),
        ("", 0, "n=1"),
        ("1.0", 10, "n=10&last=1.0"),
        ("a&b=c", 10, "n=10&last=a%26b%3Dc"),
        ("?n=7&last=x&opaque=%20", 100, "n=7&last=x&opaque=%20"),
    ],
)
def test_a_page_is_asked_for_within_limits(after: str, limit: int, query: str) -> None:
    assert links.query(after, limit) == query


@pytest.mark.parametrize("after", ["a\r\nX: y", "?a b", "?\u00e4", "?x#y", "a" * 5000, "?a\\b", '?"'])
def test_what_continues_no_list_is_refused(after: str) -> None:
    with pytest.raises(Invalid) as why:
        links.query(after, 10)
    assert why.value.code == "page_refused"


@pytest.mark.parametrize(
    ("header", "after"),
    [
        (f'<{PATH}?n=1&last=a>; rel="next"', "?n=1&last=a"),
        (f"<{PATH}?last=a>;rel=next", "?last=a"),
        (f'<https://registry.example.com{PATH}?last=a>; type="x"; REL="Next"', "?last=a"),
        (f'<https://registry.example.com:443{PATH}?last=a>; rel="next"', "?last=a"),
        ('<?last=b>; rel="next"', "?last=b"),
        (f'</elsewhere>; rel="prev", <{PATH}?last=c>; rel="next"', "?last=c"),
        (f'<{PATH}?last=a>; rel="prev"', ""),
        (f"<{PATH}?last=a>", ""),
        (f'<{PATH}?last=a>; title="rel=next"', ""),
        ("", ""),
        ("<", ""),
    ],
)
def test_a_link_continues_the_list(header: str, after: str) -> None:
    assert links.following(header, ORIGIN, PATH) == after


@given(st.text(st.characters(max_codepoint=255)) | st.text(st.sampled_from('<>;="relnxt/, ')))
def test_no_link_breaks_it(header: str) -> None:
    with suppress(Invalid):
        assert links.following(header, ORIGIN, PATH)[:1] in {"", "?"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("999999999", 86400.0),
        ("99999999999999999999", None),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1e3", None),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400.0),
        ("Sat, 28 Nov 2026 12:00:30", 30.0),
    ],
)
def test_when_to_come_back_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    assert errors.retry_after_s(Response(429, {"retry-after": value}), NOW) == seconds


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "NAME_UNKNOWN", "repository_unknown"),
        (404, "MANIFEST_UNKNOWN", "manifest_unknown"),
        (404, "BLOB_UNKNOWN", "blob_unknown"),
        (404, "", "repository_unknown"),
        (400, "UNSUPPORTED", "registry_unsupported"),
        (400, "DENIED", "registry_denied"),
        (403, "TOOMANYREQUESTS", "registry_throttled"),
        (412, "PROJECTPOLICYVIOLATION", "registry_denied"),
        (500, "UNKNOWN", "registry_failed"),
    ],
)
def test_a_refusal_is_known_by_its_code_before_its_status(status: int, code: str, expected: str) -> None:
    body = f'{{"errors": [{{"code": "{code}", "message": "hunter2"}}]}}'.encode()
    error = errors.fault(Response(status, {}, SecretValue(body)), where="https://r/v2/", now=NOW, shown=True)
    assert error.code == expected
    assert "hunter2" not in error.diagnostics()
    assert error.hint


@pytest.mark.parametrize(
    ("realm", "approved", "outcome"),
    [
        ("https://registry.example.com/any/path", (), "ok"),
        ("https://registry.example.com:443/token", (), "ok"),
        ("https://REGISTRY.example.com/token", (), "ok"),
        ("https://auth.example.com/token", ("https://auth.example.com/token",), "ok"),
        ("https://auth.example.com:443/token", ("https://AUTH.example.com/token",), "ok"),
        ("https://auth.example.com", ("https://auth.example.com/",), "ok"),
        ("https://auth.example.com/token", (), "realm_not_pinned"),
        ("https://auth.example.com/token2", ("https://auth.example.com/token",), "realm_not_pinned"),
        ("https://auth.example.com:444/token", ("https://auth.example.com/token",), "realm_not_pinned"),
        ("https://sub.auth.example.com/token", ("https://auth.example.com/token",), "realm_not_pinned"),
        ("https://registry.example.com:444/token", (), "realm_not_pinned"),
        ("http://registry.example.com/token", (), "url_refused"),
        ("http://auth.example.com/token", ("http://auth.example.com/token",), "url_refused"),
    ],
)
def test_a_credential_goes_to_an_approved_realm(realm: str, approved: tuple[str, ...], outcome: str) -> None:
    try:
        realms.allowed(realm, ORIGIN, approved, credential=True)
    except PortreeveError as error:
        assert error.code == outcome  # noqa: PT017 -- one table for both
    else:
        assert outcome == "ok"


def test_without_a_credential_any_encrypted_realm_will_do() -> None:
    assert realms.allowed("https://auth.example.com/token", ORIGIN, (), credential=False)
    with pytest.raises(Invalid):
        realms.allowed("http://auth.example.com/token", ORIGIN, (), credential=False)


def test_a_registry_without_tls_may_be_its_own_realm() -> None:
    plain = Origin.of("http://registry.example.com")
    assert realms.allowed("http://registry.example.com/token", plain, (), credential=True)
    with pytest.raises(Invalid):
        realms.allowed("http://auth.example.com/token", plain, (), credential=True)
    with pytest.raises(Denied):
        realms.allowed("https://auth.example.com/token", plain, (), credential=True)
