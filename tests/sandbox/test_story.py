"""The story is made of commands that a shell and our command line can read; a real sandbox tells it elsewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from portreeve.cli.verbs import VERBS
from portreeve.sandbox.directory import Directory, variables
from portreeve.sandbox.story import CHAPTERS, CLEAN_UP, LEFT_BEHIND, Need

STEPS = [step for chapter in (*CHAPTERS, CLEAN_UP) for step in chapter.steps]
COMMANDS = "\n".join([*(step.command for step in STEPS), *LEFT_BEHIND])


def test_a_shell_can_read_every_command() -> None:
    read = subprocess.run(["sh", "-n", "-c", COMMANDS], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def test_every_verb_is_one_of_ours() -> None:
    verbs = re.findall(r"\bportreeve ([a-z]+)", COMMANDS)
    assert len(verbs) > 15
    assert set(verbs) <= set(VERBS)


def test_every_variable_is_one_that_the_reader_is_told(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    directory.ports = {"plane": 1, "apiserver": 2, "registry": 3}
    assert set(re.findall(r"\$\{?([A-Z_]+)", COMMANDS)) <= set(variables(directory))


@pytest.mark.parametrize(("word", "need"), [("kubectl", Need.KUBECTL), ("$REGISTRY_CA", Need.REGISTRY)])
def test_what_needs_a_part_is_left_out_without_it(word: str, need: Need) -> None:
    for chapter in (*CHAPTERS, CLEAN_UP):
        for step in chapter.steps:
            if word in step.command:
                assert need in chapter.needs | step.needs, step.command


def test_what_the_story_makes_it_takes_away() -> None:
    for made in ("namespace shop", "policy shop-sources", "registry shop"):
        assert any(f"delete {made}" in step.command for step in CLEAN_UP.steps)
        assert any(f"delete {made}" in command for command in LEFT_BEHIND)
