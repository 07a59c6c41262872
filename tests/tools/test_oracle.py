"""The oracle speaks for Docker's parser: spot checks against what its documentation and tests say."""

from __future__ import annotations

import pytest

from tests.tools.oracle import Oracle, OracleAnswer

pytestmark = pytest.mark.slow

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("reference", "domain", "path", "string"),
    [
        ("nginx", "docker.io", "library/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/a/b:1", "docker.io", "a/b", "docker.io/a/b:1"),
        ("localhost/x", "localhost", "x", "localhost/x:latest"),
        ("r.example.com:5000/x:1", "r.example.com:5000", "x", "r.example.com:5000/x:1"),
        (f"x@{DIGEST}", "docker.io", "library/x", f"docker.io/library/x@{DIGEST}"),
        ("x@sha384:" + "0" * 96, "docker.io", "library/x", "docker.io/library/x@sha384:" + "0" * 96),
        ("x@sha512:" + "0" * 128, "docker.io", "library/x", "docker.io/library/x@sha512:" + "0" * 128),
    ],
)
def test_reference_is_normalized(reference_oracle: Oracle, reference: str, domain: str, path: str, string: str) -> None:
    answer = reference_oracle.parse(reference)
    assert (answer.ok, answer.domain, answer.path, answer.string) == (True, domain, path, string)


def test_digest_wins_over_tag_where_it_is_pulled(reference_oracle: Oracle) -> None:
    answer = reference_oracle.parse(f"x:1@{DIGEST}")
    assert (answer.tag, answer.digest, answer.docker_ref) == ("1", DIGEST, f"docker.io/library/x@{DIGEST}")


@pytest.mark.parametrize("reference", ["", "A", "a\n", "a\0", "é", "\u2028", "\U0001f40b", "a//b", "x@md5:0", "0" * 64])
def test_odd_text_is_an_answer_too(reference_oracle: Oracle, reference: str) -> None:
    answer = reference_oracle.parse(reference)
    assert answer == OracleAnswer(ok=False, error=answer.error)
    assert answer.error


def test_many_answers_come_in_order(reference_oracle: Oracle) -> None:
    references = [f"r{number}.example.com/a" for number in range(50_000)]
    answers = reference_oracle.parse_many(references)
    assert [f"{answer.domain}/{answer.path}" for answer in answers] == references
