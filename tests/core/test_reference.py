"""References and prefixes: tables for what people write, laws for everything else."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.reference import (
    InvalidPrefix,
    Reference,
    Refusal,
    SourcePrefix,
    UnsafeReference,
    keys,
    parse,
    parse_prefix,
    shown,
)
from tests.cases.references import references

if TYPE_CHECKING:
    from tests.tools.oracle import Oracle

SHA = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx:1", "docker.io/library/nginx:1"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("registry-1.docker.io/library/nginx", "registry-1.docker.io/library/nginx:latest"),
        ("acme/app", "docker.io/acme/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("registry.example.com:5000", "docker.io/library/registry.example.com:5000"),
        ("GHCR.io/Acme".lower() + "/App".lower(), "ghcr.io/acme/app:latest"),
        ("GHCR.io/acme/app", "ghcr.io/acme/app:latest"),
        ("host:80/a", "host:80/a:latest"),
        (f"a/b@{SHA}", f"docker.io/a/b@{SHA}"),
        (f"quay.io/a/b:tag@{SHA}", f"quay.io/a/b:tag@{SHA}"),
    ],
)
def test_a_reference_is_canonicalised(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Refusal.EMPTY),
        (" nginx", Refusal.CHARACTERS),
        ("nginx\n", Refusal.CHARACTERS),
        ("r\u0435gistry.example.com/x", Refusal.CHARACTERS),
        ("registry.example.com\u200b/x", Refusal.CHARACTERS),
        ("https://ghcr.io/x", Refusal.HOST),
        ("ghcr.io//x", Refusal.FORMAT),
        ("ghcr.io/../x", Refusal.FORMAT),
        ("ghcr.io./x", Refusal.HOST),
        ("ghcr.io/a%2fb", Refusal.FORMAT),
        ("user@ghcr.io/x", Refusal.FORMAT),
        ("a__b.c/x", Refusal.HOST),
        ("ghcr.io/Acme/app", Refusal.UPPER_CASE),
        ("Acme/App", Refusal.HOST_CASE),
        ("Acme/app", Refusal.HOST_CASE),
        ("DOCKER.io/nginx", Refusal.HUB_CASE),
        ("Index.docker.io/nginx", Refusal.HUB_CASE),
        ("[::1]:5000/x", Refusal.IPV6),
        (SHA, Refusal.IMAGE_ID),
        ("a" * 64, Refusal.IMAGE_ID),
        ("deadbeef", Refusal.IMAGE_ID),
        ("nginx@sha256:00", Refusal.DIGEST),
        ("nginx@md5:" + "a" * 32, Refusal.DIGEST),
        (f"nginx@{SHA.upper()}", Refusal.DIGEST),
        (f"nginx@{SHA}@{SHA}", Refusal.DIGEST),
        ("nginx@", Refusal.FORMAT),
        ("ghcr.io/" + "a" * 250, Refusal.TOO_LONG),
        ("a" * 70_000, Refusal.TOO_LONG),
    ],
)
def test_what_cannot_be_canonicalised_is_refused_with_its_reason(text: str, reason: Refusal) -> None:
    with pytest.raises(UnsafeReference) as caught:
        parse(text)
    assert caught.value.reason is reason
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("prefix", "covered", "not_covered"),
    [
        (
            "registry.example.com",
            ["registry.example.com/x", "REGISTRY.example.com/x/y"],
            [
                "registry.example.com.evil.io/x",
                "registry.example.com:5000/x",
                "evil.io/registry.example.com/x",
                "registry.example.com:5000",
            ],
        ),
        ("registry.example.com:5000/team", ["registry.example.com:5000/team/x:1"], ["registry.example.com/team/x"]),
        (
            "host.io/team",
            ["host.io/team", "host.io/team/x", "host.io/team/x/y@" + SHA],
            ["host.io/team-evil", "host.io/teams/x", "host.io/x/team"],
        ),
        (
            "docker.io/library",
            ["nginx", "docker.io/nginx", "index.docker.io/library/nginx"],
            ["acme/nginx", "library.io/nginx"],
        ),
        ("index.docker.io/acme", ["acme/app"], ["nginx", "acme-evil/app"]),
        (
            "*.azurecr.io",
            ["a.azurecr.io/x", "b.azurecr.io/x/y"],
            ["azurecr.io/x", "a.b.azurecr.io/x", "a.azurecr.io:443/x", "a.azurecr.io.evil.io/x"],
        ),
        ("*.azurecr.io/base", ["a.azurecr.io/base/x"], ["a.azurecr.io/x", "a.azurecr.io/base-evil/x"]),
        ("h.io/a/b/c/d/e/f/g", ["h.io/a/b/c/d/e/f/g", "h.io/a/b/c/d/e/f/g/h/i"], ["h.io/a/b/c/d/e/f/h"]),
    ],
)
def test_a_prefix_covers_whole_segments(prefix: str, covered: list[str], not_covered: list[str]) -> None:
    source = parse_prefix(prefix)
    assert [text for text in covered if not source.covers(parse(text))] == []
    assert [text for text in not_covered if source.covers(parse(text))] == []


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("", "prefix_characters", ""),
        ("nginx", "prefix_without_host", "write docker.io/library/nginx"),
        ("acme/app", "prefix_without_host", "write docker.io/acme/app"),
        ("https://ghcr.io/acme", "prefix_scheme", "write ghcr.io/acme"),
        ("ghcr.io/acme/app:1", "prefix_tag", "write ghcr.io/acme/app"),
        (f"ghcr.io/acme/app@{SHA}", "prefix_tag", "write ghcr.io/acme/app"),
        ("ghcr.io/Acme", "prefix_path", "write ghcr.io/acme"),
        ("ghcr.io/acme/*", "prefix_path_wildcard", "a prefix already covers all below it"),
        ("*.io", "prefix_wildcard", ""),
        ("*", "prefix_wildcard", ""),
        ("a*.example.com", "prefix_wildcard", ""),
        ("*.*.example.com", "prefix_wildcard", ""),
        ("*.0.0.1", "prefix_wildcard", ""),
        ("[::1]:5000", "prefix_ipv6", ""),
        ("ghcr.io//acme", "prefix_path", ""),
        ("h.io/a/b/c/d/e/f/g/h", "prefix_too_deep", ""),
        ("ghcr.io') || true || ('", "prefix_characters", ""),
    ],
)
def test_a_prefix_that_means_something_else_is_refused_with_a_hint(text: str, code: str, hint: str) -> None:
    with pytest.raises(InvalidPrefix) as caught:
        parse_prefix(text)
    assert caught.value.code == code
    assert hint in caught.value.hint


HOST = st.from_regex(r"[a-z0-9]{1,5}(\.[a-z]{2,5}){1,3}(:[0-9]{2,4})?", fullmatch=True)
PATH = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3})?(/[a-z0-9]{1,4}){0,8}", fullmatch=True)


@given(
    HOST, PATH, st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True), st.none() | st.just(SHA)
)
def test_print_then_parse_is_the_identity(host: str, path: str, tag: str | None, digest: str | None) -> None:
    reference = Reference(host, path, tag if tag or digest else "latest", digest)
    assert parse(str(reference)) == reference


@given(st.text())
def test_any_text_is_a_reference_that_reads_back_or_is_refused(text: str) -> None:
    try:
        reference = parse(text)
    except UnsafeReference:
        return
    assert parse(str(reference)) == reference


@given(HOST, PATH, st.integers(0, 8))
def test_every_leading_part_of_a_repository_covers_it_and_no_longer_string_does(
    host: str, path: str, depth: int
) -> None:
    reference = Reference(host, path, "latest", None)
    prefix = SourcePrefix(host, "/".join(path.split("/")[: min(depth, 7)]))
    assert prefix.covers(reference)
    if prefix.path:
        assert not prefix.covers(Reference(host, f"{prefix.path}-evil/x", "latest", None))
    assert not prefix.covers(Reference(f"{host}.evil.io", path, "latest", None))
    assert all(key.endswith("/") for key in keys(reference))


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) < 1300


@pytest.mark.slow
def test_the_go_library_and_we_agree_on_every_generated_reference(
    reference_oracle: Oracle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never may we read a reference as one repository that the library resolves to another."""
    seed = int(os.environ.get("PORTREEVE_SEED", "20260101"))
    texts = list(references(seed, 120_000))
    reasons: Counter[str] = Counter()
    both = 0
    wrong: list[str] = []
    for text, answer in zip(texts, reference_oracle.parse_many(texts), strict=True):
        try:
            reference = parse(text)
        except UnsafeReference as error:
            reasons[f"{'refused by us alone' if answer.ok else 'refused by both'}: {error.reason}"] += 1
            continue
        both += answer.ok
        theirs = answer.domain.lower() + answer.string.removeprefix(answer.domain) if answer.ok else "refused"
        if str(reference) != theirs:
            wrong.append(f"{text!r}: {reference} != {theirs}")
    with capsys.disabled():
        share = f"{both:,} accepted by both ({both / len(texts):.0%})"
        print(f"\nseed {seed}: {len(texts):,} references, {share}, {len(wrong)} differ")
        for reason, count in sorted(reasons.items()):
            print(f"  {count:7,} {reason}")
    assert wrong[:10] == []
    assert both >= 0.4 * len(texts)
