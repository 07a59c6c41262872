"""Every bad input: exit code 2, the place and what to do on standard error, no traceback; JSON where asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from portreeve.cli import failures
from portreeve.errors import Conflict, Denied, Invalid, PortreeveError
from tests.cli.conftest import POLICY
from tests.cli.program import PROGRAM, Program, is_root

pytestmark = pytest.mark.wide

WRONG = """\
apiVersion: portreeve.io/v1
kind: RegistryPolicy
metadata: {name: prod-sources}
spec:
  restrict:
    stage: denny
    allowedSources:
      - {prefix: nginx, scope: Global}
      - {prefx: harbor.example.com, scope: Global}
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], ["there is no command 'chek'", "did you mean check?"]),
        (["xyzzy"], ["there is no command", "commands: check"]),
        (["check"], ["missing argument", "portreeve check --help"]),
        (["check", "app.yaml", "--polcy", "x"], ["--polcy", "--policy"]),
        (["check", "app.yaml", "-o", "nonsense"], ["'nonsense'", "'table'", "portreeve check --help"]),
        (["check", "nowhere"], ["nowhere does not exist", "do:"]),
        (["check", "app.yaml", "-p", "nowhere.yaml"], ["nowhere.yaml does not exist", "do:"]),
        (["check", "app.yaml", "-p", "app.yaml"], ["app.yaml:1", "kind", "api"]),
        (["check", "app.yaml", "-p", "wrong.yaml"], ["wrong.yaml:1", "spec.restrict.stage",
                                                     "spec.restrict.allowedSources[0].prefix",
                                                     "docker.io/library/nginx",
                                                     "spec.restrict.allowedSources[1].prefx", "did you mean prefix?"]),
        (["check", "app.yaml", "-p", "syntax.yaml"], ["syntax.yaml:3", "do: mend"]),
        (["check", "app.yaml", "-p", "empty"], ["empty holds no RegistryPolicy", "portreeve suggest"]),
        (["check", "app.yaml", "-p", "two.yaml"], ["one, two", "--policy-name"]),
        (["check", "app.yaml", "-p", "two.yaml", "--policy-name", "three"], ["three", "there are: one, two"]),
        (["check", "app.yaml", "--report", "sarf=x"], ["'sarf'", "did you mean sarif?"]),
        (["check", "app.yaml", "--report", "pdf=x"], ["'pdf'", "formats: csv"]),
        (["check", "app.yaml", "--report", "out.sarif"], ["'out.sarif'", "FORMAT=PATH"]),
        (["check", "app.yaml", "--report", "sarif=empty"], ["empty: is a folder", "do:"]),
        (["check", "app.yaml", "--report", "sarif=no/such/x"], ["no/such/x", "no/such does not exist"]),
        (["check", "app.yaml", "--report", "sarif=x", "--report", "json=x"], ["two reports go to x"]),
        (["explain", "nginx"], ["no policy was given", "PORTREEVE_POLICY"]),
        (["images"], ["--why IMAGE"]),
        (["images", "app.yaml", "--why", "nginx", "-o", "csv"], ["not as csv"]),
        (["suggest", "app.yaml", "--name", "Not A Name"], ["DNS label"]),
        (["suggest", "app.yaml", "--mirror", "https://x"], ["--mirror", "https"]),
        (["simulate", "app.yaml"], ["--policy"]),
        (["test", "nowhere.yaml"], ["nowhere.yaml does not exist"]),
        (["test", "policy.yaml", "--require-tests"], ["no file holds a case", "PolicyTest"]),
        (["render"], ["--policy"]),
        (["completion", "tcsh"], ["'tcsh'", "'bash'"]),
        (["help", "nothing"], ["'nothing'"]),
    ],
)  # fmt: skip
def test_bad_input_exits_2_and_says_where_and_what(program: Program, arguments: list[str], said: list[str]) -> None:
    prepare(program)
    done = program.run(*arguments)
    assert (done.code, done.out) == (2, "")
    for part in said:
        assert part in done.err


def prepare(program: Program) -> None:
    program.write("wrong.yaml", WRONG)
    program.write("syntax.yaml", "kind: RegistryPolicy\nspec: [\n")
    program.write("two.yaml", "---\n".join(POLICY.replace("prod-sources", name) for name in ("one", "two")))
    (program.folder / "empty").mkdir()


def test_an_error_is_json_too_where_json_was_asked_for(program: Program) -> None:
    prepare(program)
    done = program.run("check", "app.yaml", "-p", "wrong.yaml", "-o", "json")
    assert done.code == 2
    assert set(done.json["error"]) == {"code", "message", "hint", "docs", "problems"}
    assert done.json["error"]["code"] == "documents_invalid"
    assert done.json["error"]["docs"] == "docs/errors.md#documents_invalid"
    assert "documents_invalid" in done.err
    for arguments in (["check", "-ojson"], ["check", "--output=json"], ["chek", "--output", "json"]):
        assert program.run(*arguments).json["error"]["code"] == "usage"
    assert program.run("check", env={"PORTREEVE_CHECK_OUTPUT": "json"}).json["error"]["code"] == "usage"
    assert program.run("check", "-o", "table", env={"PORTREEVE_CHECK_OUTPUT": "json"}).out == ""


@pytest.mark.parametrize("arguments", [["check", "EVIL"], ["check", "app.yaml", "-p", "EVIL"], ["EVIL"],
                                       ["check", "app.yaml", "--report", "EVIL=x"], ["test", "EVIL"]])  # fmt: skip
def test_hostile_names_do_not_reach_the_terminal(program: Program, arguments: list[str]) -> None:
    done = program.run(*[word.replace("EVIL", "a\x1b[2Jb") for word in arguments])
    assert done.code == 2
    assert "\x1b" not in done.err + done.out
    assert r"\x1b[2J" in done.err


@pytest.mark.skipif(is_root(), reason="root may read and write everything")
def test_permissions_are_named(program: Program) -> None:
    (program.folder / "policy.yaml").chmod(0)
    done = program.run("check", "app.yaml", "-p", "policy.yaml")
    assert (done.code, "policy.yaml: Permission denied" in done.err) == (2, True)


def test_a_report_that_fails_late_leaves_one_json_document(program: Program) -> None:
    done = program.run("check", "app.yaml", "-o", "json", "--report", "sarif=/dev/full")
    assert done.code == 2
    assert done.json["error"]["code"] == "report_unwritable"
    assert "/dev/full" in done.err


def test_kinds_of_error_have_their_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    expected = {Invalid: 2, Conflict: 2, Denied: 4, PortreeveError: 2}
    assert {kind: failures.handled(kind("c", "m"), []) for kind in expected} == expected
    assert failures.handled(KeyboardInterrupt(), []) == 130
    assert capsys.readouterr().out == ""


def test_an_internal_error_is_one_line_with_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert failures.handled(RuntimeError("first\nsecond"), []) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "internal: internal error: RuntimeError: first second"
    assert "please report" in lines[1]


def test_an_internal_error_has_its_traceback_where_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures.handled(RuntimeError("x"), ["check", "-v"])
    assert "RuntimeError: x" in capsys.readouterr().err.splitlines()[0]
    monkeypatch.setenv("PORTREEVE_DEBUG", "1")
    failures.handled(RuntimeError("x"), ["check", "--version"])
    assert "RuntimeError: x" in capsys.readouterr().err.splitlines()[0]


def test_a_closed_pipe_is_quiet(program: Program) -> None:
    program.write("many.yaml", "---\n".join(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p{i}}}\nspec: {{containers: [{{name: c, image: i{i}}}]}}\n"
        for i in range(3_000)
    ))  # fmt: skip
    done = subprocess.run(
        f"{PROGRAM} check many.yaml -p policy.yaml | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, cwd=program.folder,
        env=program.environment(),
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == "141"


def take_interrupts() -> None:
    """A child of a job in the background is born deaf to interrupts, and Python leaves it so."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def await_sleep(pid: int) -> None:
    """Wait until a process is blocked, seen three times in a row.

    A signal between Python's look at its flag and the system call would be noticed only after the call.
    """
    asleep = 0
    for _ in range(1_500):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        if asleep == 3:
            return
        time.sleep(0.02)
    raise TimeoutError(f"process {pid} never slept")


def test_an_interrupt_exits_130(program: Program) -> None:
    pipe, held = os.pipe()  # standard input that never ends
    started = subprocess.Popen(
        [PROGRAM, "check", "app.yaml", "-", "-p", "policy.yaml"], stdin=pipe, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=program.folder, env=program.environment(),
        preexec_fn=take_interrupts,  # noqa: PLW1509 - nothing here has threads
    )  # fmt: skip
    assert started.stdout is not None
    started.stdout.readline()  # it has begun to judge, and will wait for the rest
    await_sleep(started.pid)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    os.close(held)
    assert (started.returncode, err) == (130, "interrupted\n")


def test_the_words_are_searched_for_json_as_click_reads_them() -> None:
    assert failures.wants_json(["check", "-o", "json"])
    assert not failures.wants_json(["check", "json"])
    assert not failures.wants_json(["check", "-o", "yaml", "json"])


def test_errors_are_json_that_a_parser_reads(capsys: pytest.CaptureFixture[str]) -> None:
    failures.handled(Invalid("c", 'a "quote" and ünïcode'), ["-o", "json"])
    assert json.loads(capsys.readouterr().out)["error"]["message"] == 'a "quote" and ünïcode'
