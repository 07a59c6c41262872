"""What an agent does next: which documents it believes, when it renews, and how it comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.channel import (
    BASE_S,
    CAP_S,
    FIRST_S,
    SHUT_OUT_S,
    Ask,
    Began,
    Came,
    Document,
    Failed,
    Keep,
    Known,
    NotRenewed,
    Renew,
    Renewed,
    ShutOut,
    State,
    Tell,
    Unchanged,
    Use,
    Wait,
    known_of,
    refusal,
    step,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOURTH = Document("prod", 4, "sha256:4", "sha256:3", NOW + 14 * DAY, b"4", True)
FIFTH = Document("prod", 5, "sha256:5", "sha256:4", NOW + 14 * DAY, b"5", True)
STATE = State("prod", NOW - DAY / 4, NOW + 3 * DAY / 4, known_of(FOURTH))


@pytest.mark.parametrize(
    ("sentence", "document", "code"),
    [
        ("the next one is believed", FIFTH, ""),
        ("the same one once more is", FOURTH, ""),
        ("generations may be missed", replace(FIFTH, generation=9, previous_hash="sha256:8"), ""),
        ("one that nobody signed is not", replace(FIFTH, signed=False), "document_unsigned"),
        ("one of another environment is not", replace(FIFTH, environment="west"), "document_elsewhere"),
        ("an older one is not", replace(FIFTH, generation=3), "document_older"),
        ("nor ours with other bytes", replace(FOURTH, digest=b"x"), "document_altered"),
        ("nor a second history", replace(FIFTH, previous_hash="sha256:x"), "document_altered"),
        ("nor one that has ended", replace(FIFTH, not_after=NOW), "document_expired"),
    ],
)
def test_which_documents_are_believed(sentence: str, document: Document, code: str) -> None:
    assert refusal(STATE, document, NOW) == code, sentence
    state, effects = step(STATE, Came(document, NOW, 0.5))
    if code:
        assert state.known == STATE.known, sentence
        assert effects[0] == Tell(code)
        assert isinstance(effects[1], Wait)
    elif document is FOURTH:
        assert effects == (Ask(4),)
    else:
        assert effects == (Keep(), Use(), Tell(""), Ask(document.generation))
        assert state.known == known_of(document)


def test_the_first_document_need_follow_on_nothing() -> None:
    assert refusal(replace(STATE, known=Known()), replace(FIFTH, generation=1), NOW) == ""


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.sampled_from(["prod", "west"])), max_size=40))
def test_what_is_used_never_decreases_whatever_comes(came: list[tuple[int, bool, str]]) -> None:
    state, used = replace(STATE, known=Known()), [0]
    for generation, signed, environment in came:
        document = Document(environment, generation, f"h{generation}", f"h{generation - 1}", NOW + DAY, b"", signed)
        state, effects = step(state, Came(document, NOW, 0.1))
        if Use() in effects:
            assert effects.index(Keep()) < effects.index(Use())
            used.append(generation)
        assert state.known.generation == used[-1]
    assert used == sorted(set(used))


def test_a_certificate_is_renewed_at_half_of_its_life() -> None:
    half = STATE.begins + DAY / 2
    assert step(STATE, Unchanged(half - timedelta(seconds=1)))[1] == (Ask(4),)
    assert step(STATE, Unchanged(half))[1] == (Renew(),)
    state, effects = step(STATE, Renewed(half, half + DAY, half))
    assert effects == (Ask(4),)
    assert state.ends == half + DAY


def test_a_renewal_that_fails_is_tried_again_beside_the_questions() -> None:
    half = STATE.begins + DAY / 2
    state, effects = step(STATE, NotRenewed(half, 0.5))
    assert effects == (Ask(4),)
    assert step(state, Unchanged(half + timedelta(minutes=9)))[1] == (Ask(4),)
    assert step(state, Unchanged(half + timedelta(minutes=10)))[1] == (Renew(),)
    # With nothing left to ask with it is all that can be done.
    _, effects = step(state, NotRenewed(STATE.ends, 0.5))
    assert isinstance(effects[0], Wait)
    assert step(state, Began(STATE.ends))[1] == (Renew(),)


def test_pauses_grow_within_bounds_and_end_with_an_answer() -> None:
    state, longest = STATE, 0.0
    for _ in range(20):
        state, effects = step(state, Failed(NOW, 0.999))
        (wait,) = effects
        assert isinstance(wait, Wait)
        assert BASE_S <= wait.seconds <= CAP_S
        longest = max(longest, wait.seconds)
    assert longest == CAP_S
    assert step(state, Unchanged(NOW))[0].pause_s == 0


def test_a_thousand_agents_do_not_come_back_together() -> None:
    waits = []
    for number in range(1000):
        _, effects = step(STATE, Failed(NOW, number / 1000))
        assert isinstance(effects[0], Wait)
        waits.append(effects[0].seconds)
    # No second of the first dozen sees more than twice its share.
    share = 1000 / (3 * FIRST_S - BASE_S)
    assert max(sum(second <= wait < second + 1 for wait in waits) for second in range(16)) <= 2 * share


def test_who_is_told_when_to_come_comes_behind_it() -> None:
    _, effects = step(STATE, Failed(NOW, 0.0, retry_after_s=20))
    assert effects == (Wait(20 + BASE_S),)
    _, effects = step(STATE, Failed(NOW, 0.0, retry_after_s=9999))
    assert effects == (Wait(CAP_S + BASE_S),)


def test_who_is_shut_out_says_so_and_asks_ever_less_often() -> None:
    state = STATE
    for _ in range(20):
        state, effects = step(state, ShutOut(NOW, 0.999))
    assert effects == (Tell("agent_refused"), Wait(SHUT_OUT_S))
    assert state.known == STATE.known
