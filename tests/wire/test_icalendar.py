"""The calendar as iCalendar: lines that fold, texts that are escaped, events that keep their identity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.calendar import DAYS, Entry, Impact, Lane
from portreeve.wire.icalendar import MAX_OCTETS, fold, render, text

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def entry(name: str = "harbor/pull", days: float | None = 40, lane: Lane = Lane.CREDENTIAL) -> Entry:
    at = None if days is None else NOW + timedelta(days=days)
    return Entry(lane, "c-17", name, at, impact=Impact(2, 5, 1))


def test_an_event_with_its_alarms() -> None:
    lines = render([entry()], NOW).split("\r\n")
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert "DTSTART:20261230T120000Z" in lines
    assert "SUMMARY:credential harbor/pull ends" in lines
    assert [line for line in lines if line.startswith("TRIGGER")] == [f"TRIGGER:-P{days}D" for days in DAYS]
    assert lines.count("BEGIN:VALARM") == lines.count("END:VALARM") == len(DAYS)


def test_an_event_keeps_its_identity_when_its_end_moves() -> None:
    first, second = (render([entry(days=days)], NOW + timedelta(days=days)) for days in (40, 400))
    uid = next(line for line in first.split("\r\n") if line.startswith("UID:"))
    assert uid in second.split("\r\n")
    assert uid not in render([entry(lane=Lane.EXEMPTION)], NOW)


def test_what_never_ends_has_no_day_and_a_token_no_alarm() -> None:
    assert "VEVENT" not in render([entry(days=None)], NOW)
    assert "VALARM" not in render([entry(lane=Lane.TOKEN)], NOW)


def test_texts_cannot_leave_their_line() -> None:
    assert text("a\\b;c,d\ne\r\x00f") == "a\\\\b\\;c\\,d\\nef"
    hostile = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT"
    assert render([entry(hostile)], NOW).count("\r\nBEGIN:VEVENT\r\n") == 1


@given(st.text(max_size=400))
def test_folding_can_be_undone_and_no_line_is_too_long(name: str) -> None:
    line = f"SUMMARY:{text(name)}"
    folded = fold(line)
    assert folded.replace("\r\n ", "") == line
    assert all(len(piece.encode()) <= MAX_OCTETS for piece in folded.split("\r\n"))
