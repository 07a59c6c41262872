"""What is said in a cluster, how often, and that it stays bounded and safe whatever anybody has written.

Source: the design's interfaces, "CRDs" (Events); issue 5, point 9.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core import cluster_events
from portreeve.core.agent_messages import Phase
from portreeve.core.cluster_events import (
    EXPIRING,
    MOST_AT_ONCE,
    MOST_PER_HOUR,
    MOST_PER_NAMESPACE,
    NOTE_CHARACTERS,
    REPEAT,
    Event,
    Fact,
    Reason,
    State,
    Subject,
    due,
    image_not_allowed,
    pull_credential_expiring,
    pull_secret_attached,
    pull_secret_conflict,
    said,
)
from portreeve.core.credential import CredentialRef
from portreeve.core.observation import EntryFact
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.sources import resolve
from portreeve.core.verdict import judge
from tests.cases.hostile_strings import STRINGS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SUBJECT = Subject("shop", "Deployment", "api", "uid-1", "apps/v1")
SOURCES = resolve(
    RegistryPolicy("prod", sources=(AllowedSource(parse_prefix("r.example.com/team")),), stage=Stage.DENY)
)


def fact(number: int = 0, namespace: str = "shop", reason: Reason = Reason.IMAGE_NOT_ALLOWED) -> Fact:
    return Fact(reason, Subject(namespace, "Pod", f"p{number}", f"uid-{number}"), "A sentence.")


def spoken(state: State, facts: list[Fact], now: datetime) -> tuple[State, tuple[Event, ...]]:
    events = due(state, facts, now)
    for event in events:
        state = said(state, event)
    return state, events


def test_what_holds_is_said_once_and_again_after_a_while() -> None:
    state, first = spoken(State(), [fact(), fact()], NOW)
    assert [one.count for one in first] == [1]
    for later in (timedelta(), timedelta(minutes=1), REPEAT - timedelta(seconds=1)):
        assert due(state, [fact()], NOW + later) == ()
    # Gone and back within that time is no news.
    assert due(state, [], NOW + timedelta(hours=1)) == ()
    assert due(state, [fact()], NOW + timedelta(hours=2)) == ()
    state, again = spoken(state, [fact()], NOW + REPEAT)
    assert [one.count for one in again] == [2]
    # Another sentence is another fact.
    other = Fact(fact().reason, fact().subject, "Another sentence.")
    assert [one.fact for one in due(state, [fact(), other], NOW + REPEAT)] == [other]


def test_what_was_not_written_is_not_said() -> None:
    [event] = due(State(), [fact()], NOW)
    assert due(State(), [fact()], NOW + timedelta(seconds=10))[0].fact == event.fact


def test_what_is_urgent_comes_first() -> None:
    facts = [fact(number, f"n{number}", reason) for number, reason in enumerate(reversed(Reason))]
    assert [one.fact.reason for one in due(State(), facts, NOW)] == list(Reason)


def test_one_namespace_cannot_take_the_words_of_others_away() -> None:
    state, told = State(), list[Event]()
    loud = [fact(number, "aaa") for number in range(500)]
    quiet = [fact(number, f"z{number}") for number in range(5)]
    for step in range(20):
        state, events = spoken(state, [*loud, *quiet], NOW + timedelta(seconds=10 * step))
        told += events
    assert sum(one.fact.subject.namespace == "aaa" for one in told) == MOST_PER_NAMESPACE
    assert {one.fact for one in told} >= set(quiet)


def test_an_hour_has_so_many_and_the_next_one_goes_on() -> None:
    facts = [fact(number, f"n{number}") for number in range(2 * MOST_PER_HOUR)]
    state, counts = State(), []
    for minute in range(120):
        state, events = spoken(state, facts, NOW + timedelta(minutes=minute))
        counts.append(len(events))
    assert max(counts) <= MOST_AT_ONCE
    assert sum(counts[:60]) == MOST_PER_HOUR
    assert sum(counts) == 2 * MOST_PER_HOUR


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(-7200, 7200)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_clock_that_is_set_neither_floods_nor_silences(steps: list[tuple[int, int, int]]) -> None:
    state, now = State(), NOW
    for number, namespace, moved in steps:
        now += timedelta(seconds=moved)
        state, events = spoken(state, [fact(number, f"n{namespace}")], now)
        assert len(events) <= MOST_AT_ONCE
        assert max(state.written.values(), default=0) <= MOST_PER_NAMESPACE
    assert len(due(state, [fact(99, "new")], now)) == 1


def test_what_was_said_in_the_future_is_said_again() -> None:
    state, _ = spoken(State(), [fact()], NOW + timedelta(days=365))
    assert len(due(state, [fact()], NOW)) == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_events, "MOST_HELD", 3)
    state = State()
    for number in range(5):
        state, _ = spoken(state, [fact(number, f"n{number}")], NOW + timedelta(seconds=number))
    assert [one.subject.name for one in state.said] == ["p2", "p3", "p4"]


def test_a_denied_image_is_told_with_what_would_be_allowed() -> None:
    denied = [judge(image, "shop", SOURCES, now=NOW) for image in ("r.example.com/other/a:1", "evil.example.com/b")]
    for stage, words in (
        (Stage.DENY, "are refused"),
        (Stage.WARN, "warned of"),
        (Stage.AUDIT, "once the policy denies"),
    ):
        found = image_not_allowed(SUBJECT, denied, "prod", stage)
        assert "r.example.com/other/a:1 (and 1 more)" in found.note
        assert "policy prod" in found.note
        assert words in found.note
        assert "r.example.com/team" in found.note


@pytest.mark.parametrize("text", STRINGS)
def test_no_text_makes_a_note_long_or_many_lines(text: str) -> None:
    for image in (text, text * 400):
        note = image_not_allowed(SUBJECT, [judge(image, "shop", SOURCES, now=NOW)], "prod", Stage.DENY).note
        assert len(note) <= NOTE_CHARACTERS
        assert len(note.encode()) <= 1024
        assert note.isprintable()


def entry(key: str, ends: timedelta | None, *, live: bool = True) -> EntryFact:
    return EntryFact(key, CredentialRef("c", 1, None if ends is None else NOW + ends), live)


def test_a_credential_is_told_of_shortly_before_its_end() -> None:
    soon = entry("r.example.com/team/", EXPIRING)
    fine = (
        entry("a/", timedelta(hours=6)),
        entry("b/", None),
        entry("c/", timedelta(0)),
        entry("d/", EXPIRING, live=False),
    )
    assert pull_credential_expiring(SUBJECT, fine, NOW) is None
    found = pull_credential_expiring(SUBJECT, (*fine, soon, entry("z/", timedelta(hours=1))), NOW)
    assert found is not None
    assert "for z/ (and 1 more) ends at 2026-11-20T13:00:00Z" in found.note
    # It is the same fact until the end moves, so it is said once.
    assert pull_credential_expiring(SUBJECT, (soon,), NOW) == pull_credential_expiring(
        SUBJECT, (soon,), NOW + timedelta(minutes=5)
    )


def test_a_conflict_is_told_where_the_name_is_taken_or_cannot_be_changed() -> None:
    told = {phase for phase in Phase if pull_secret_conflict(SUBJECT, phase) is not None}
    assert told == {Phase.TAKEN, Phase.IMMUTABLE}
    assert not pull_secret_attached(SUBJECT).reason.warning
