"""Completion: the scripts, and what the program answers to a shell."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from portreeve.cli.verbs import VERBS
from tests.cli.program import PROGRAM, Program


def answers(program: Program, words: str, *, kind: str = "bash") -> list[str]:
    """What the program answers with the cursor at the end of `words`."""
    count = str(len(words.split(" ")) - 1) if kind == "bash" else words.rpartition(" ")[2]
    env = {"_PORTREEVE_COMPLETE": f"{kind}_complete", "COMP_WORDS": words, "COMP_CWORD": count}
    done = program.run(env=env)
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


def test_verbs_are_completed(program: Program) -> None:
    assert answers(program, "portreeve ") == [f"plain,{verb}" for verb in VERBS]
    assert answers(program, "portreeve ex") == ["plain,explain", "plain,export", "plain,exempt"]


def test_options_and_their_values_are_completed(program: Program) -> None:
    assert "plain,--fail-on" in answers(program, "portreeve check --fa")
    assert answers(program, "portreeve check --fail-on ") == ["plain,deny", "plain,warn", "plain,none"]
    assert answers(program, "portreeve check -o ") == [
        "plain,table", "plain,wide", "plain,json", "plain,yaml", "plain,csv",
    ]  # fmt: skip
    assert "plain,sarif=" in answers(program, "portreeve check --report ")


def test_paths_are_left_to_the_shell(program: Program) -> None:
    assert answers(program, "portreeve check app") == ["file,app"]
    assert answers(program, "portreeve check -p pol") == ["file,pol"]


def test_the_protocol_of_fish_has_the_help(program: Program) -> None:
    assert answers(program, "portreeve hos", kind="fish") == [f"plain,hosts\t{VERBS['hosts'].help}"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(program: Program, shell: str) -> None:
    script = program.run("completion", shell).out
    assert "_PORTREEVE_COMPLETE" in script
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"NO {shell} here: its script was not tried")
    read = subprocess.run([found, "-n"], input=script, capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def test_bash_completes_with_the_script(program: Program) -> None:
    line = (
        f'PATH="{PROGRAM.parent}:$PATH"; source <(portreeve completion bash); '
        'COMP_WORDS=(portreeve sug); COMP_CWORD=1; _portreeve_completion portreeve; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, env=program.environment())
    assert done.stdout == "suggest\n", done.stderr


def test_the_script_of_powershell_speaks_the_protocol_of_fish(program: Program) -> None:
    script = program.run("completion", "powershell").out
    assert "Register-ArgumentCompleter -Native -CommandName portreeve" in script
    assert "_PORTREEVE_COMPLETE = 'fish_complete'" in script
    assert script.count("{") == script.count("}")
