"""Answers are read in one way only: what Go and Python would read differently is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.errors import Stalled
from portreeve.transport import strict

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4),
    max_leaves=20,
)


def refusal(data: bytes) -> Stalled:
    with pytest.raises(Stalled) as why:
        strict.read(data, where="https://registry.example.com/v2/")
    assert why.value.message.startswith("https://registry.example.com/v2/ answered")
    assert why.value.hint
    return why.value


@given(VALUES)
def test_what_is_unambiguous_is_read_as_it_is(value: Any) -> None:
    assert strict.read(json.dumps(value).encode(), where="") == value
    assert strict.read(json.dumps(value, ensure_ascii=False, indent=1).encode(), where="") == value


@given(st.binary(max_size=60))
def test_anything_is_read_or_refused(data: bytes) -> None:
    with suppress(Stalled):
        strict.read(data, where="")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"layers": 1, "layers": 1}', "answer_ambiguous"),
        ('{"layers": 1, "LAYERS": 1}', "answer_ambiguous"),
        ('{"layers": 1, "layer\u017f": 1}', "answer_ambiguous"),
        ('{"layers": 1, "layer\\u017f": 1}', "answer_ambiguous"),
        ('{"kind": 1, "\u212aind": 1}', "answer_ambiguous"),
        ('[{"a": {"b": 1, "B": 2}}]', "answer_ambiguous"),
        ("1e999", "answer_ambiguous"),
        ("123456789012345678901", "answer_ambiguous"),
        ('"\\ud800"', "answer_ambiguous"),
        ('{"\\udfff\\ud800": 1}', "answer_ambiguous"),
        ("NaN", "answer_not_json"),
        ("[-Infinity]", "answer_not_json"),
        ("", "answer_not_json"),
        ("<html>", "answer_not_json"),
        ("{} {}", "answer_not_json"),
        ("[1,]", "answer_not_json"),
        ("'a'", "answer_not_json"),
        ("01", "answer_not_json"),
        ('"\n"', "answer_not_json"),
        ("\ufeff{}", "answer_not_json"),
        ("[" * 33 + "]" * 33, "answer_too_large"),
        ("[" * 1_000_000, "answer_too_large"),
        ('{"a":' * 1_000_000, "answer_too_large"),
        ("[" + "0," * 200_001 + "0]", "answer_too_large"),
    ],
)
def test_it_is_refused_for_what_it_is(text: str, code: str) -> None:
    assert refusal(text.encode()).code == code


def test_what_looks_like_structure_within_text_is_text() -> None:
    assert strict.read(json.dumps("[" * 100 + '\\"' + "," * 300_000).encode(), where="")
    assert strict.read(b'"\\ud83d\\ude00"', where="") == "\U0001f600"
    assert strict.read(b'{"a": {"A": 1}}', where="") == {"a": {"A": 1}}


@pytest.mark.parametrize(
    "data", [b"\xff", b"\xc0\x80", "\ud800".encode("utf-8", "surrogatepass"), '"a"'.encode("utf-16")]
)
def test_what_is_not_utf_8_is_refused(data: bytes) -> None:
    assert refusal(data).code == "answer_not_json"
