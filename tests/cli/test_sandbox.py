"""A sandbox of real parts: started, started once more, told, interrupted, ended, and one of a machine that has little.

One sandbox serves all tests but two. Every program of ours that it runs refuses to leave this machine, as the
guard is loaded by each Python.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import LOOPBACK_GUARD, PROGRAM, Outcome, Program
from tests.tools.components import Missing, default_cache, find_kubernetes, find_registry
from tests.tools.required import give_up

pytestmark = pytest.mark.slow

TIMEOUT_S = 300
README = Path(__file__).parents[2] / "README.md"


@dataclass
class Sandbox:
    """Where it is, and the program that knows it."""

    path: Path
    environment: dict[str, str]

    def run(self, *words: str) -> Outcome:
        """A verb of `portreeve sandbox`, to the end."""
        command = [str(PROGRAM), "sandbox", *words, "--directory", str(self.path)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=TIMEOUT_S, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def pids(self) -> dict[str, int]:
        """Part → the number of its process."""
        told = json.loads((self.path / "sandbox.json").read_text())["processes"]
        return {part: one["pid"] for part, one in told.items()}

    def status(self) -> dict[str, Any]:
        """Part → what `status` says of it."""
        return {one["part"]: one for one in self.run("status", "-o", "json").json["parts"]}


def new(folder: Path, **more: str) -> Sandbox:
    env = {"PORTREEVE_CACHE": str(default_cache()), "PATH": os.environ["PATH"], "TMPDIR": str(folder), **more}
    if "KUBEBUILDER_ASSETS" in os.environ:
        env["KUBEBUILDER_ASSETS"] = os.environ["KUBEBUILDER_ASSETS"]
    program = Program(folder, guarded_by=LOOPBACK_GUARD, env=env)
    return Sandbox(folder / "sandbox", program.environment())


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def with_real_parts() -> None:
    for found in (find_kubernetes(default_cache()), find_registry()):
        if isinstance(found, Missing):
            give_up(found)
    if shutil.which("kubectl") is None:
        pytest.skip("NOT RUN: kubectl is not on PATH (Debian package kubernetes-client); it is no part of the product")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One that runs."""
    with_real_parts()
    made = new(tmp_path_factory.mktemp("sandbox"))
    begun = made.run("up")
    assert begun.code == 0, begun.err
    assert "starting kube-apiserver" in begun.err
    assert f"portreeve sandbox story --directory {made.path}" in begun.out
    try:
        yield made
    finally:
        made.run("down")


def test_a_second_start_reuses_what_runs(sandbox: Sandbox) -> None:
    before = sandbox.pids()
    again = sandbox.run("up")
    assert again.code == 0
    assert "starting" not in again.err
    assert sandbox.pids() == before
    assert {one["state"] for one in sandbox.status().values()} == {"running"}
    assert len(before) == 6


def test_the_story_comes_out_as_it_says(sandbox: Sandbox) -> None:
    told = sandbox.run("story")
    assert told.code == 0, told.out[-3000:]
    assert told.out.rstrip().endswith("== 9 chapters told")
    for fact in (
        "Registry/shop created",
        "ok      pull       shop/api:1.4 can be pulled: sha256:",
        '[{"name":"portreeve-pull"}]',
        "Warning: Validation failed for ValidatingAdmissionPolicy 'portreeve-images'",
        "denied request: image 127.0.0.1:",
        "cause      credential_refused",
        "1 of 1 environments have it",
        'secrets "portreeve-pull" not found',
        "INTACT",
    ):
        assert fact in told.out
    for name in ("robot", "pusher"):
        assert (sandbox.path / f"{name}.password").read_text() not in told.out
    kept = json.loads((sandbox.path / "audit.jsonl").read_text().splitlines()[0])
    assert kept, "the story left the log that it verified"


def test_each_command_of_the_story_can_be_typed(sandbox: Sandbox) -> None:
    script = 'eval "$(portreeve sandbox env)"; portreeve get environments; kubectl get namespaces'
    environment = {**sandbox.environment, "PORTREEVE_SANDBOX": str(sandbox.path), "PORTREEVE_TOKEN": "of another"}
    environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
    typed = subprocess.run(["sh", "-ec", script], env=environment, capture_output=True, text=True, check=False)
    assert typed.returncode == 0, typed.stderr
    assert "sandbox" in typed.stdout
    assert "kube-system" in typed.stdout
    assert "shop " not in typed.stdout, "the story has cleaned up"


def test_what_has_ended_is_said_and_started_anew_and_the_rest_is_reused(sandbox: Sandbox) -> None:
    before = sandbox.pids()
    os.kill(before["agent"], signal.SIGKILL)
    while runs(before["agent"]):
        pass
    assert sandbox.run("status").code == 3
    assert sandbox.status()["portreeve-agent"]["state"] == "ended"
    refused = sandbox.run("story")
    assert (refused.code, refused.err.split(":")[0]) == (2, "sandbox_ended")
    assert sandbox.run("up").code == 0
    after = sandbox.pids()
    assert {part for part in after if after[part] != before[part]} == {"agent"}


def test_down_ends_all_of_it_and_nothing_is_left(sandbox: Sandbox) -> None:
    pids = sandbox.pids()
    assert all(map(runs, pids.values()))
    assert sandbox.run("down").code == 0
    assert not any(map(runs, pids.values()))
    assert not sandbox.path.exists()
    assert sandbox.run("status").err.startswith("sandbox_missing:")


def test_an_interrupt_leaves_no_process_and_no_directory(tmp_path: Path) -> None:
    with_real_parts()
    made = new(tmp_path)
    command = [str(PROGRAM), "sandbox", "up", "--directory", str(made.path)]
    starting = subprocess.Popen(
        command, env=made.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert starting.stderr is not None
    for line in starting.stderr:
        if "starting portreeve up" in line:
            break
    while "plane" not in (pids := made.pids()):
        assert starting.poll() is None
        time.sleep(0.01)
    assert {"etcd", "apiserver", "registry", "plane"} <= set(pids)
    os.killpg(starting.pid, signal.SIGINT)
    out, err = starting.communicate(timeout=TIMEOUT_S)
    assert (starting.returncode, err.splitlines()[-1]) == (130, "interrupted")
    assert out == ""
    assert not any(map(runs, pids.values()))
    assert not made.path.exists()


def test_what_the_machine_cannot_do_is_said_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    made = new(tmp_path, PATH=str(tmp_path / "bin"), PORTREEVE_CACHE=str(tmp_path / "cache"))
    made.environment.pop("KUBEBUILDER_ASSETS", None)
    begun = made.run("up")
    try:
        assert begun.code == 0, begun.err
        for part in ("cluster", "registry", "kubectl"):
            assert f"left out: {part}: " in begun.err
        assert set(made.pids()) == {"plane"}
        told = made.run("story")
        assert told.code == 0, told.out
        assert "Left out: it needs a cluster" in told.out
        assert "INTACT" in told.out
        assert "== 2 chapters told; left out: A cluster without nodes" in told.out
    finally:
        assert made.run("down").code == 0
    assert not made.path.exists()


def test_a_new_one_whose_part_fails_says_why_and_is_removed(tmp_path: Path) -> None:
    """It is tried with other ports first, where that is what the part complains of."""
    (tmp_path / "bin").mkdir()
    registry = tmp_path / "bin" / "docker-registry"
    registry.write_text("#!/bin/sh\necho 'listen tcp: bind: address already in use' >&2\n")
    registry.chmod(0o755)
    made = new(tmp_path, PATH=str(tmp_path / "bin"), PORTREEVE_CACHE=str(tmp_path / "cache"))
    made.environment.pop("KUBEBUILDER_ASSETS", None)
    failed = made.run("up")
    assert failed.err.count("starting anew with others") == 2
    assert "sandbox_part: docker-registry has ended" in failed.err
    assert "docker-registry: listen tcp: bind: address already in use" in failed.err
    assert failed.code == 2
    assert not made.path.exists()


def test_the_commands_of_the_story_are_shown_without_a_sandbox(tmp_path: Path) -> None:
    shown = new(tmp_path).run("story", "--list")
    assert shown.code == 0
    assert "$ portreeve grant shop --environment sandbox -n shop -y" in shown.out
    assert list(tmp_path.glob("sandbox*")) == []


def test_the_readme_names_the_verbs_that_were_run() -> None:
    section = README.read_text(encoding="utf-8").split("## See it work")[1].split("\n## ")[0]
    for words in ("up", "story", "env", "down"):
        assert f"portreeve sandbox {words}" in section
