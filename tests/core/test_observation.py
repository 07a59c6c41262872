"""The annotation of our Secret, and the marks that make it ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.credential import CredentialRef
from portreeve.core.observation import MAX_ID, MAX_KEY, MOST_FACTS, EntryFact, decode_facts, encode_facts

TIMES = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
IDS = st.text(max_size=MAX_ID).filter(str.isprintable)
REFS = st.builds(CredentialRef, IDS, st.integers(0, 2**53 - 1), st.none() | TIMES)
FACTS = st.lists(st.builds(EntryFact, st.text(), REFS, st.booleans()), max_size=4).map(tuple)


@given(FACTS)
def test_what_is_written_is_read_again(told: tuple[EntryFact, ...]) -> None:
    read = decode_facts(encode_facts(told))
    assert read == told
    assert [one.credential.expires_at for one in read or ()] == [one.credential.expires_at for one in told]


FACT = EntryFact("k", CredentialRef("c", 1, datetime(2030, 1, 1, tzinfo=UTC)), live=True)


@pytest.mark.parametrize(
    "one",
    [
        replace(FACT, key="k" * (MAX_KEY + 1)),
        replace(FACT, credential=CredentialRef("c" * (MAX_ID + 1), 1)),
        replace(FACT, credential=CredentialRef("c\n", 1)),
        replace(FACT, credential=CredentialRef("c", -1)),
        replace(FACT, credential=CredentialRef("c", 2**53)),
        replace(FACT, credential=CredentialRef("c", 10**4_000)),
    ],
)
def test_what_no_report_can_hold_is_nothing(one: EntryFact) -> None:
    assert decode_facts(encode_facts((FACT,))) == (FACT,)
    assert decode_facts(encode_facts((FACT, one))) is None


def test_as_many_facts_as_a_report_holds() -> None:
    assert len(decode_facts(encode_facts((FACT,) * MOST_FACTS)) or ()) == MOST_FACTS
    assert decode_facts(encode_facts((FACT,) * (MOST_FACTS + 1))) is None
    assert decode_facts(encode_facts((FACT,)).replace("2030", "0030")) is None


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
