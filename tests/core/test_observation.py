"""The annotation of our Secret, and the marks that make it ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.credential import CredentialRef
from portreeve.core.observation import EntryFact, decode_facts, encode_facts

TIMES = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
REFS = st.builds(CredentialRef, st.text(), st.integers(), st.none() | TIMES)
FACTS = st.lists(st.builds(EntryFact, st.text(), REFS, st.booleans()), max_size=4).map(tuple)


@given(FACTS)
def test_what_is_written_is_read_again(told: tuple[EntryFact, ...]) -> None:
    read = decode_facts(encode_facts(told))
    assert read == told
    assert [one.credential.expires_at for one in read or ()] == [one.credential.expires_at for one in told]


@given(st.text())
def test_any_text_is_read_as_facts_or_as_nothing(text: str) -> None:
    assert decode_facts(text) is None or isinstance(decode_facts(text), tuple)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "1",
        '["x"]',
        "[{}]",
        "[" * 100_000,
        '[{"key":"k","credential":"c","version":true,"live":true,"expiresAt":null}]',
        '[{"key":"k","credential":"c","version":1,"live":1,"expiresAt":null}]',
        '[{"key":"k","credential":"c","version":1,"live":true,"expiresAt":"soon"}]',
        '[{"key":1,"credential":"c","version":1,"live":true,"expiresAt":null}]',
    ],
)
def test_what_somebody_else_has_written_is_nothing(text: str) -> None:
    assert decode_facts(text) is None
