"""Who is an environment's agent: renewals that a crash cuts off, and two holders of one identity."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portreeve.core.agent_identity import (
    ON_ITS_WAY,
    Enrolment,
    Shown,
    State,
    Verdict,
    activated,
    enrolled,
    judge,
    judge_renewal,
    last_counter,
    renewing,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + ON_ITS_WAY
A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
FRESH = enrolled(0, A, NOW)
PENDING = renewing(FRESH, B)
RENEWED = activated(PENDING, NOW)


@pytest.mark.parametrize(
    ("sentence", "held", "shown", "now", "expected"),
    [
        ("an environment without an agent admits nobody", None, Shown(1, A, True), NOW, Verdict.REFUSE),
        ("the present certificate is admitted", FRESH, Shown(1, A, True), NOW, Verdict.ADMIT),
        ("one that has ended is not", FRESH, Shown(1, A, False), NOW, Verdict.REFUSE),
        ("one with a counter nobody has is not", FRESH, Shown(2, B, True), NOW, Verdict.REFUSE),
        ("nor one far ahead, of a restored database", FRESH, Shown(9, B, True), NOW, Verdict.REFUSE),
        ("two keys of one counter are two holders", FRESH, Shown(1, B, True), NOW, Verdict.SUSPEND),
        ("while a renewal is pending both count", PENDING, Shown(1, A, True), NOW, Verdict.ADMIT),
        ("the pending one becomes the present one", PENDING, Shown(2, B, True), NOW, Verdict.ACTIVATE),
        ("the pending counter with another key is nobody's", PENDING, Shown(2, C, True), NOW, Verdict.REFUSE),
        ("what was on its way is forgiven", RENEWED, Shown(1, A, True), LATER - timedelta(seconds=1), Verdict.REFUSE),
        ("a replaced certificate has a second holder", RENEWED, Shown(1, A, True), LATER, Verdict.SUSPEND),
        ("one of an earlier enrolment suspends nobody", enrolled(2, C, NOW), Shown(1, A, True), LATER, Verdict.REFUSE),
        ("a revoked one is refused", replace(FRESH, state=State.REVOKED), Shown(1, A, True), NOW, Verdict.REFUSE),
        ("a suspended one is refused", replace(FRESH, state=State.SUSPENDED), Shown(1, B, True), NOW, Verdict.REFUSE),
    ],
)  # fmt: skip
def test_who_is_the_agent(
    sentence: str, held: Enrolment | None, shown: Shown, now: datetime, expected: Verdict
) -> None:
    assert judge(held, shown, now) is expected, sentence


@pytest.mark.parametrize(
    ("sentence", "held", "shown", "key", "expected"),
    [
        ("the present certificate is renewed", FRESH, Shown(1, A, True), B, Verdict.ADMIT),
        ("not for its own key", FRESH, Shown(1, A, True), A, Verdict.REFUSE),
        ("an answer that was lost is asked for again", PENDING, Shown(1, A, True), B, Verdict.ADMIT),
        ("two keys for the next counter are two holders", PENDING, Shown(1, A, True), C, Verdict.SUSPEND),
        ("the pending one is used first, then renewed", PENDING, Shown(2, B, True), C, Verdict.ACTIVATE),
        ("a renewal that was late suspends nobody", RENEWED, Shown(1, A, True), B, Verdict.REFUSE),
        ("another holder renews too late", RENEWED, Shown(1, A, True), C, Verdict.SUSPEND),
        ("an earlier enrolment suspends nobody", enrolled(2, C, NOW), Shown(1, A, True), B, Verdict.REFUSE),
        ("what cannot be renewed any more is refused", FRESH, Shown(1, A, False), B, Verdict.REFUSE),
        ("nobody's", None, Shown(1, A, True), B, Verdict.REFUSE),
    ],
)
def test_who_is_given_the_next_certificate(
    sentence: str, held: Enrolment | None, shown: Shown, key: bytes, expected: Verdict
) -> None:
    assert judge_renewal(held, shown, key, NOW) is expected, sentence


def test_a_new_enrolment_counts_on_from_what_was_ever_handed_out() -> None:
    assert last_counter(PENDING) == 2
    assert enrolled(last_counter(PENDING), C, NOW).first == 3
