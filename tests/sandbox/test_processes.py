"""Processes are known again by number and birth, and nobody else's are ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from portreeve.sandbox import processes
from portreeve.sandbox.processes import Process

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


def started(tmp_path: Path, code: str) -> Process:
    return processes.start([sys.executable, "-c", code], tmp_path / "log", tmp_path, dict(os.environ))


def said(log: Path, text: str) -> None:
    while text not in log.read_text():
        pass


def test_a_started_process_runs_until_it_is_ended(tmp_path: Path) -> None:
    process = started(tmp_path, "import time; print('on', flush=True); time.sleep(60)")
    said(tmp_path / "log", "on")
    assert process.is_running()
    processes.end([process])
    assert not process.is_running()


def test_one_that_does_not_end_by_itself_is_killed(tmp_path: Path) -> None:
    process = started(tmp_path, STUBBORN)
    said(tmp_path / "log", "on")
    processes.end([process], grace_s=0.1)
    assert not process.is_running()


def test_one_with_the_number_of_ours_and_another_birth_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stranger = Process(other.pid, "another-boot/1")
        assert not stranger.is_running()
        processes.end([stranger])
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_one_that_has_ended_and_was_not_waited_for_does_not_run(tmp_path: Path) -> None:
    process = started(tmp_path, "print('said')")
    while process.is_running():
        pass
    assert processes.tail(tmp_path / "log") == ("said",)


def test_it_is_not_in_our_session_so_that_an_interrupt_at_the_keyboard_is_not_for_it(tmp_path: Path) -> None:
    process = started(tmp_path, "import time; time.sleep(60)")
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
    finally:
        processes.end([process])


def test_output_can_go_to_a_file_of_its_own(tmp_path: Path) -> None:
    code = "import sys; print('secret'); print('log', file=sys.stderr)"
    command = [sys.executable, "-c", code]
    process = processes.start(command, tmp_path / "log", tmp_path, dict(os.environ), out=tmp_path / "out")
    while process.is_running():
        pass
    assert ((tmp_path / "out").read_text(), (tmp_path / "log").read_text()) == ("secret\n", "log\n")
