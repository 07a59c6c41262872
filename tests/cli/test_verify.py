"""`portreeve verify audit`: exit codes, what is named, and what it takes for keys and checkpoints."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from portreeve.core.audit_export import event_line
from tests.cli.program import Program
from tests.core.exports import KEY, STRANGER, export, log, signed

pytestmark = pytest.mark.wide

LOG = log(12)
LINES = export(LOG, 4)
PUBLIC = str(KEY.verifier)
ARGUMENTS = ("verify", "audit", "audit.jsonl", "--key", PUBLIC)


@pytest.fixture
def exported(program: Program) -> Program:
    write(program, LINES)
    program.write("kept.txt", str(signed(LOG)))
    program.write("audit.pub", f"{STRANGER.verifier}\n\n{PUBLIC}\r\n")
    return program


def write(program: Program, lines: list[bytes], name: str = "audit.jsonl") -> None:
    (program.folder / name).write_bytes(b"".join(lines))


def test_an_intact_export_exits_0(exported: Program) -> None:
    done = exported.run(*ARGUMENTS, "--checkpoint", "kept.txt")
    assert (done.code, done.err) == (0, "")
    assert done.out == "INTACT  12 events, 3 checkpoints, as the kept checkpoint says\n"


def test_without_a_kept_checkpoint_it_says_what_is_not_found(exported: Program) -> None:
    done = exported.run(*ARGUMENTS)
    assert (done.code, done.out) == (0, "INTACT  12 events, 3 checkpoints\n")
    assert done.err.startswith("note: without --checkpoint")
    assert exported.run(*ARGUMENTS, "-q").err == ""


def test_keys_may_lie_in_a_file(exported: Program) -> None:
    assert exported.run("verify", "audit", "audit.jsonl", "--key-file", "audit.pub").code == 0


def test_standard_input_is_read(exported: Program) -> None:
    done = exported.run("verify", "audit", "-", "--key", PUBLIC, stdin=b"".join(LINES).decode())
    assert (done.code, done.out) == (0, "INTACT  12 events, 3 checkpoints\n")


def test_an_edited_event_exits_1_and_is_named(exported: Program) -> None:
    write(exported, [*LINES[:6], event_line(replace(LOG[5], request="forged")), *LINES[7:]])
    done = exported.run(*ARGUMENTS)
    assert done.code == 1
    assert done.out == (
        "TAMPERED  line 10: the 8 events in front do not have the root that was signed (audit_root)\n"
        "          lines 1 to 5 are proven\n"
    )


def test_a_dropped_event_exits_1_at_its_line(exported: Program) -> None:
    write(exported, [*LINES[:2], *LINES[3:]])
    done = exported.run(*ARGUMENTS, "-o", "json")
    assert done.code == 1
    assert done.json["result"] == "tampered"
    assert done.json["finding"] == {
        "line": 3,
        "code": "audit_sequence",
        "message": "event 3 instead of 2: an event was dropped or moved",
        "provenLine": 0,
    }


def test_a_log_cut_off_at_a_checkpoint_needs_the_kept_one(exported: Program) -> None:
    write(exported, LINES[:10])
    assert exported.run(*ARGUMENTS).code == 0
    done = exported.run(*ARGUMENTS, "--checkpoint", "kept.txt")
    assert done.code == 1
    assert "line 11: the export ends with 8 events; the kept checkpoint covers 12 (audit_truncated)" in done.out


def test_another_key_exits_1(exported: Program) -> None:
    done = exported.run("verify", "audit", "audit.jsonl", "--key", str(STRANGER.verifier))
    assert done.code == 1
    assert "line 5: no trusted key of portreeve.example.com/audit has signed the checkpoint" in done.out


def test_events_that_nothing_covers_exit_3_and_are_counted(exported: Program) -> None:
    write(exported, export(log(14), 4))
    done = exported.run(*ARGUMENTS)
    assert done.code == 3
    assert done.out == ("INCOMPLETE  14 events, 3 checkpoints; 2 events behind the last checkpoint are not covered\n")
    assert exported.run(*ARGUMENTS, "-o", "json").json["uncovered"] == 2


def test_an_empty_export_exits_3(exported: Program) -> None:
    write(exported, [])
    done = exported.run(*ARGUMENTS)
    assert (done.code, done.out) == (3, "INCOMPLETE  no events and no checkpoint\n")


def test_json_says_what_was_compared(exported: Program) -> None:
    answer = exported.run(*ARGUMENTS, "--checkpoint", "kept.txt", "-o", "json").json
    assert answer == {
        "result": "intact",
        "events": 12,
        "checkpoints": 3,
        "covered": 12,
        "uncovered": 0,
        "root": signed(LOG).checkpoint.root.hex(),
        "keptCheckpoint": {"size": 12, "compared": True},
        "finding": None,
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("audit.jsonl",), "audit_key"),
        (("audit.jsonl", "--key", PUBLIC[:-1]), "audit_key"),
        (("audit.jsonl", "--key", KEY.reveal()), "audit_key"),
        (("audit.jsonl", "--key-file", "policy.yaml"), "audit_key"),
        (("audit.jsonl", "--key-file", "none"), "file"),
        (("none.jsonl", "--key", PUBLIC), "file"),
        ((".", "--key", PUBLIC), "file"),
        (("audit.jsonl", "--key", PUBLIC, "--checkpoint", "policy.yaml"), "audit_checkpoint"),
        (("audit.jsonl", "--key", PUBLIC, "--checkpoint", "forged.txt"), "audit_signature"),
        (("audit.jsonl", "--key", PUBLIC, "--checkpoint", "large.txt"), "file_too_large"),
    ],
)
def test_what_cannot_be_used_exits_2(exported: Program, arguments: tuple[str, ...], code: str) -> None:
    exported.write("forged.txt", str(signed(LOG, STRANGER)))
    exported.write("large.txt", "x" * 100_000)
    done = exported.run("verify", "audit", *arguments, "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, code)
    assert KEY.reveal().rpartition("+")[2] not in done.out + done.err, "a private key is not repeated"


def test_another_noun_is_a_usage_error(exported: Program) -> None:
    assert exported.run("verify", "bundle", "audit.jsonl").code == 2


def test_hostile_lines_do_not_reach_the_terminal(exported: Program) -> None:
    for line in (b"\x1b[2J\n", LINES[0].replace(b"prod-eu", b"\x1b[2J"), b"\xff" * 100_000, b"[" * 70_000 + b"\n"):
        write(exported, [line])
        done = exported.run(*ARGUMENTS)
        assert done.code == 1
        assert done.out.startswith("TAMPERED  line 1: ")
        assert "\x1b" not in done.out


def test_the_signature_library_is_loaded_by_nothing_but_verifying() -> None:
    script = "import sys, portreeve.core.audit_verify, portreeve.wire.syslog, portreeve.cli.verify; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if name.startswith("cryptography")]
