"""Literals and shards; that CEL reads them back as they were is asked of the real compiler in tests/e2e."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import cel

ESCAPE = re.compile(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


def decoded(literal: str) -> str:
    return ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), literal[1:-1])


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_literal_reads_back_as_it_was_and_is_one_literal(text: str) -> None:
    literal = cel.literal(text)
    assert decoded(literal) == text
    assert literal.isascii()
    assert re.fullmatch(r"'[^'\"\\\n\r]*(?:\\[uU][0-9a-f]+[^'\"\\\n\r]*)*'", literal)


@pytest.mark.parametrize("text", ["x') || true || ('", "\\", "'", '"', "\n", "\u2028", "\0", "${x}", "\U0001f680"])
def test_hostile_text_stays_inside_its_quotes(text: str) -> None:
    assert decoded(cel.literal(text)) == text
    assert cel.literal(text).count("'") == 2


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="U\\+D800"):
        cel.literal("\ud800")


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.just("true")),
    st.integers(250, 400),
)
def test_shards_hold_every_entry_once_and_stay_below_their_limit(entries: dict[str, str], limit: int) -> None:
    parts = cel.shards(entries, limit)
    assert all(len(part) <= limit for part in parts)
    held = ",".join(part[1:-1] for part in parts if part != "{}")
    assert held == ",".join(f"{cel.literal(key)}:true" for key in sorted(entries))


def test_nothing_to_choose_from_is_false() -> None:
    assert cel.any_of([]) == "false"
    assert cel.shards({}) == ("{}",)
