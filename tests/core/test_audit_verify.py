"""Every change of an export is detected, the first bad line is named, and what is not covered is counted."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from portreeve.core.audit_export import MAX_LINE_BYTES, checkpoint_line, event_line, parse_line
from portreeve.core.audit_verify import Report, Result, State, Trust, begin, end, step, verify
from portreeve.core.checkpoint import Note
from portreeve.errors import Invalid
from portreeve.vault import notes
from tests.core.events import event
from tests.core.exports import KEY, STRANGER, export, log, signed, trust

LOG = log(300)
LINES = export(LOG, 5)
KEPT = signed(LOG)
TRUST = trust(KEPT)
UNKEPT = trust()


def code(report: Report) -> str:
    return report.finding.code if report.finding else ""


def test_an_export_is_intact() -> None:
    report = verify(LINES, TRUST)
    assert (report.result, report.events, report.checkpoints, report.uncovered) == (Result.INTACT, 300, 60, 0)
    assert report.kept
    assert verify(LINES, UNKEPT).result is Result.INTACT


def test_events_behind_the_last_checkpoint_are_counted() -> None:
    report = verify(export(log(13), 5), UNKEPT)
    assert (report.result, report.covered, report.uncovered) == (Result.INCOMPLETE, 10, 3)


def test_a_kept_checkpoint_covers_what_the_export_does_not() -> None:
    events = log(13)
    assert verify(export(events, 5), trust(signed(events))).result is Result.INTACT
    assert verify(export(events, 100), trust(signed(events[:12]))).uncovered == 1


def test_an_empty_export_proves_nothing() -> None:
    assert verify([], UNKEPT).result is Result.INCOMPLETE
    assert verify([], trust(signed([]))).result is Result.INTACT
    assert code(verify([], TRUST)) == "audit_truncated"
    assert verify([checkpoint_line(signed([]))], UNKEPT).result is Result.INTACT


def states() -> list[State]:
    """The state in front of each line, and behind the last."""
    found = [begin(TRUST)]
    for line in LINES:
        found.append(step(found[-1], line, TRUST))
    return found


BEFORE = states()


def detected(number: int, changed: bytes) -> bool:
    """Whether the export with that line changed is found out; its line break may be gone."""
    if not changed.endswith(b"\n"):
        changed += b"".join(LINES[number + 1 : number + 2])
        following = LINES[number + 2 :]
    else:
        following = LINES[number + 1 :]
    state = BEFORE[number]
    for line in (*split(changed), *following):
        state = step(state, line, TRUST)
        if state.finding:
            assert state.finding.line > number
            return True
    return end(state, TRUST).result is Result.TAMPERED


def split(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def undetected(numbers: range, mask: int) -> list[tuple[int, int]]:
    """(line, byte) of each change that passes."""
    return [
        (number, at)
        for number in numbers
        for at in range(len(LINES[number]))
        if not detected(number, LINES[number][:at] + bytes([LINES[number][at] ^ mask]) + LINES[number][at + 1 :])
    ]


def test_every_changed_byte_of_some_lines_is_detected() -> None:
    """The first lines, some in the middle, and the last, each byte in turn; all lines are in the slow test below."""
    for numbers in (range(7), range(180, 186), range(len(LINES) - 7, len(LINES))):
        assert undetected(numbers, 1) == []


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_every_changed_byte_of_300_events_is_detected(mask: int) -> None:
    assert undetected(range(len(LINES)), mask) == []


# Every 49th line for `make check`, every 7th for the whole run.
@pytest.mark.parametrize(
    "number",
    [pytest.param(number, marks=[pytest.mark.wide] if number % 49 else []) for number in range(0, len(LINES), 7)],
)
def test_every_dropped_repeated_moved_and_cut_line_is_detected(number: int) -> None:
    dropped = LINES[:number] + LINES[number + 1 :]
    repeated = LINES[: number + 1] + LINES[number:]
    moved = [*dropped, LINES[number]]
    swapped = [*LINES[:number], *LINES[number : number + 2][::-1], *LINES[number + 2 :]]
    is_event = LINES[number].startswith(b'{"event"')
    for mangled in (repeated, moved, swapped):
        assert mangled == LINES or verify(mangled, TRUST).result is Result.TAMPERED
    # A checkpoint that is left out takes nothing away, as long as the kept one covers the events.
    assert verify(dropped, TRUST).result is (Result.TAMPERED if is_event else Result.INTACT)
    for cut in {1, len(LINES[number]) // 2, len(LINES[number]) - 1}:
        truncated = [*LINES[:number], LINES[number][:cut]]
        assert verify(truncated, TRUST).result is Result.TAMPERED
        assert verify(truncated, UNKEPT).result is Result.TAMPERED


def test_a_log_that_ends_early_is_detected_by_the_kept_checkpoint_alone() -> None:
    cut = LINES[: LINES.index(checkpoint_line(signed(LOG[:200]))) + 1]
    assert verify(cut, UNKEPT).result is Result.INTACT, "which is why a checkpoint is kept elsewhere"
    report = verify(cut, TRUST)
    assert code(report) == "audit_truncated"
    assert report.finding
    assert report.finding.line == len(cut) + 1
    assert not report.kept
    for number in range(0, len(LINES), 13):
        assert verify(LINES[:number], TRUST).result is Result.TAMPERED


def test_a_log_signed_again_by_a_stranger_is_detected() -> None:
    forged = [*LOG[:100], replace(LOG[100], request="forged"), *LOG[101:]]
    report = verify(export(forged, 5, STRANGER), TRUST)
    assert (code(report), report.finding and report.finding.line) == ("audit_signature", 6)
    mixed = LINES[:120] + export(forged, 5, STRANGER)[120:]
    assert code(verify(mixed, UNKEPT)) == "audit_signature"


def test_a_log_written_anew_with_the_key_is_detected_by_the_kept_checkpoint_alone() -> None:
    forged = [*LOG[:100], replace(LOG[100], request="forged"), *LOG[101:]]
    assert verify(export(forged, 5), UNKEPT).result is Result.INTACT
    assert code(verify(export(forged, 5), TRUST)) == "audit_rewritten"


def test_a_recomputed_log_without_the_key_is_detected() -> None:
    """As with a chain of hashes: whoever can write the log computes everything anew, but cannot sign."""
    forged = [replace(one, request="forged") for one in LOG]
    unsigned = [event_line(one) for one in forged]
    assert verify(unsigned, UNKEPT).result is Result.INCOMPLETE
    assert code(verify(unsigned, TRUST)) == "audit_rewritten"
    recomputed = [
        checkpoint_line(replace(item, signatures=signed(LOG[: item.checkpoint.size]).signatures))
        if isinstance(item := parse_line(line), Note)
        else line
        for line in export(forged[:20], 5)
    ]
    assert code(verify(recomputed, UNKEPT)) == "audit_signature"


def test_an_edited_event_is_placed_between_checkpoints() -> None:
    edited = list(LINES)
    edited[7] = event_line(replace(LOG[6], request="forged"))
    report = verify(edited, UNKEPT)
    assert report.finding
    assert (report.finding.code, report.finding.line, report.finding.after) == ("audit_root", 12, 6)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([event_line(event(1))], "audit_sequence"),
        ([event_line(event(0)), event_line(event(0))], "audit_sequence"),
        ([event_line(event(0)), event_line(event(2))], "audit_sequence"),
        ([checkpoint_line(signed(log(1)))], "audit_checkpoint_order"),
        ([event_line(event(0)), checkpoint_line(signed([]))], "audit_checkpoint_order"),
        ([event_line(event(0)), *[checkpoint_line(signed(log(1)))] * 2], "audit_checkpoint_order"),
        ([event_line(event(0)), checkpoint_line(signed([replace(event(0), request="x")]))], "audit_root"),
        ([event_line(event(0))[:-1]], "audit_line"),
        ([b"\n"], "audit_line"),
        ([b"{}\n"], "audit_line"),
        ([b'{"event":,"type":"event"}\n'], "audit_event"),
        ([b'{"event":"type":"event"}\n'], "audit_line"),
        ([b'{"checkpoint":"x","type":"checkpoint"}\n'], "audit_checkpoint"),
        ([b'{"checkpoint":"\\ud800","type":"checkpoint"}\n'], "audit_checkpoint"),
        ([b'{"checkpoint":[],"type":"checkpoint"}\n'], "audit_line"),
        ([b'{"checkpoint":' + b"[" * 60_000 + b',"type":"checkpoint"}\n'], "audit_line"),
        ([b'{"checkpoint": "x","type":"checkpoint"}\n'], "audit_checkpoint"),
        ([checkpoint_line(signed([])).replace(b"\\u2014", "—".encode())], "audit_line"),
        ([checkpoint_line(signed([])).replace(b"portreeve", b"\\u0070ortreeve")], "audit_line"),
        ([event_line(event(0)).replace(b"\n", b"\r\n")], "audit_line"),
        ([b"x" * MAX_LINE_BYTES + b"\n"], "audit_line"),
        ([b"\xff\xfe\n"], "audit_line"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(lines: list[bytes], expected: str) -> None:
    report = verify(lines, UNKEPT)
    assert report.finding
    assert (report.finding.code, report.finding.line) == (expected, len(lines))


def test_a_new_key_may_follow_an_old_one() -> None:
    events = log(10)
    lines = export(events[:5], 5) + export(events, 10, STRANGER)[5:]
    both = Trust((KEY.verifier, STRANGER.verifier), notes.verify)
    assert verify(lines, both).result is Result.INTACT
    assert code(verify(lines, UNKEPT)) == "audit_signature"


def test_changes_at_random_are_detected() -> None:
    """Blocks removed, copied and moved; bytes inserted and deleted."""
    chance = random.Random(20261120)
    whole = b"".join(LINES)
    for _ in range(60):
        first, second = sorted(chance.sample(range(len(whole)), 2))
        middle = whole[first:second]
        moved = whole[:first] + whole[second:]
        for mangled in (
            moved,
            whole[:second] + middle + whole[second:],
            moved[: first // 2] + middle + moved[first // 2 :],
            whole[:first] + bytes([chance.randrange(256)]) + whole[first:],
            whole[:first] + whole[first + 1 :],
        ):
            assert mangled == whole or verify(split(mangled), TRUST).result is Result.TAMPERED


def test_memory_does_not_grow_with_the_log() -> None:
    def lines() -> Iterator[bytes]:
        return (event_line(event(number)) for number in range(3000))

    verify(lines(), UNKEPT)
    tracemalloc.start()
    assert verify(lines(), UNKEPT).events == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000, f"{peak} bytes"


def test_a_line_is_json_and_holds_the_leaf_as_it_is() -> None:
    for line in LINES[:6]:
        value = json.loads(line)
        assert value["type"] in {"event", "checkpoint"}
        assert json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n" == line


def test_reading_a_line_raises_nothing_but_invalid() -> None:
    chance = random.Random(7)
    for _ in range(500):
        with pytest.raises(Invalid):
            parse_line(chance.randbytes(chance.randrange(200)))
