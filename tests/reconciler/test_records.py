"""What is recorded as ours survives a crash at any byte, a damaged file and a full disk; it never says what was not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portreeve.errors import Unavailable
from portreeve.reconciler import records
from portreeve.reconciler.records import FILE, Journal


def held(directory: Path) -> dict[str, object]:
    with Journal(directory) as journal:
        return dict(journal.held("namespace"))


def test_the_last_of_each_name_counts_and_kinds_are_kept_apart(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write("namespace", {"a": {"uid": "1"}, "b": {"uid": "2"}})
        journal.write("admission", {"a": {"uid": "9"}})
        journal.write("namespace", {"a": {"uid": "3"}, "b": None})
    assert held(tmp_path) == {"a": {"uid": "3"}}
    with Journal(tmp_path) as journal:
        assert journal.held("admission") == {"a": {"uid": "9"}}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_file_that_ends_anywhere_holds_what_was_whole(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for number in range(3):
            journal.write("namespace", {f"n{number}": {"uid": str(number)}})
    whole = (tmp_path / FILE).read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        (tmp_path / FILE).write_bytes(whole[:length])
        # A line counts once all of its text is there; the line feed behind it says nothing more.
        expected = sum(length >= end - 1 for end in ends)
        assert len(held(tmp_path)) == expected, length


def test_a_damaged_byte_costs_its_line_and_no_other(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write("namespace", {"a": {"uid": "1"}, "b": {"uid": "2"}, "c": {"uid": "3"}})
    whole = (tmp_path / FILE).read_bytes()
    for index in range(len(whole)):
        damaged = bytearray(whole)
        damaged[index] ^= 0x20
        (tmp_path / FILE).write_bytes(bytes(damaged))
        found = held(tmp_path)
        assert len(found) >= 1, index
        assert found.items() <= {"a": {"uid": "1"}, "b": {"uid": "2"}, "c": {"uid": "3"}}.items(), index


def test_what_could_not_be_written_does_not_count_and_does_not_spoil_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path) as journal:
        journal.write("namespace", {"a": {"uid": "1"}})

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(Unavailable) as failed:
                journal.write("namespace", {"b": {"uid": "2"}})
            assert failed.value.code == "records_unwritable"
            with pytest.raises(Unavailable):
                journal.write("namespace", {"b": {"uid": "2"}})
        assert journal.held("namespace") == {"a": {"uid": "1"}}
        journal.write("namespace", {"c": {"uid": "3"}})
        assert journal.held("namespace") == {"a": {"uid": "1"}, "c": {"uid": "3"}}
    assert held(tmp_path) == {"a": {"uid": "1"}, "c": {"uid": "3"}}


def test_a_long_journal_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_LINES", 50)
    with Journal(tmp_path) as journal:
        for number in range(200):
            journal.write("namespace", {"a": {"uid": str(number)}})
        assert len((tmp_path / FILE).read_bytes().splitlines()) <= 52
    assert held(tmp_path) == {"a": {"uid": "199"}}


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as failed:
        Journal(tmp_path / "none")
    assert failed.value.code == "records_unwritable"
