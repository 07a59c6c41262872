"""What a check leaves for the first page: bounded, for its user alone, and believed only where it can be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.workspace.last_check import (
    MAX_BYTES,
    MOST_FINDINGS,
    MOST_OTHERS,
    Found,
    From,
    LastCheck,
    Missed,
    Nothing,
    Totals,
    file_of,
    read,
    unlogged,
    write,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ONE = Found("a.yaml", 3, "Pod", "shop", "api", "web", "nginx", "docker.io/library/nginx:latest", "DENY", "w", "f",
            pinned=False, moving=True)  # fmt: skip
TOTALS = Totals(1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1)
CHECK = LastCheck(
    NOW, "/src", ("a.yaml",), ("-n", "shop"), "prod", "deny", ("p.yaml",), 1, TOTALS, (ONE,),
    (Missed("b.yaml", 1, "yaml_syntax", "no"),), (From("docker.io/library", 1, 1, 0),),
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = file_of({"HOME": str(tmp_path)})
    assert found == tmp_path / ".local/state/portreeve/last-check.json"
    return found


def test_what_is_written_is_read_and_is_for_this_user_alone(file: Path, tmp_path: Path) -> None:
    write(file, replace(CHECK, policy="before"), {"HOME": str(tmp_path)})
    write(file, CHECK, {"HOME": str(tmp_path)})
    assert read(file, NOW) == CHECK
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [one.name for one in file.parent.iterdir()] == [file.name], "no draft is left"


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path / "none")}
    file = file_of(environment)
    assert file
    with pytest.raises(OSError, match="none"):
        write(file, CHECK, environment)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"XDG_STATE_HOME": "relative", "HOME": "also"}])
def test_variables_that_lead_nowhere_lead_nowhere(environment: dict[str, str]) -> None:
    assert file_of(environment) is None
    assert isinstance(read(None, NOW), Nothing)


def test_the_file_is_bounded_whatever_was_checked(file: Path, tmp_path: Path) -> None:
    worst = replace(ONE, file="\u202e" * 50_000, image="\x1b" * 50_000, name="é" * 50_000, why="\ud800" * 50_000)
    many = replace(
        CHECK,
        directory="x" * 1_000_000,
        paths=("\u202e" * 10_000,) * 1_000,
        options=("\U000e0001" * 10_000,) * 1_000,
        policy_files=("\U0001f600" * 10_000,) * 1_000,
        totals=replace(TOTALS, uses=100_000),
        findings=(worst,) * 100_000,
        not_evaluated=(Missed("\U000e0001" * 10_000, 1, "\u202e" * 10_000, "\U000e0001" * 10_000),) * 10_000,
        sources=(From("\U000e0001" * 10_000, 1, 1, 1),) * 10_000,
    )
    write(file, many, {"HOME": str(tmp_path)})
    assert file.stat().st_size <= MAX_BYTES
    found = read(file, NOW)
    assert isinstance(found, LastCheck)
    assert 0 < len(found.findings) <= MOST_FINDINGS
    assert (len(found.not_evaluated), len(found.sources), len(found.paths)) == (MOST_OTHERS,) * 3
    assert all(text.isprintable() for text in (found.findings[0].file, found.findings[0].image, found.findings[0].why))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://ada:canary@harbor.example.com/a", "https://…@harbor.example.com/a"),
        ("https://ada:can@ry/x@harbor.example.com/a@sha256:00", "https://…@harbor.example.com/a@sha256:00"),
        ("https://canary@harbor.example.com", "https://…@harbor.example.com"),
        ("ada:canary@harbor.example.com/a:1", "…@harbor.example.com/a:1"),
        ("canary@harbor.example.com/a", "…@harbor.example.com/a"),
        ("harbor.example.com:5000/a:1@sha256:00", "harbor.example.com:5000/a:1@sha256:00"),
        ("nginx@latest", "nginx@latest"),
        ("https://harbor.example.com/a:1", "https://harbor.example.com/a:1"),
        ("", ""),
    ],
)
def test_a_login_in_front_of_a_host_is_struck_out(written: str, kept: str) -> None:
    assert unlogged(written) == kept


def edited(**changed: Any) -> Callable[[Path], None]:
    def edit(file: Path) -> None:
        file.write_text(json.dumps(json.loads(file.read_text()) | changed))

    return edit


def linked(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


def piped(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def foreign(file: Path) -> None:
    os.chown(file, 12345, 12345)


DAMAGED = "it is damaged, or of another version: check again"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.write_bytes(b""), DAMAGED),
        (lambda file: file.write_bytes(b"\xff{"), DAMAGED),
        (lambda file: file.write_text("[" * 100_000), DAMAGED),
        (lambda file: file.write_text(f'{{"form": {"9" * 5_000}}}'), DAMAGED),
        (lambda file: file.write_text("null"), DAMAGED),
        (edited(form=2), DAMAGED),
        (edited(at="2026-05-01T12:00:00"), DAMAGED),
        (edited(at="0001-01-01T00:00:00+23:59"), DAMAGED),
        (edited(at=5), DAMAGED),
        (edited(findings=[{}]), DAMAGED),
        (edited(findings="x"), DAMAGED),
        (edited(paths=[None]), DAMAGED),
        (edited(exit_code=True), DAMAGED),
        (edited(exit_code=1e400), DAMAGED),
        (edited(totals=asdict(TOTALS) | {"uses": -1}), DAMAGED),
        (edited(at="2026-05-01T12:06:00+00:00"), "its time lies ahead of this machine's clock"),
        (lambda file: file.write_bytes(b" " * (MAX_BYTES + 1)), f"it is larger than {MAX_BYTES:,} bytes"),
        (lambda file: file.chmod(0o622), "others may write it"),
        (linked, "it cannot be read: Too many levels of symbolic links"),
        (piped, "it is not a file"),
        (folder, "it is not a file"),
        (lambda file: file.unlink(), ""),
        pytest.param(foreign, "it belongs to another user", marks=pytest.mark.skipif(os.geteuid() != 0, reason="root")),
    ],
)
def test_what_cannot_be_believed_counts_for_none(
    file: Path, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    write(file, CHECK, {"HOME": str(tmp_path)})
    damage(file)
    assert read(file, NOW) == Nothing(reason)


def test_a_clock_that_was_set_back_a_little_hides_nothing(file: Path, tmp_path: Path) -> None:
    write(file, CHECK, {"HOME": str(tmp_path)})
    assert read(file, NOW - timedelta(minutes=4)) == CHECK
